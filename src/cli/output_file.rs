//! A file that the program replaces as a whole: it writes a temporary file in the same directory and renames it. A
//! reader sees either the old content or the new content.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, open, openat, renameat, unlinkat};

/// A file to be replaced: its name, and an open descriptor of its directory, which a later chroot does not affect.
#[derive(Debug)]
pub(super) struct OutputFile {
    directory: OwnedFd,
    name: OsString,
}

impl OutputFile {
    /// Opens the directory of `path`. The file itself need not exist.
    ///
    /// # Errors
    /// Returns an error if the directory cannot be opened, or if `path` does not end in a file name.
    pub(super) fn at(path: &Path) -> io::Result<OutputFile> {
        let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_owned();
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let directory = open(directory, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(OutputFile { directory, name })
    }

    /// The descriptor of the directory, for example for a sandbox rule.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Replaces the content of the file, or creates it.
    pub(super) fn replace(&self, content: &[u8]) -> io::Result<()> {
        let temporary = self.temporary();
        let written = self.create(&temporary).and_then(|mut file| file.write_all(content));
        let replaced = written.and_then(|()| Ok(renameat(&self.directory, &temporary, &self.directory, &self.name)?));
        if replaced.is_err() {
            // The temporary file must not be left behind. An error is ignored, because the file may never have been
            // created.
            _ = unlinkat(&self.directory, &temporary, AtFlags::empty());
        }
        replaced
    }

    /// Creates the temporary file and removes it again, so that an unwritable directory is reported at startup.
    #[cfg(feature = "harness")]
    pub(super) fn try_out(&self) -> io::Result<()> {
        let temporary = self.temporary();
        self.create(&temporary)?;
        Ok(unlinkat(&self.directory, &temporary, AtFlags::empty())?)
    }

    /// Removes the file if it still has this content. If another process has written a different content, the file
    /// stays.
    pub(super) fn remove_if(&self, content: &[u8]) {
        // If another process has replaced the file with a FIFO, opening it must not block the exit of the program.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let Ok(file) = openat(&self.directory, &self.name, flags, Mode::empty()) else { return };
        let mut found = Vec::new();
        let read = File::from(file).take(content.len() as u64 + 1).read_to_end(&mut found);
        if read.is_ok() && found == content {
            _ = unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }

    fn create(&self, temporary: &OsStr) -> io::Result<File> {
        // Remove a file or symlink left by an earlier run first, so that the write does not follow a symlink.
        _ = unlinkat(&self.directory, temporary, AtFlags::empty());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(File::from(openat(&self.directory, temporary, flags, Mode::from_raw_mode(0o644))?))
    }

    fn temporary(&self) -> OsString {
        let mut name = self.name.clone();
        name.push(".tmp");
        name
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_replaced_by_a_new_one_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("port");
        fs::write(&path, "old").unwrap();
        fs::hard_link(&path, folder.path().join("link")).unwrap();
        fs::write(folder.path().join("port.tmp"), "left over").unwrap();
        let file = OutputFile::at(&path).unwrap();
        #[cfg(feature = "harness")]
        file.try_out().unwrap();
        file.replace(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read(folder.path().join("link")).unwrap(), b"old", "the old file is not written to");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }

    #[test]
    fn a_file_with_another_content_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("port");
        let file = OutputFile::at(&path).unwrap();
        file.replace(b"80\n").unwrap();
        for other in [&b"8"[..], b"80\n1", b""] {
            file.remove_if(other);
        }
        assert!(path.exists());
        file.remove_if(b"80\n");
        assert!(!path.exists());
    }

    #[test]
    fn a_path_without_a_name_or_a_directory_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(OutputFile::at(&folder.path().join("none/port")).is_err());
        assert!(OutputFile::at(Path::new("/")).is_err());
        assert!(OutputFile::at(folder.path()).unwrap().replace(b"").is_err(), "a directory is not replaced by a file");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }
}
