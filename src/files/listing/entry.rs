//! One entry of a directory: what it is, and how it is found out.

use std::borrow::Cow;

use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, FileType, Stat, statat};

use super::entry_filter::CheckLink;
use crate::files::stat;
use crate::http::percent_encode_segment;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, a socket or a device.
    Other,
}

impl Kind {
    /// The word for it in JSON: `file`, `directory`, `symlink` or `other`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Directory => "directory",
            Kind::Symlink => "symlink",
            Kind::Other => "other",
        }
    }
}

/// One entry of a directory, as a [`ListingTemplate`](super::ListingTemplate) gets it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// How many entries come before it in this listing.
    pub index: usize,
    /// The name as the file system has it: any bytes but `/` and NUL.
    pub name: &'a [u8],
    /// What it is, and what it leads to.
    pub facts: Facts,
}

impl Entry<'_> {
    /// Whether it is a directory or a link to one: its link ends in a slash.
    pub fn is_directory(&self) -> bool {
        self.facts.is_directory()
    }

    /// Whether it is a symbolic link that leads nowhere, or to what may not be looked at.
    pub fn is_broken(&self) -> bool {
        self.facts.kind == Kind::Symlink && self.facts.target.is_none()
    }

    /// The name as text, where bytes that are no UTF-8 are shown as U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.name)
    }

    /// The name as Python's listing shows it: with `@` for a link and `/` for a directory (contract row SH31).
    /// It is not escaped.
    pub fn display_name(&self) -> String {
        format!("{}{}", self.text(), self.mark())
    }

    /// What Python's listing puts behind the name: `@` for a link, `/` for a directory.
    pub fn mark(&self) -> &'static str {
        match self.facts.kind {
            Kind::Symlink => "@",
            Kind::Directory => "/",
            Kind::File | Kind::Other => "",
        }
    }

    /// The link to it from the listing: percent-encoded byte for byte, with a slash for a directory
    /// (contract rows SH31, SH32, SH35). It holds only letters, digits and `%_.-~/`.
    pub fn href(&self) -> String {
        let mut href = percent_encode_segment(self.name).to_string();
        if self.is_directory() {
            href.push('/');
        }
        href
    }
}

/// What the file system tells about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What the entry itself is.
    pub kind: Kind,
    /// For a symbolic link, what it leads to in the end; `None` if that is nothing.
    pub target: Option<Kind>,
    /// The size in bytes of a regular file, or of the one that a link leads to.
    pub size: Option<u64>,
    /// The last change of it, or of what the link leads to, in seconds since 1970; of the link itself if it leads
    /// nowhere. `None` if the entry went away while the directory was read.
    pub modified: Option<i64>,
}

impl Facts {
    /// Looks an entry up: one call to the system, or two for a link that leads nowhere and where the directory did
    /// not tell the type. CPython makes two for every entry.
    ///
    /// A symbolic link is followed, or left to `check_link` where there is one; `None` for one that it keeps back.
    pub(super) fn look_up(
        dir: BorrowedFd<'_>,
        name: &[u8],
        file_type: FileType,
        check_link: Option<&CheckLink>,
    ) -> Option<Facts> {
        let of_link = || match check_link {
            Some(check) => check(name).map(|target| Facts::of_checked(&target)),
            None => Some(Facts::of_link(dir, name)),
        };
        if file_type == FileType::Symlink {
            return of_link();
        }
        match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if kind_of(&stat) == Kind::Symlink => of_link(),
            Ok(stat) => Some(Facts { kind: kind_of(&stat), ..Facts::of_target(&stat) }),
            // The entry was removed since, or the directory may be read but not searched: the name is all there is.
            Err(_) => Some(Facts { kind: kind_of_type(file_type), target: None, size: None, modified: None }),
        }
    }

    fn of_link(dir: BorrowedFd<'_>, name: &[u8]) -> Facts {
        if let Ok(stat) = statat(dir, name, AtFlags::empty()) {
            return Facts { kind: Kind::Symlink, target: Some(kind_of(&stat)), ..Facts::of_target(&stat) };
        }
        let link = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok();
        Facts { kind: Kind::Symlink, target: None, size: None, modified: link.map(|stat| seconds(&stat)) }
    }

    fn of_checked(target: &stat::Stat) -> Facts {
        let kind = match target.kind {
            stat::FileKind::File => Kind::File,
            stat::FileKind::Directory => Kind::Directory,
            stat::FileKind::Other => Kind::Other,
        };
        let size = (kind == Kind::File).then_some(target.identity.size);
        Facts { kind: Kind::Symlink, target: Some(kind), size, modified: Some(target.identity.modified.seconds) }
    }

    fn of_target(stat: &Stat) -> Facts {
        let kind = kind_of(stat);
        let size = (kind == Kind::File).then(|| u64::try_from(stat.st_size).unwrap_or(0));
        Facts { kind, target: None, size, modified: Some(seconds(stat)) }
    }

    fn is_directory(&self) -> bool {
        self.kind == Kind::Directory || self.target == Some(Kind::Directory)
    }
}

// The field's type differs between systems.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
fn seconds(stat: &Stat) -> i64 {
    stat.st_mtime as i64
}

fn kind_of(stat: &Stat) -> Kind {
    kind_of_type(FileType::from_raw_mode(stat.st_mode))
}

fn kind_of_type(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        _ => Kind::Other,
    }
}
