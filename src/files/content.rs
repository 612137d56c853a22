//! The bytes of a file: in memory where they are few, otherwise behind a descriptor.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::tree::{Identity, Stat, Tree, read_at};
use crate::service::{Body, FileSlice};

/// Up to this many bytes a body is kept in memory and leaves together with its head; above it, handing the descriptor
/// to the system costs less than copying.
pub(crate) const SMALL: u64 = 32 * 1024;

/// Two changes of a file within this time may carry the same time stamp: kernels without finer stamps count in ticks
/// of up to 10 ms.
const TICK: Duration = Duration::from_millis(20);

/// The bytes of one state of a file, shared by all responses that send them.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// The bytes themselves.
    Memory(Arc<[u8]>),
    /// The open file: what is sent is what it holds then.
    File(Arc<File>),
}

/// What is kept of content from one request to the next: bytes, but no descriptor, because an open file is one that
/// cannot be unmounted and whose space is not free when it is deleted, and an idle server would hold it for ever.
/// Responses that are on their way at the same time share theirs, with those that [`RecentFiles`](super::recent_files::RecentFiles) holds for
/// a moment.
#[derive(Debug)]
pub(crate) enum CachedContent {
    /// The bytes themselves.
    Memory(Arc<[u8]>),
    /// The file that is open as long as somebody sends it, and where to find it again.
    File(Weak<File>, PathBuf, Identity),
}

/// Content and the state of the file that it belongs to.
#[derive(Debug)]
pub(crate) struct LoadedFile {
    pub(crate) content: Content,
    /// The state in which the file was found; of a large one, in which it was opened.
    pub(crate) identity: Identity,
    /// Whether the identity describes the content. It does not for a file that changed while it was read, nor where the
    /// system makes content when it is read: every file of sysfs states 4096 bytes, every file of procfs none.
    pub(crate) consistent: bool,
    /// Whether an equal identity later means equal bytes, so that the content may be kept.
    pub(crate) cacheable: bool,
}

impl LoadedFile {
    /// How many bytes there are.
    pub(crate) fn length(&self) -> u64 {
        match &self.content {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File(_) => self.identity.size,
        }
    }
}

/// Why there is no content.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// No regular file could be opened.
    Open(io::Error),
    /// The file could not be read.
    Read(io::Error),
}

impl Content {
    /// A body of a part of these bytes, which must lie inside of them.
    pub(crate) fn body(&self, offset: u64, length: u64) -> Body {
        match self {
            _ if length == 0 => Body::Empty,
            Content::Memory(bytes) if length == bytes.len() as u64 => Body::Shared(Arc::clone(bytes)),
            Content::Memory(bytes) => {
                let (from, count) = (offset as usize, length as usize);
                Body::Bytes(bytes[from..from + count].to_vec().into())
            }
            Content::File(file) => Body::File(FileSlice { file: Arc::clone(file), offset, length }),
        }
    }

    /// Reads from a position on; 0 is the end.
    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Content::Memory(bytes) => {
                let rest = bytes.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
                let count = rest.len().min(buf.len());
                buf[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            }
            Content::File(file) => read_at(file, buf, offset),
        }
    }
}

impl CachedContent {
    /// What to keep of content that was loaded from a path.
    pub(crate) fn of(loaded: &LoadedFile, path: &Path) -> CachedContent {
        match &loaded.content {
            Content::Memory(bytes) => CachedContent::Memory(Arc::clone(bytes)),
            Content::File(file) => CachedContent::File(Arc::downgrade(file), path.to_owned(), loaded.identity),
        }
    }

    /// The content; `None` if the file cannot be opened or is another one now.
    pub(crate) fn open(&mut self, tree: &Tree) -> Option<Content> {
        match self {
            CachedContent::Memory(bytes) => Some(Content::Memory(Arc::clone(bytes))),
            CachedContent::File(shared, path, identity) => {
                let file = match shared.upgrade() {
                    Some(file) => file,
                    None => Arc::new(tree.reopen(path, identity).ok()?),
                };
                *shared = Arc::downgrade(&file);
                Some(Content::File(file))
            }
        }
    }

    /// How many bytes of memory this takes, roughly.
    pub(crate) fn weight(&self) -> usize {
        match self {
            CachedContent::Memory(bytes) => bytes.len(),
            CachedContent::File(_, path, _) => path.as_os_str().len(),
        }
    }
}

/// Takes the content of a file that was not looked at in this turn, as [`load_found`] does.
pub(crate) fn load(tree: &Tree, path: &Path, now: SystemTime) -> Result<LoadedFile, LoadError> {
    let found = tree.look_at(path).map_err(LoadError::Open)?;
    load_found(tree, path, &found, now)
}

/// Opens a regular file that was found in this turn and takes its content.
///
/// A small file that changes after it was found is looked at and read once more. If it changes again, what was read is
/// served as it is, and not kept.
pub(crate) fn load_found(tree: &Tree, path: &Path, found: &Identity, now: SystemTime) -> Result<LoadedFile, LoadError> {
    let (loaded, after) = load_once(tree, path, found, now)?;
    if after == *found {
        return loaded;
    }
    let found = tree.look_at(path).map_err(LoadError::Open)?;
    load_once(tree, path, &found, now)?.0
}

/// What came of reading a file, and the identity of the file afterwards: if it is the one that was found, the file that
/// was opened is the one that was found, and did not change.
type Read = (Result<LoadedFile, LoadError>, Identity);

fn load_once(tree: &Tree, path: &Path, found: &Identity, now: SystemTime) -> Result<Read, LoadError> {
    if found.size > SMALL {
        let (file, identity) = tree.open(path).map_err(LoadError::Open)?;
        let content = Content::File(Arc::new(file));
        return Ok((Ok(LoadedFile { content, identity, consistent: true, cacheable: true }), *found));
    }
    let file = tree.open_found(path).map_err(LoadError::Open)?;
    let bytes = read(&file, found.size as usize).map_err(LoadError::Read);
    let after = Stat::of(&file).and_then(|stat| stat.regular()).map_err(LoadError::Open)?;
    Ok((bytes.map(|bytes| in_memory(bytes, *found, after, now)), after))
}

/// The content of a small file, with its identity before and after it was read.
fn in_memory(bytes: Vec<u8>, before: Identity, after: Identity, now: SystemTime) -> LoadedFile {
    let consistent = before == after && bytes.len() as u64 == before.size;
    let cacheable = consistent && !is_recent(before, now);
    LoadedFile { content: Content::Memory(bytes.into()), identity: before, consistent, cacheable }
}

/// Reads a file to its end, whatever length it states.
///
/// # Errors
/// Those of reading; `FileTooLarge` for a file with more than [`UNSTATED`] bytes that states fewer.
fn read(file: &File, stated: usize) -> io::Result<Vec<u8>> {
    // One byte more than is stated shows in the same call whether there are more.
    let mut bytes = vec![0; stated + 1];
    let mut filled = 0;
    loop {
        match read_at(file, &mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled == stated {
            break;
        }
        if filled == bytes.len() {
            if filled > UNSTATED {
                let text = format!("it states {stated} bytes and has more than {UNSTATED}");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
            }
            bytes.resize((2 * filled).max(FIRST_UNSTATED), 0);
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// How many bytes are read of a file that states fewer. Such content is made while it is read, which must not hold the
/// loop for long.
const UNSTATED: usize = 1024 * 1024;

/// As many bytes as procfs makes at a time.
const FIRST_UNSTATED: usize = 4096;

/// Whether the file changed so little time ago that the next change could go unnoticed.
fn is_recent(identity: Identity, now: SystemTime) -> bool {
    let changed = u64::try_from(identity.changed.seconds).unwrap_or(0);
    let changed = UNIX_EPOCH + Duration::new(changed, identity.changed.nanoseconds as u32);
    now.duration_since(changed).is_ok_and(|age| age < TICK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tree::{Symlinks, Timestamp};

    #[test]
    fn small_files_are_in_memory_and_large_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
        let later = SystemTime::now() + Duration::from_secs(10);
        for (size, in_memory) in [(0, true), (1, true), (SMALL as usize, true), (SMALL as usize + 1, false)] {
            let path = dir.path().join("file");
            std::fs::write(&path, vec![b'x'; size]).unwrap();
            let loaded = load(&tree, &path, later).unwrap();
            assert!(loaded.cacheable);
            assert_eq!(loaded.identity.size, size as u64);
            assert_eq!(matches!(loaded.content, Content::Memory(_)), in_memory, "{size}");
            assert_eq!(loaded.content.body(0, size as u64).length(), Some(size as u64));
        }
    }

    #[test]
    fn what_changed_just_now_is_not_settled() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let changed = tree.stat(&path).unwrap().identity.changed;
        let at = UNIX_EPOCH + Duration::new(changed.seconds as u64, changed.nanoseconds as u32);
        assert!(!load(&tree, &path, at + TICK / 2).unwrap().cacheable);
        assert!(load(&tree, &path, at + TICK).unwrap().cacheable);
        assert!(
            load(&tree, &path, at - TICK).unwrap().cacheable,
            "a clock that was set back must not keep us from caching"
        );
    }

    #[test]
    fn a_file_is_read_to_its_end_whatever_it_states() {
        let mut file = tempfile::tempfile().unwrap();
        let text: Vec<u8> = (0..20_000_u32).map(|number| number as u8).collect();
        io::Write::write_all(&mut file, &text).unwrap();
        for stated in [0, 1, 4095, 4096, 19_999, 20_000, 20_001, 32_768] {
            assert!(read(&file, stated).unwrap() == text, "{stated}");
        }
        file.set_len(UNSTATED as u64).unwrap();
        assert_eq!(read(&file, 0).unwrap().len(), UNSTATED);
        file.set_len(4 * UNSTATED as u64).unwrap();
        assert_eq!(read(&file, 0).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn what_changed_while_it_was_read_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        let identity = tree.stat(&path).unwrap().identity;
        let later = SystemTime::now() + Duration::from_secs(10);
        let changed = Timestamp { nanoseconds: identity.changed.nanoseconds ^ 1, ..identity.changed };
        let read = |bytes: &[u8], after| {
            let loaded = in_memory(bytes.into(), identity, after, later);
            assert_eq!(loaded.length(), bytes.len() as u64);
            (loaded.consistent, loaded.cacheable)
        };
        assert_eq!(read(b"12345", identity), (true, true));
        assert_eq!(read(b"1234", identity), (false, false));
        assert_eq!(read(b"123456", identity), (false, false));
        assert_eq!(read(b"12345", Identity { changed, ..identity }), (false, false));
    }

    #[test]
    fn what_changed_since_it_was_found_is_looked_at_again() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
        let (path, other) = (dir.path().join("file"), dir.path().join("other"));
        let later = SystemTime::now() + Duration::from_secs(10);
        for (before, after) in
            [(5, 5), (5, 3), (5, 9), (5, SMALL as usize + 1), (5, 4 * UNSTATED), (SMALL as usize + 1, 5)]
        {
            std::fs::write(&path, vec![b'x'; before]).unwrap();
            let found = tree.look_at(&path).unwrap();
            std::fs::write(&other, vec![b'y'; after]).unwrap();
            std::fs::rename(&other, &path).unwrap();
            let loaded = load_found(&tree, &path, &found, later).unwrap();
            assert_eq!(loaded.identity, tree.look_at(&path).unwrap(), "{before} {after}");
            assert_eq!((loaded.length(), loaded.consistent, loaded.cacheable), (after as u64, true, true));
            let mut first = [0];
            assert_eq!((loaded.content.read_at(&mut first, 0).unwrap(), first), (1, *b"y"));
        }
    }

    #[test]
    fn a_fifo_in_the_place_of_a_file_that_was_found_is_not_one() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
        let path = dir.path().join("file");
        for size in [5, SMALL as usize + 1] {
            std::fs::write(&path, vec![b'x'; size]).unwrap();
            let found = tree.look_at(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
            let loaded = load_found(&tree, &path, &found, SystemTime::now());
            assert!(matches!(loaded, Err(LoadError::Open(error)) if error.kind() == io::ErrorKind::NotFound), "{size}");
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn no_descriptor_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
        let path = dir.path().join("large");
        std::fs::write(&path, vec![b'x'; SMALL as usize + 1]).unwrap();
        let loaded = load(&tree, &path, SystemTime::now()).unwrap();
        let mut kept = CachedContent::of(&loaded, &path);
        let Content::File(first) = loaded.content else { panic!() };
        let Some(Content::File(second)) = kept.open(&tree) else { panic!() };
        assert!(Arc::ptr_eq(&first, &second), "answers that are sent at the same time share a descriptor");
        drop((first, second));
        assert!(matches!(&kept, CachedContent::File(shared, ..) if shared.upgrade().is_none()));
        let (Some(Content::File(third)), Some(Content::File(fourth))) = (kept.open(&tree), kept.open(&tree)) else {
            panic!("the file is still there")
        };
        assert!(Arc::ptr_eq(&third, &fourth), "a descriptor that was opened again is shared as well");
        drop((third, fourth));
        std::fs::write(&path, vec![b'y'; SMALL as usize + 2]).unwrap();
        assert!(kept.open(&tree).is_none());
        std::fs::remove_file(&path).unwrap();
        assert!(kept.open(&tree).is_none());
    }

    #[test]
    fn parts_of_content() {
        let content = Content::Memory(b"0123456789"[..].into());
        let mut buf = [0; 4];
        assert_eq!(content.read_at(&mut buf, 8).unwrap(), 2);
        assert_eq!(content.read_at(&mut buf, 11).unwrap(), 0);
        assert_eq!(content.read_at(&mut buf, u64::MAX).unwrap(), 0);
        assert!(matches!(content.body(2, 3), Body::Bytes(bytes) if *bytes == *b"234"));
        assert!(matches!(content.body(0, 10), Body::Shared(_)));
        assert!(matches!(content.body(0, 0), Body::Empty));
    }
}
