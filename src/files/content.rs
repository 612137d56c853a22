//! The content of a file: bytes in memory if the file is small, and otherwise an open descriptor. The header fields are
//! in `representation`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::stat::{Identity, Stat};
use super::tree::{Tree, read_at};
use crate::service::{Body, FileSlice};

/// The maximum size of a file that is kept in memory and sent in one write with the response's head. For a larger file,
/// `sendfile` costs less than copying.
pub(crate) const SMALL: u64 = 32 * 1024;

/// The period after a change to a file in which another change can leave the file's timestamps the same. Kernels with
/// coarse timestamps advance them in ticks of up to 10 ms.
const TICK: Duration = Duration::from_millis(20);

/// The content of a file, shared by all responses that send it.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// The bytes of a small file, in memory.
    Memory(Arc<[u8]>),
    /// An open file. If the file is modified in place, the bytes that are sent change too.
    File(Arc<File>),
}

/// The content of a cache entry. It owns no descriptor. If the cache kept a file open, the file system could not be
/// unmounted, a deleted file would keep occupying space, and an idle server would never close the file. Concurrent
/// responses share one descriptor with each other and with [`RecentFiles`](super::recent_files::RecentFiles), which
/// holds it for at most two seconds.
#[derive(Debug)]
pub(crate) enum CachedContent {
    /// The bytes of a small file, in memory.
    Memory(Arc<[u8]>),
    /// A weak reference to the open file, with its path and identity. After the file has been closed, it is opened
    /// again if the file at the path still has this identity.
    File(Weak<File>, PathBuf, Identity),
}

/// The content of a file, with the file's identity at the time of loading.
#[derive(Debug)]
pub(crate) struct LoadedFile {
    pub(crate) content: Content,
    /// The identity of a small file when it was found, or of a large file when it was opened.
    pub(crate) identity: Identity,
    /// True if the identity describes the content. False for a file that changed while it was read, and for a file
    /// whose content the kernel generates on each read. The sizes of such files are meaningless: 4096 in sysfs, and 0
    /// in procfs.
    pub(crate) consistent: bool,
    /// True if an equal identity in a later turn guarantees equal bytes, so that the content may be cached.
    pub(crate) cacheable: bool,
}

impl LoadedFile {
    /// Returns the length of the content in bytes.
    pub(crate) fn length(&self) -> u64 {
        match &self.content {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File(_) => self.identity.size,
        }
    }
}

/// The reason why the content of a file could not be loaded.
#[derive(Debug)]
pub(crate) enum ContentError {
    /// A regular file could not be opened.
    Open(io::Error),
    /// The open file at this path could not be read.
    Read(PathBuf, io::Error),
}

impl Content {
    /// Creates a body from the `length` bytes that start at `offset`. This range must be within the content.
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

    /// Reads bytes at `offset` into `buf`. Returns the number of bytes read, which is 0 if `offset` is at or after the
    /// end.
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
    /// Converts the content of a loaded file to the form that is stored in a cache entry.
    pub(crate) fn of(loaded: &LoadedFile, path: &Path) -> CachedContent {
        match &loaded.content {
            Content::Memory(bytes) => CachedContent::Memory(Arc::clone(bytes)),
            Content::File(file) => CachedContent::File(Arc::downgrade(file), path.to_owned(), loaded.identity),
        }
    }

    /// Returns the content. A large file that is no longer open is opened again. Returns `None` if this fails, or if
    /// the file's identity has changed.
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

    /// Returns the approximate memory use of the content in bytes.
    pub(crate) fn memory(&self) -> usize {
        match self {
            CachedContent::Memory(bytes) => bytes.len(),
            CachedContent::File(_, path, _) => path.as_os_str().len(),
        }
    }
}

/// Finds a regular file and loads its content like [`load_found`].
pub(crate) fn load(tree: &Tree, path: &Path, now: SystemTime) -> Result<LoadedFile, ContentError> {
    let found = tree.identify(path).map_err(ContentError::Open)?;
    load_found(tree, path, &found, now)
}

/// Opens a regular file and loads its content. The file must have been found at this path in the current turn.
///
/// If a small file has changed since it was found, it is looked up and loaded once more. If it changes during the
/// second attempt too, the bytes that were read are served but not cached.
pub(crate) fn load_found(
    tree: &Tree,
    path: &Path,
    found: &Identity,
    now: SystemTime,
) -> Result<LoadedFile, ContentError> {
    let attempt = load_once(tree, path, found, now)?;
    if attempt.after == *found {
        return attempt.loaded;
    }
    let found = tree.identify(path).map_err(ContentError::Open)?;
    load_once(tree, path, &found, now)?.loaded
}

/// The result of one attempt to load a file.
struct LoadAttempt {
    loaded: Result<LoadedFile, ContentError>,
    /// The identity of the open file after reading. If it equals the identity from the lookup, the file was neither
    /// replaced nor changed between the lookup and the end of reading.
    after: Identity,
}

fn load_once(tree: &Tree, path: &Path, found: &Identity, now: SystemTime) -> Result<LoadAttempt, ContentError> {
    if found.size > SMALL {
        // The content is not read yet, and `identity` is that of the open file, so it describes the content that will
        // be sent.
        let (file, identity) = tree.open(path).map_err(ContentError::Open)?;
        let content = Content::File(Arc::new(file));
        let loaded = Ok(LoadedFile { content, identity, consistent: true, cacheable: true });
        return Ok(LoadAttempt { loaded, after: *found });
    }
    let file = tree.open_unchecked(path).map_err(ContentError::Open)?;
    let bytes = read(&file, found.size as usize).map_err(|error| ContentError::Read(path.to_owned(), error));
    let after = Stat::of(&file).and_then(|stat| stat.regular()).map_err(ContentError::Open)?;
    let loaded = bytes.map(|bytes| in_memory(bytes, *found, after, now));
    Ok(LoadAttempt { loaded, after })
}

/// Creates the result for a small file from its bytes, its identity before reading and its identity after reading.
fn in_memory(bytes: Vec<u8>, before: Identity, after: Identity, now: SystemTime) -> LoadedFile {
    let consistent = before == after && bytes.len() as u64 == before.size;
    let cacheable = consistent && !is_recent(before, now);
    LoadedFile { content: Content::Memory(bytes.into()), identity: before, consistent, cacheable }
}

/// Reads a whole file. `size` is the size that the system reports, which may be wrong.
///
/// # Errors
/// Returns any error from reading the file, or `FileTooLarge` if the file has more than [`MAX_UNREPORTED`] bytes
/// although the system reports a smaller size.
fn read(file: &File, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size + 1];
    let mut filled = 0;
    loop {
        match read_at(file, &mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        // The buffer had space for one more byte, which was not filled, so the end of the file has been reached.
        if filled == size {
            break;
        }
        if filled == bytes.len() {
            if filled > MAX_UNREPORTED {
                let text = format!("its size is reported as {size} bytes, but it has more than {MAX_UNREPORTED}");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
            }
            bytes.resize((2 * filled).max(FIRST_UNREPORTED), 0);
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// The maximum number of bytes read from a file whose content is longer than its reported size. The kernel generates
/// the content of such a file during the read, which must not block the loop for long.
const MAX_UNREPORTED: usize = 1024 * 1024;

/// The initial buffer size for a file whose content is longer than its reported size. procfs returns up to this number
/// of bytes in one call.
const FIRST_UNREPORTED: usize = 4096;

/// True if the file changed so recently that another change might not change its timestamps.
fn is_recent(identity: Identity, now: SystemTime) -> bool {
    let changed = u64::try_from(identity.changed.seconds).unwrap_or(0);
    let changed = UNIX_EPOCH + Duration::new(changed, identity.changed.nanoseconds as u32);
    // If the clock was set back, computing the age fails. The file then counts as old, so that it can be cached.
    now.duration_since(changed).is_ok_and(|age| age < TICK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::stat::Timestamp;
    use crate::files::tree::Symlinks;

    #[test]
    fn small_files_are_in_memory_and_large_ones_are_open() {
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
    fn a_file_that_changed_just_now_is_not_cacheable() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let changed = tree.stat(&path).unwrap().identity.changed;
        let at = UNIX_EPOCH + Duration::new(changed.seconds as u64, changed.nanoseconds as u32);
        assert!(!load(&tree, &path, at + TICK / 2).unwrap().cacheable);
        assert!(load(&tree, &path, at + TICK).unwrap().cacheable);
        assert!(load(&tree, &path, at - TICK).unwrap().cacheable, "a clock that was set back does not prevent caching");
    }

    #[test]
    fn a_file_is_read_to_its_end_whatever_its_reported_size() {
        let mut file = tempfile::tempfile().unwrap();
        let text: Vec<u8> = (0..20_000_u32).map(|number| number as u8).collect();
        io::Write::write_all(&mut file, &text).unwrap();
        for size in [0, 1, 4095, 4096, 19_999, 20_000, 20_001, 32_768] {
            assert!(read(&file, size).unwrap() == text, "{size}");
        }
        file.set_len(MAX_UNREPORTED as u64).unwrap();
        assert_eq!(read(&file, 0).unwrap().len(), MAX_UNREPORTED);
        file.set_len(4 * MAX_UNREPORTED as u64).unwrap();
        assert_eq!(read(&file, 0).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_file_that_changed_while_it_was_read_is_not_cacheable() {
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
    fn a_file_that_changed_since_it_was_found_is_loaded_again() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
        let (path, other) = (dir.path().join("file"), dir.path().join("other"));
        let later = SystemTime::now() + Duration::from_secs(10);
        for (before, after) in
            [(5, 5), (5, 3), (5, 9), (5, SMALL as usize + 1), (5, 4 * MAX_UNREPORTED), (SMALL as usize + 1, 5)]
        {
            std::fs::write(&path, vec![b'x'; before]).unwrap();
            let found = tree.identify(&path).unwrap();
            std::fs::write(&other, vec![b'y'; after]).unwrap();
            std::fs::rename(&other, &path).unwrap();
            let loaded = load_found(&tree, &path, &found, later).unwrap();
            assert_eq!(loaded.identity, tree.identify(&path).unwrap(), "{before} {after}");
            assert_eq!((loaded.length(), loaded.consistent, loaded.cacheable), (after as u64, true, true));
            let mut first = [0];
            assert_eq!((loaded.content.read_at(&mut first, 0).unwrap(), first), (1, *b"y"));
        }
    }

    #[test]
    fn a_fifo_in_the_place_of_a_found_file_is_not_found() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
        let path = dir.path().join("file");
        for size in [5, SMALL as usize + 1] {
            std::fs::write(&path, vec![b'x'; size]).unwrap();
            let found = tree.identify(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
            let loaded = load_found(&tree, &path, &found, SystemTime::now());
            assert!(
                matches!(loaded, Err(ContentError::Open(error)) if error.kind() == io::ErrorKind::NotFound),
                "{size}"
            );
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn cached_content_holds_no_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
        let path = dir.path().join("large");
        std::fs::write(&path, vec![b'x'; SMALL as usize + 1]).unwrap();
        let loaded = load(&tree, &path, SystemTime::now()).unwrap();
        let mut cached = CachedContent::of(&loaded, &path);
        let Content::File(first) = loaded.content else { panic!() };
        let Some(Content::File(second)) = cached.open(&tree) else { panic!() };
        assert!(Arc::ptr_eq(&first, &second), "responses that are sent at the same time share a descriptor");
        drop((first, second));
        assert!(matches!(&cached, CachedContent::File(shared, ..) if shared.upgrade().is_none()));
        let (Some(Content::File(third)), Some(Content::File(fourth))) = (cached.open(&tree), cached.open(&tree)) else {
            panic!("the file is still there")
        };
        assert!(Arc::ptr_eq(&third, &fourth), "a file that was opened again is shared as well");
        drop((third, fourth));
        std::fs::write(&path, vec![b'y'; SMALL as usize + 2]).unwrap();
        assert!(cached.open(&tree).is_none());
        std::fs::remove_file(&path).unwrap();
        assert!(cached.open(&tree).is_none());
    }

    #[test]
    fn a_body_is_a_range_of_the_content() {
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
