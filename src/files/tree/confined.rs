//! Opens files below the root under [`Symlinks::Within`] and [`Symlinks::Deny`], with a system call that rejects a path
//! if it leaves the root during its resolution. Only Linux has such a call, so these rules are `Unsupported` elsewhere.

use std::fs::File;
use std::io;
use std::path::Path;

use super::Symlinks;
#[cfg(target_os = "linux")]
pub(super) use linux::open;

/// The purpose for which a file is opened.
#[derive(Debug, Clone, Copy)]
pub(super) enum Access {
    /// Only to call `fstat`. The file is opened with `O_PATH`, which has no side effects.
    Stat,
    /// To read the bytes of a file.
    Read,
    /// To read the names in a directory.
    List,
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open(_: &Path, _: &Path, _: Symlinks, _: Access) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
mod linux {
    use rustix::fd::OwnedFd;
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
    use rustix::io::Errno;

    use super::*;

    /// The maximum number of attempts to open a path. An attempt fails if the tree changes during the call.
    const ATTEMPTS: usize = 4;

    /// Opens the file at a path below the root.
    ///
    /// # Errors
    /// Returns `NotFound` if the path contains a symbolic link that must not be followed. The response is the same as
    /// for a missing file, so the client does not learn that the link exists. Returns `Unsupported` if the kernel has
    /// no `openat2`, and otherwise the system's error.
    pub(crate) fn open(root: &Path, path: &Path, symlinks: Symlinks, access: Access) -> io::Result<File> {
        let below = path.strip_prefix(root).map_err(|_| io::ErrorKind::NotFound)?;
        let links = match symlinks {
            Symlinks::Deny => ResolveFlags::NO_SYMLINKS,
            Symlinks::Follow | Symlinks::Within => ResolveFlags::empty(),
        };
        match open_below(root, below, access, links) {
            // `RESOLVE_BENEATH` also rejects absolute links, and paths that leave the root and come back.
            Err(Errno::XDEV) if symlinks == Symlinks::Within => resolve_and_open(root, path, access),
            Err(Errno::NOSYS) => Err(io::ErrorKind::Unsupported.into()),
            Err(Errno::XDEV | Errno::LOOP) => Err(io::ErrorKind::NotFound.into()),
            result => Ok(File::from(result?)),
        }
    }

    /// Opens a path within the root that contains an absolute link, or that leaves the root and returns.
    ///
    /// The kernel cannot resolve such a path below the root, so it is resolved here, and the result is opened below the
    /// root without following links. If the tree changes between the two steps, the path is resolved again. A file
    /// outside the root is never opened.
    fn resolve_and_open(root: &Path, path: &Path, access: Access) -> io::Result<File> {
        for _ in 0..ATTEMPTS {
            // Any error from this resolution becomes `NotFound`, because it may concern a directory outside the root,
            // about which the response must reveal nothing.
            let (Ok(real_root), Ok(real)) = (root.canonicalize(), path.canonicalize()) else { break };
            let Ok(below) = real.strip_prefix(&real_root) else { break };
            match open_below(&real_root, below, access, ResolveFlags::NO_SYMLINKS) {
                // The resolved path contained no links, so the tree must have changed since then.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {}
                result => return Ok(File::from(result?)),
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn open_below(root: &Path, below: &Path, access: Access, links: ResolveFlags) -> Result<OwnedFd, Errno> {
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        let flags = OFlags::CLOEXEC
            | match access {
                Access::Stat => OFlags::PATH,
                Access::Read => OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY,
                Access::List => OFlags::RDONLY | OFlags::NONBLOCK | OFlags::DIRECTORY,
            };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | links;
        let root = openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        // `openat2` returns EAGAIN if a rename anywhere may have changed the path during the call (openat2(2)).
        let once = || openat2(&root, below, flags, Mode::empty(), resolve);
        (1..ATTEMPTS).map(|_| once()).find(|result| !matches!(result, Err(Errno::AGAIN))).unwrap_or_else(once)
    }
}
