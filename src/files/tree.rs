//! The document root. Every access to a file that a request names goes through [`Tree`], which applies the rule for
//! symbolic links. The path for a request is determined in `lookup`.
//!
//! Invariant: only regular files are opened for reading.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

use super::listing::CheckLink;
use super::stat::{Identity, Stat, SystemPath};
use confined::Access;

mod confined;

/// The rule for symbolic links in the tree of a [`FileService`](super::FileService).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Symlinks {
    /// Every link is followed, as in Python, even if it leads out of the served directory.
    #[default]
    Follow,
    /// A link, relative or absolute, is followed if its target is within the served directory. If the target is
    /// elsewhere, the response is 404, and listings leave the link out. The kernel checks the path again when the file
    /// is opened (`openat2` with `RESOLVE_BENEATH`), so even a link that changes at that moment cannot lead out of the
    /// directory.
    Within,
    /// The response for a path that contains a symbolic link is 404, and listings leave symbolic links out. The path of
    /// the served directory itself may contain links.
    Deny,
}

/// The document root, with the rule for symbolic links below it.
///
/// Files are opened by their path below the root's path, which is fixed at startup. They are not opened relative to a
/// descriptor of the root, because a build tool may replace the whole directory while the server runs. The server must
/// then serve the new directory.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    root: PathBuf,
    symlinks: Symlinks,
}

impl Tree {
    /// Creates the tree below a directory, which must exist and be readable.
    ///
    /// # Errors
    /// Returns the system's error for the directory, with its name in the message, or `Unsupported` if `symlinks` is
    /// not [`Symlinks::Follow`] and the system cannot check symbolic links.
    pub(crate) fn new(root: &Path, symlinks: Symlinks) -> io::Result<Tree> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", root.display()));
        let absolute = std::path::absolute(root).map_err(named)?;
        if !std::fs::metadata(&absolute).map_err(named)?.is_dir() {
            return Err(named(io::ErrorKind::NotADirectory.into()));
        }
        // A directory can be searchable but not readable. Listings need both permissions.
        _ = std::fs::read_dir(&absolute).map_err(named)?;
        let tree = Tree { root: absolute, symlinks };
        // If the kernel has no `openat2`, the lookup of the root fails here, and not at the first request.
        tree.stat(&tree.root).map_err(named)?;
        Ok(tree)
    }

    /// Returns the absolute path of the root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the same tree with [`Symlinks::Follow`], for paths that the operator configured.
    pub(crate) fn following_symlinks(&self) -> Tree {
        Tree { symlinks: Symlinks::Follow, ..self.clone() }
    }

    /// Looks up the kind and the identity of the file at a path.
    pub(crate) fn stat(&self, path: &Path) -> io::Result<Stat> {
        match self.symlinks {
            Symlinks::Follow => Stat::at(path),
            checked => Stat::of(&confined::open(&self.root, path, checked, Access::Stat)?),
        }
    }

    /// Returns a function that applies this tree's rule to the symbolic links in a directory; `None` if every link is
    /// followed.
    pub(crate) fn check_link(&self, directory: &Path) -> Option<Box<CheckLink>> {
        if self.symlinks == Symlinks::Follow {
            return None;
        }
        let (tree, directory) = (self.clone(), directory.to_owned());
        Some(Box::new(move |name| tree.stat(&directory.join(as_path(name))).ok()))
    }

    /// Returns the identity of the regular file at a path.
    ///
    /// # Errors
    /// Returns `NotFound` if the path names another kind of file, and otherwise the system's error.
    pub(crate) fn identify(&self, path: &Path) -> io::Result<Identity> {
        self.stat(path)?.regular()
    }

    /// Like [`regular_file`](Tree::regular_file), but for a path that is looked up repeatedly.
    pub(crate) fn regular_file_again(&self, path: &SystemPath) -> Option<Identity> {
        let stat = match self.symlinks {
            Symlinks::Follow => path.stat(),
            _ => self.stat(path.as_path()),
        };
        stat.and_then(|stat| stat.regular()).ok()
    }

    /// Returns the identity of the regular file at a path, or `None` for any other kind of file and on any error.
    pub(crate) fn regular_file(&self, path: &Path) -> Option<Identity> {
        self.identify(path).ok()
    }

    /// Opens the regular file at a path if it still has the identity that [`identify`](Tree::identify) returned in this
    /// turn.
    ///
    /// # Errors
    /// Returns `NotFound` if the identity has changed.
    pub(crate) fn reopen(&self, path: &Path, identity: &Identity) -> io::Result<File> {
        let (file, now) = self.open(path)?;
        if now == *identity { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// Opens a regular file.
    ///
    /// The caller must have called [`identify`](Tree::identify) for the path in this turn, because opening a FIFO would
    /// wake its writer, and opening a tape would rewind it. The kind of the open file is checked again, because another
    /// file may have taken its place in the meantime.
    ///
    /// # Errors
    /// Returns `NotFound` if the open file is not a regular file.
    pub(crate) fn open(&self, path: &Path) -> io::Result<(File, Identity)> {
        let file = self.open_unchecked(path)?;
        let identity = Stat::of(&file)?.regular()?;
        Ok((file, identity))
    }

    /// Opens the file at a path without blocking. The caller must have found a regular file at this path in this turn,
    /// and must check the kind of the open file before it sends a byte, because another file may have taken its place
    /// in the meantime.
    pub(crate) fn open_unchecked(&self, path: &Path) -> io::Result<File> {
        match self.symlinks {
            Symlinks::Follow => open_nonblocking(path),
            checked => confined::open(&self.root, path, checked, Access::Read),
        }
    }

    /// Opens a directory that is to be listed. The rule for symbolic links applies to its path.
    pub(crate) fn open_directory(&self, path: &Path) -> io::Result<OwnedFd> {
        match self.symlinks {
            Symlinks::Follow => {
                // A FIFO may have replaced the directory. `NONBLOCK` prevents the call from waiting for the FIFO's
                // writer.
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
                Ok(rustix::fs::open(path, flags, Mode::empty())?)
            }
            checked => Ok(confined::open(&self.root, path, checked, Access::List)?.into()),
        }
    }
}

/// Converts the name of a directory entry to a path.
#[cfg(unix)]
fn as_path(name: &[u8]) -> &Path {
    Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name))
}

/// Opens a file without blocking. If a FIFO or a terminal has taken the place of the file, the call neither waits for a
/// writer nor makes the terminal the controlling terminal of the process.
#[cfg(unix)]
fn open_nonblocking(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

#[cfg(not(unix))]
fn open_nonblocking(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Reads bytes of a file at an offset. The file's own position does not move, which matters because all responses that
/// send a file share its descriptor.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

/// Reads bytes of a file at an offset. On this system, the call moves the file's own position, but no code depends on
/// that position.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}

#[cfg(test)]
mod tests;
