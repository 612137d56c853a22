//! The state of a file as the system reports it: its kind, and the identity that distinguishes one state of a file from
//! another. `tree` opens files and applies the rules for symbolic links.

#[cfg(unix)]
use std::ffi::{CString, OsStr};
use std::fs::File;
#[cfg(not(unix))]
use std::fs::Metadata;
use std::io;
#[cfg(unix)]
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

#[cfg(unix)]
use rustix::fs::FileType;

/// The kind of a file, which determines how a request for it is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A FIFO, a socket or a device. Such a file is never opened, because opening it can block or have side effects.
    Other,
}

/// The identity of one state of a file: the values that distinguish it from other states and other files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// The size of the file in bytes.
    pub(crate) size: u64,
    pub(crate) modified: Timestamp,
    /// The time of the inode's last change (ctime), which programs cannot set back.
    pub(crate) changed: Timestamp,
}

impl Identity {
    /// Returns the modification time, or `None` if it is 0 or 1 second after the beginning of 1970. In the Nix store
    /// every file has the time 1, and reproducible builds use 0 or 1, so such a time stays the same when the file
    /// changes.
    pub(crate) fn modification_time(&self) -> Option<Timestamp> {
        Some(self.modified).filter(|modified| !matches!(modified.seconds, 0 | 1))
    }
}

/// A timestamp from the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp {
    /// Seconds since 1970; negative for earlier times.
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: i64,
}

/// The kind and the identity of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) kind: FileKind,
    pub(crate) identity: Identity,
}

impl Stat {
    /// Returns the identity of a regular file.
    ///
    /// # Errors
    /// Returns `NotFound` for any other kind of file.
    pub(crate) fn regular(&self) -> io::Result<Identity> {
        if self.kind == FileKind::File { Ok(self.identity) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// Reads the state of the file at a path. Symbolic links are followed.
    #[cfg(unix)]
    pub(super) fn at(path: &Path) -> io::Result<Stat> {
        Ok(Stat::from(&rustix::fs::stat(path)?))
    }

    #[cfg(not(unix))]
    pub(super) fn at(path: &Path) -> io::Result<Stat> {
        Ok(Stat::from(&std::fs::metadata(path)?))
    }

    /// Reads the state of an open file.
    #[cfg(unix)]
    pub(crate) fn of(file: &File) -> io::Result<Stat> {
        Ok(Stat::from(&rustix::fs::fstat(file)?))
    }

    #[cfg(not(unix))]
    pub(crate) fn of(file: &File) -> io::Result<Stat> {
        Ok(Stat::from(&file.metadata()?))
    }
}

/// A path in the format that system calls require, for a file whose state is read repeatedly. On Unix, it ends in a NUL
/// byte. A `Path` does not, so each system call would have to copy it to append the NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SystemPath(#[cfg(unix)] CString, #[cfg(not(unix))] PathBuf);

impl From<PathBuf> for SystemPath {
    #[cfg(unix)]
    fn from(path: PathBuf) -> SystemPath {
        // A path with a NUL names no file, but cannot be a C string. It is replaced by the empty path, which names no
        // file either.
        SystemPath(CString::new(path.into_os_string().into_vec()).unwrap_or_default())
    }

    #[cfg(not(unix))]
    fn from(path: PathBuf) -> SystemPath {
        SystemPath(path)
    }
}

impl SystemPath {
    #[cfg(unix)]
    pub(crate) fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.0.as_bytes()))
    }

    #[cfg(not(unix))]
    pub(crate) fn as_path(&self) -> &Path {
        &self.0
    }

    /// Reads the state of the file at this path. Symbolic links are followed.
    #[cfg(unix)]
    pub(super) fn stat(&self) -> io::Result<Stat> {
        Ok(Stat::from(&rustix::fs::stat(&*self.0)?))
    }

    #[cfg(not(unix))]
    pub(super) fn stat(&self) -> io::Result<Stat> {
        Stat::at(&self.0)
    }
}

#[cfg(unix)]
impl From<&rustix::fs::Stat> for Stat {
    #[allow(clippy::unnecessary_cast, reason = "the fields have different types on different systems")]
    fn from(stat: &rustix::fs::Stat) -> Stat {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Directory,
            _ => FileKind::Other,
        };
        let stamp = |seconds, nanoseconds| Timestamp { seconds: seconds as i64, nanoseconds: nanoseconds as i64 };
        let identity = Identity {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: stamp(stat.st_mtime, stat.st_mtime_nsec),
            changed: stamp(stat.st_ctime, stat.st_ctime_nsec),
        };
        Stat { kind, identity }
    }
}

#[cfg(not(unix))]
impl From<&Metadata> for Stat {
    fn from(metadata: &Metadata) -> Stat {
        let kind = match metadata.file_type() {
            file if file.is_file() => FileKind::File,
            file if file.is_dir() => FileKind::Directory,
            _ => FileKind::Other,
        };
        let since = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let since = since.unwrap_or_default();
        let modified = Timestamp { seconds: since.as_secs() as i64, nanoseconds: since.subsec_nanos().into() };
        // On this system, the standard library does not provide the device, the inode and the time of the last change,
        // so only the size and the modification time distinguish the states of a file.
        let identity = Identity { device: 0, inode: 0, size: metadata.len(), modified, changed: modified };
        Stat { kind, identity }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_system_path_names_the_file_of_its_path_and_none_if_it_has_a_nul() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "text").unwrap();
        let system_path = SystemPath::from(path.clone());
        assert_eq!(system_path.as_path(), path);
        assert_eq!(system_path.stat().unwrap(), Stat::at(&path).unwrap());
        // If the path were truncated at the NUL, it would name an existing file.
        let with_nul = SystemPath::from(PathBuf::from(format!("{}\0.html", path.display())));
        assert_eq!(with_nul.stat().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
