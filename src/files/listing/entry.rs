//! One entry of a directory, and the function that looks it up.

use std::borrow::Cow;

use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, FileType, Stat, statat};

use super::entry_filter::CheckLink;
use crate::files::stat;
use crate::http::percent_encode_segment;

/// The kind of a file system entry, as shown in a listing.
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
    /// Returns the word for the kind in the JSON form of a listing: `file`, `directory`, `symlink` or `other`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Directory => "directory",
            Kind::Symlink => "symlink",
            Kind::Other => "other",
        }
    }
}

/// One entry of a directory, as it is passed to a [`ListingTemplate`](super::ListingTemplate).
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The number of entries before this one in the listing.
    pub index: usize,
    /// The name in the file system: any bytes except `/` and NUL.
    pub name: &'a [u8],
    /// The kind, size and modification time of the entry, and the kind of its target.
    pub facts: Facts,
}

impl Entry<'_> {
    /// True for a directory or a symbolic link to one. Its [`href`](Entry::href) ends in a slash.
    pub fn is_directory(&self) -> bool {
        self.facts.is_directory()
    }

    /// True for a symbolic link whose target does not exist or cannot be looked up.
    pub fn is_broken(&self) -> bool {
        self.facts.kind == Kind::Symlink && self.facts.target.is_none()
    }

    /// Returns the name as text, with U+FFFD for bytes that are not UTF-8.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.name)
    }

    /// Returns the name as it appears in Python's listing: followed by `@` for a symbolic link and by `/` for a
    /// directory. The name is not escaped.
    pub fn display_name(&self) -> String {
        format!("{}{}", self.text(), self.mark())
    }

    /// Returns the mark that follows the name in Python's listing: `@` for a symbolic link, `/` for a directory,
    /// otherwise empty.
    pub fn mark(&self) -> &'static str {
        match self.facts.kind {
            Kind::Symlink => "@",
            Kind::Directory => "/",
            Kind::File | Kind::Other => "",
        }
    }

    /// Returns the URL of the entry relative to the listing: the percent-encoded name, followed by a slash for a
    /// directory. The URL consists of ASCII letters, digits and `%_.-~/`.
    pub fn href(&self) -> String {
        let mut href = percent_encode_segment(self.name).to_string();
        if self.is_directory() {
            href.push('/');
        }
        href
    }
}

/// Information about an entry, as provided by the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The kind of the entry itself, which is `Symlink` for a symbolic link.
    pub kind: Kind,
    /// For a symbolic link, the kind of its final target; `None` if the link is broken.
    pub target: Option<Kind>,
    /// The size in bytes of a regular file, or of a symbolic link's target if that is a regular file. `None` for other
    /// entries.
    pub size: Option<u64>,
    /// The modification time in seconds since 1970. For a symbolic link, this is the time of its target, or of the link
    /// itself if the link is broken. `None` if the entry was removed while the directory was being read.
    pub modified: Option<i64>,
}

impl Facts {
    /// Looks up an entry, in most cases with one system call. One more call is needed for a broken link, and one more
    /// for a link in a directory that does not report file types. CPython makes two calls for every entry.
    ///
    /// If `check_link` is given, that function looks up the target of a symbolic link, and this method returns `None`
    /// if the function does.
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
        // The directory has reported that the entry is a link, so no system call is needed to find that out.
        if file_type == FileType::Symlink {
            return of_link();
        }
        match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if kind_of(&stat) == Kind::Symlink => of_link(),
            Ok(stat) => Some(Facts { kind: kind_of(&stat), ..Facts::of_target(&stat) }),
            // The entry has been removed, or the directory can be read but not searched. In both cases, only the name
            // is known.
            Err(_) => Some(Facts { kind: kind_of_type(file_type), target: None, size: None, modified: None }),
        }
    }

    fn of_link(dir: BorrowedFd<'_>, name: &[u8]) -> Facts {
        if let Ok(stat) = statat(dir, name, AtFlags::empty()) {
            return Facts { kind: Kind::Symlink, target: Some(kind_of(&stat)), ..Facts::of_target(&stat) };
        }
        // A broken link is shown with the time of the link itself.
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

// The types of the fields of `stat` differ between systems, so the cast is useless on some of them.
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
