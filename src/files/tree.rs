use std::fs::File;
#[cfg(not(unix))]
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags};

use super::listing::CheckLink;

/// The served directory as a door to the file system: the only place of this room that asks the system for anything.
///
/// Files are opened by their path below the root's path, which is fixed at the start, and not below a descriptor of
/// it: a build tool may replace the whole directory while the server runs, and the new one is what people expect.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    root: PathBuf,
    symlinks: Symlinks,
}

/// What becomes of symbolic links in the tree of a [`FileService`](super::FileService) (contract row SH14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Symlinks {
    /// They are followed wherever they lead, as in Python.
    #[default]
    Follow,
    /// They are followed to targets within the served directory, by relative and by absolute links; a path that leads
    /// to anything else is 404 and not listed. The kernel has the last word when it opens the file (openat2 with
    /// RESOLVE_BENEATH), so that a link that is exchanged at that moment leads nowhere else.
    Within,
    /// A path with a symbolic link in it is 404, and symbolic links are not listed. The path of the served directory
    /// itself may have some.
    Deny,
}

/// What a path names, as far as serving it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A FIFO, a socket, a device: never opened, because that may block or have side effects (contract row SH13).
    Other,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) modified: Timestamp,
    /// When the inode was changed last, which no program can set back.
    pub(crate) changed: Timestamp,
}

impl Identity {
    /// The time of modification, unless it is one of the first two seconds of 1970. The Nix store gives every file the
    /// time 1 and reproducible builds give theirs 0 or 1, so that a change of the file does not change its time.
    pub(crate) fn dated(&self) -> Option<Timestamp> {
        Some(self.modified).filter(|modified| !matches!(modified.seconds, 0 | 1))
    }
}

/// A time stamp of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp {
    /// Since 1970, before it where negative.
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: i64,
}

/// FileKind and identity of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) kind: FileKind,
    pub(crate) identity: Identity,
}

impl Tree {
    /// The tree below a directory, which must exist and be readable.
    ///
    /// # Errors
    /// What the system says about the directory, with its name in the text.
    ///
    /// `Unsupported` if the system cannot keep symbolic links in check and that was asked for.
    pub(crate) fn new(root: &Path, symlinks: Symlinks) -> io::Result<Tree> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", root.display()));
        let absolute = std::path::absolute(root).map_err(named)?;
        if !std::fs::metadata(&absolute).map_err(named)?.is_dir() {
            return Err(named(io::ErrorKind::NotADirectory.into()));
        }
        _ = std::fs::read_dir(&absolute).map_err(named)?;
        let tree = Tree { root: absolute, symlinks };
        tree.stat(&tree.root).map_err(named)?;
        Ok(tree)
    }

    /// The absolute path of the root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The same tree for paths that the operator names and no client: symbolic links in them are followed.
    pub(crate) fn trusting(&self) -> Tree {
        Tree { symlinks: Symlinks::Follow, ..self.clone() }
    }

    /// What the path names now.
    pub(crate) fn stat(&self, path: &Path) -> io::Result<Stat> {
        match self.symlinks {
            Symlinks::Follow => Stat::at(path),
            checked => Stat::of(&confined::open(&self.root, path, checked, confined::Access::Stat)?),
        }
    }

    /// What decides on the symbolic links in a directory as this tree does, if it does not follow them all.
    pub(crate) fn check_link(&self, directory: &Path) -> Option<Box<CheckLink>> {
        if self.symlinks == Symlinks::Follow {
            return None;
        }
        let (tree, directory) = (self.clone(), directory.to_owned());
        Some(Box::new(move |name| tree.stat(&directory.join(as_path(name))).ok()))
    }

    /// Which regular file the path names now; anything else is `NotFound`.
    pub(crate) fn look_at(&self, path: &Path) -> io::Result<Identity> {
        self.stat(path)?.regular()
    }

    /// Which regular file the path names now, if it names one.
    pub(crate) fn file(&self, path: &Path) -> Option<Identity> {
        self.look_at(path).ok()
    }

    /// Opens a file that was found to be a regular one in this turn; another one is `NotFound`.
    pub(crate) fn reopen(&self, path: &Path, identity: &Identity) -> io::Result<File> {
        let (file, now) = self.open(path)?;
        if now == *identity { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// Opens a regular file; anything else is `NotFound`.
    ///
    /// The path must have been looked at in this turn ([`look_at`](Tree::look_at)), so that no FIFO's writer is woken and
    /// no tape rewound. The open file is looked at as well, because the path may have come to name another one.
    pub(crate) fn open(&self, path: &Path) -> io::Result<(File, Identity)> {
        let file = self.open_found(path)?;
        let identity = Stat::of(&file)?.regular()?;
        Ok((file, identity))
    }

    /// Opens without waiting what was found to be a regular file in this turn. The caller looks at the open file before
    /// it sends anything of it: it may be another one.
    pub(crate) fn open_found(&self, path: &Path) -> io::Result<File> {
        match self.symlinks {
            Symlinks::Follow => open_without_waiting(path),
            checked => confined::open(&self.root, path, checked, confined::Access::Read),
        }
    }

    /// Opens a directory, to be listed.
    pub(crate) fn open_directory(&self, path: &Path) -> io::Result<OwnedFd> {
        match self.symlinks {
            Symlinks::Follow => {
                // What took the directory's place must not keep us waiting.
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
                Ok(rustix::fs::open(path, flags, Mode::empty())?)
            }
            checked => Ok(confined::open(&self.root, path, checked, confined::Access::List)?.into()),
        }
    }
}

impl Stat {
    /// Which regular file this is; anything else is `NotFound`.
    pub(crate) fn regular(&self) -> io::Result<Identity> {
        if self.kind == FileKind::File { Ok(self.identity) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// The state of what a path names.
    #[cfg(unix)]
    fn at(path: &Path) -> io::Result<Stat> {
        Ok(Stat::from(&rustix::fs::stat(path)?))
    }

    #[cfg(not(unix))]
    fn at(path: &Path) -> io::Result<Stat> {
        Ok(Stat::from(&std::fs::metadata(path)?))
    }

    /// The state of an open file.
    #[cfg(unix)]
    pub(crate) fn of(file: &File) -> io::Result<Stat> {
        Ok(Stat::from(&rustix::fs::fstat(file)?))
    }

    #[cfg(not(unix))]
    pub(crate) fn of(file: &File) -> io::Result<Stat> {
        Ok(Stat::from(&file.metadata()?))
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
        let identity = Identity { device: 0, inode: 0, size: metadata.len(), modified, changed: modified };
        Stat { kind, identity }
    }
}

/// The name of an entry as a path.
#[cfg(unix)]
fn as_path(name: &[u8]) -> &Path {
    Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name))
}

/// Opening a FIFO that took the file's place must not wait for its writer, nor a terminal become ours.
#[cfg(unix)]
fn open_without_waiting(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Opening below the root with an eye on symbolic links.
#[cfg(target_os = "linux")]
mod confined {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    use rustix::fd::OwnedFd;
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
    use rustix::io::Errno;

    use super::Symlinks;

    /// What a descriptor is for.
    #[derive(Debug, Clone, Copy)]
    pub(super) enum Access {
        /// Asking what it is: nothing is opened that could notice.
        Stat,
        /// Its bytes.
        Read,
        /// The names in it.
        List,
    }

    /// How often a path is resolved, or opened, anew because the tree changed meanwhile.
    const ATTEMPTS: usize = 4;

    /// Opens what a path below the root names; `NotFound` if a symbolic link in it is not to be followed, so that a
    /// path that is kept back is answered like one that does not exist.
    pub(super) fn open(root: &Path, path: &Path, symlinks: Symlinks, access: Access) -> io::Result<File> {
        let below = path.strip_prefix(root).map_err(|_| io::ErrorKind::NotFound)?;
        let links = match symlinks {
            Symlinks::Deny => ResolveFlags::NO_SYMLINKS,
            Symlinks::Follow | Symlinks::Within => ResolveFlags::empty(),
        };
        match open_below(root, below, access, links) {
            Err(Errno::XDEV) if symlinks == Symlinks::Within => resolve(root, path, access),
            Err(Errno::NOSYS) => Err(io::ErrorKind::Unsupported.into()),
            Err(Errno::XDEV | Errno::LOOP) => Err(io::ErrorKind::NotFound.into()),
            result => Ok(File::from(result?)),
        }
    }

    /// Opens what a path with an absolute link in it, or one that leaves the root and returns, names within the root.
    ///
    /// To the kernel such a link leads out. So the path is resolved here, and its result is opened below the root
    /// without following any link: if the tree changes in between, the path is resolved anew, and never is anything
    /// outside of the root opened.
    fn resolve(root: &Path, path: &Path, access: Access) -> io::Result<File> {
        for _ in 0..ATTEMPTS {
            // Errors tell of directories outside of the root, which is nothing for a client.
            let (Ok(real_root), Ok(real)) = (root.canonicalize(), path.canonicalize()) else { break };
            let Ok(below) = real.strip_prefix(&real_root) else { break };
            match open_below(&real_root, below, access, ResolveFlags::NO_SYMLINKS) {
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
        // The kernel gives up when the tree is being renamed around it, and suggests to try again.
        let once = || openat2(&root, below, flags, Mode::empty(), resolve);
        (1..ATTEMPTS).map(|_| once()).find(|result| !matches!(result, Err(Errno::AGAIN))).unwrap_or_else(once)
    }
}

/// Only Linux has a way to do it without a moment in between.
#[cfg(not(target_os = "linux"))]
mod confined {
    pub(super) enum Access {
        Stat,
        Read,
        List,
    }

    pub(super) fn open(
        _: &std::path::Path,
        _: &std::path::Path,
        _: super::Symlinks,
        _: Access,
    ) -> std::io::Result<std::fs::File> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

#[cfg(not(unix))]
fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Reads at an offset without moving the one that all users of the descriptor share.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

/// Reads at an offset. Every reader names its own, so it does no harm that this one moves the file's.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_that_cannot_be_served_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        let error = Tree::new(&missing, Symlinks::Follow).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("missing"), "{error}");
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(Tree::new(&file, Symlinks::Follow).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    #[cfg(unix)]
    fn a_file_is_known_by_all_that_the_system_says_of_its_state() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "text").unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        let expected = Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: 4,
            modified: Timestamp { seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() },
            changed: Timestamp { seconds: metadata.ctime(), nanoseconds: metadata.ctime_nsec() },
        };
        let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
        assert_eq!(tree.stat(&path).unwrap(), Stat { kind: FileKind::File, identity: expected });
        assert_eq!(tree.open(&path).unwrap().1, expected);
    }

    #[test]
    fn a_file_is_reopened_only_in_the_same_state() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
        let (path, other) = (dir.path().join("file"), dir.path().join("other"));
        std::fs::write(&path, "text").unwrap();
        let identity = tree.look_at(&path).unwrap();
        assert!(tree.reopen(&path, &identity).is_ok());
        std::fs::File::options().append(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert!(tree.reopen(&path, &identity).is_err(), "another time");
        let identity = tree.look_at(&path).unwrap();
        std::fs::write(&other, "1234").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(tree.look_at(&path).unwrap().size, identity.size);
        assert!(tree.reopen(&path, &identity).is_err(), "another file of the same size");
    }

    #[test]
    fn only_regular_files_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&fifo, &link).unwrap();
        for path in [&fifo, &socket, &link, &dir.path().to_owned(), &PathBuf::from("/dev/null")] {
            assert_eq!(tree.look_at(path).unwrap_err().kind(), io::ErrorKind::NotFound, "{}", path.display());
            assert!(tree.open(path).is_err(), "{}", path.display());
        }
        assert_eq!(tree.stat(&fifo).unwrap().kind, FileKind::Other);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn symbolic_links_are_kept_in_check() {
        use Symlinks::{Deny, Follow, Within};
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("sub/file"), "in").unwrap();
        std::fs::write(dir.path().join("secret"), "out").unwrap();
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.join(name)).unwrap();
        link(Path::new("sub/file"), "inside");
        link(Path::new("sub"), "directory");
        link(Path::new("../secret"), "outside");
        link(&dir.path().join("secret"), "absolute");
        link(Path::new("../root/sub/file"), "out-and-in");
        link(Path::new("/proc/self/exe"), "magic");
        link(&root.join("sub/file"), "absolute-inside");
        link(&root.join("sub"), "absolute-directory");
        link(Path::new("absolute-directory/file"), "relative-hop");
        link(&root.join("relative-hop"), "through-links");
        link(Path::new("../absolute-inside"), "sub/upwards");
        link(Path::new("absolute"), "through-outside");
        link(Path::new("../../secret"), "sub/escape");
        link(Path::new("loop"), "loop");
        link(&root.join("absolute-loop"), "absolute-loop");
        link(Path::new("nothing"), "nowhere");
        link(&root.join("nothing"), "absolute-nowhere");
        for (name, allowed) in [
            ("sub/file", &[Follow, Within, Deny][..]),
            ("inside", &[Follow, Within]),
            ("directory/file", &[Follow, Within]),
            ("outside", &[Follow]),
            ("absolute", &[Follow]),
            ("out-and-in", &[Follow, Within]),
            ("absolute-inside", &[Follow, Within]),
            ("absolute-directory/file", &[Follow, Within]),
            ("through-links", &[Follow, Within]),
            ("sub/upwards", &[Follow, Within]),
            ("through-outside", &[Follow]),
            ("sub/escape", &[Follow]),
            ("loop", &[]),
            ("absolute-loop", &[]),
            ("nowhere", &[]),
            ("absolute-nowhere", &[]),
            ("magic", &[Follow]),
        ] {
            for symlinks in [Follow, Within, Deny] {
                let tree = Tree::new(&root, symlinks).unwrap();
                let open = tree.open(&root.join(name));
                assert_eq!(open.is_ok(), allowed.contains(&symlinks), "{name} {symlinks:?}: {open:?}");
                assert_eq!(tree.file(&root.join(name)).is_some(), open.is_ok());
            }
        }
        for symlinks in [Follow, Within, Deny] {
            let tree = Tree::new(&root, symlinks).unwrap();
            assert!(tree.open_directory(&root).is_ok() && tree.open_directory(&root.join("sub")).is_ok());
            assert_eq!(tree.open_directory(&root.join("directory")).is_ok(), symlinks != Deny);
            assert!(tree.open_directory(&root.join("sub/file")).is_err());
        }
        let tree = Tree::new(&root, Within).unwrap();
        assert!(tree.open(&dir.path().join("secret")).is_err());
        assert!(tree.trusting().open(&dir.path().join("secret")).is_ok());
        assert_eq!(tree.stat(&root).unwrap().kind, FileKind::Directory);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn absolute_links_stay_within_a_root_that_is_a_link() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let (real, alias) = (dir.path().join("real"), dir.path().join("alias"));
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("a"), "").unwrap();
        symlink("real", &alias).unwrap();
        symlink(real.join("a"), real.join("by-real-name")).unwrap();
        symlink(alias.join("a"), real.join("by-alias")).unwrap();
        symlink(&real, real.join("to-the-root")).unwrap();
        for root in [&real, &alias] {
            let tree = Tree::new(root, Symlinks::Within).unwrap();
            for name in ["by-real-name", "by-alias", "to-the-root/a", "to-the-root/to-the-root/by-alias"] {
                assert!(tree.open(&root.join(name)).is_ok(), "{name} below {root:?}");
            }
            assert!(tree.open_directory(&root.join("to-the-root")).is_ok());
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_link_that_is_exchanged_all_the_time_never_leads_out() {
        use std::os::unix::fs::symlink;
        use std::sync::atomic::{AtomicBool, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        for (directory, text) in [(root.join("inside"), "inside"), (outside.clone(), "outside")] {
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("file"), text).unwrap();
        }
        symlink(root.join("inside"), root.join("link")).unwrap();
        let tree = Tree::new(&root, Symlinks::Within).unwrap();
        let (done, path) = (AtomicBool::new(false), root.join("link/file"));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for target in [&outside, &root.join("inside")].into_iter().cycle() {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    symlink(target, root.join("next")).unwrap();
                    std::fs::rename(root.join("next"), root.join("link")).unwrap();
                }
            });
            let read = |_| tree.open(&path).ok().map(|(file, _)| std::io::read_to_string(file).unwrap());
            let found: Vec<_> = (0..2000).filter_map(read).collect();
            done.store(true, Ordering::Relaxed);
            assert!(found.iter().all(|text| text == "inside"));
        });
    }

    #[test]
    fn a_fifo_that_took_the_place_of_a_file_does_not_wait_for_its_writer() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let file = open_without_waiting(&fifo).unwrap();
        assert_eq!(Stat::of(&file).unwrap().kind, FileKind::Other);
    }
}
