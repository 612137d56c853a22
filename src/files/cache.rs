//! The cache of responses to requests for files, by request path and accepted codings.
//!
//! `dependency` checks the file system, and `content` opens files. The cache has no special case for index files and
//! siblings; they are among the dependencies that `loader` collects.
//!
//! Invariant: an entry is used only in a turn in which all of its dependencies have been checked and hold; `bytes` is
//! the total memory use of the slots.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use foldhash::quality::RandomState;

use super::codings::AcceptedCodings;
use super::content::{CachedContent, Content};
use super::dependency::CacheDependency;
use super::representation::Representation;
use super::tree::Tree;

/// The limits on the cache of a [`FileService`](super::FileService). The service holds no descriptors for its cache,
/// except those of a few large files that were requested within the last two seconds.
///
/// The defaults suit a site with about ten thousand small files. If `entries` or `bytes` is 0, nothing is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// The maximum number of cached files.
    pub entries: usize,
    /// The maximum memory use in bytes. Small bodies, response heads and paths are counted.
    pub bytes: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        CacheLimits { entries: 16_384, bytes: 32 * 1024 * 1024 }
    }
}

/// Maps request paths, as clients sent them, to representations and contents, so that a cache hit requires neither
/// decoding the path nor opening a file.
///
/// An entry's dependencies are checked once in every turn of the loop in which the entry is used, so a response is
/// never older than the current turn. The cache evicts by the clock algorithm: `hand` moves around the slots, skips
/// each entry that has been used since the hand last passed it, and evicts the first entry that has not.
#[derive(Debug)]
pub(crate) struct Cache {
    limits: CacheLimits,
    index: HashMap<Arc<[u8]>, usize, RandomState>,
    slots: Vec<Slot>,
    hand: usize,
    bytes: usize,
    /// A buffer for building keys, reused so that a hit allocates nothing.
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Slot {
    key: Arc<[u8]>,
    entry: CacheEntry,
    /// The start of the last turn in which the entry's dependencies were checked.
    checked: Instant,
    /// True if the entry has been used since the hand of the clock algorithm last passed it.
    used: bool,
}

/// A cached response to GET.
#[derive(Debug)]
pub(crate) struct CacheEntry {
    /// The facts that must hold for the entry to be current.
    pub(crate) dependencies: Vec<CacheDependency>,
    /// The header fields that describe the content.
    pub(crate) representation: Arc<Representation>,
    /// The content from which the bodies of responses are made.
    pub(crate) content: CachedContent,
}

impl Cache {
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn new(limits: CacheLimits) -> Cache {
        Cache { limits, index: HashMap::default(), slots: Vec::new(), hand: 0, bytes: 0, scratch: Vec::new() }
    }

    /// Returns the representation and content that are cached for a path and the accepted codings. If the entry is no
    /// longer current in this turn, removes it and returns `None`.
    pub(crate) fn get(
        &mut self,
        path: &[u8],
        accepted: AcceptedCodings,
        turn: Instant,
        tree: &Tree,
    ) -> Option<(Arc<Representation>, Content)> {
        let index = *self.index.get(key(path, accepted, &mut self.scratch))?;
        let Slot { entry, checked, used, .. } = &mut self.slots[index];
        // All requests in one turn share one check.
        let is_current = *checked == turn || entry.is_current(tree);
        let Some(content) = is_current.then(|| entry.content.open(tree)).flatten() else {
            self.remove(index);
            return None;
        };
        (*checked, *used) = (turn, true);
        Some((Arc::clone(&entry.representation), content))
    }

    /// Adds an entry whose dependencies have been checked in this turn. An entry larger than the whole cache is
    /// dropped.
    pub(crate) fn insert(&mut self, path: &[u8], accepted: AcceptedCodings, turn: Instant, entry: CacheEntry) {
        let key: Arc<[u8]> = key(path, accepted, &mut self.scratch).into();
        if let Some(index) = self.index.get(&*key) {
            self.remove(*index);
        }
        // `used` is false, so that an entry that is never requested again is evicted first.
        let slot = Slot { key, entry, checked: turn, used: false };
        if !self.make_room(&slot) {
            return;
        }
        self.bytes += slot.memory();
        self.index.insert(Arc::clone(&slot.key), self.slots.len());
        self.slots.push(slot);
    }

    fn make_room(&mut self, slot: &Slot) -> bool {
        let CacheLimits { entries, bytes } = self.limits;
        if entries == 0 || slot.memory() > bytes {
            return false;
        }
        while self.slots.len() + 1 > entries || self.bytes + slot.memory() > bytes {
            self.evict();
        }
        true
    }

    /// Removes the entry selected by the clock algorithm. The cache must not be empty.
    fn evict(&mut self) {
        // The loop ends within two rounds, because the first round clears every `used` flag.
        loop {
            self.hand = if self.hand + 1 < self.slots.len() { self.hand + 1 } else { 0 };
            if !std::mem::take(&mut self.slots[self.hand].used) {
                return self.remove(self.hand);
            }
        }
    }

    fn remove(&mut self, index: usize) {
        let slot = self.slots.swap_remove(index);
        self.index.remove(&slot.key);
        self.bytes -= slot.memory();
        // `swap_remove` has moved the last slot to this index.
        if let Some(moved) = self.slots.get(index) {
            self.index.insert(Arc::clone(&moved.key), index);
        }
    }
}

impl Slot {
    fn memory(&self) -> usize {
        self.key.len() + self.entry.memory()
    }
}

impl CacheEntry {
    fn is_current(&self, tree: &Tree) -> bool {
        self.dependencies.iter().all(|dependency| dependency.holds(tree))
    }

    /// Returns the approximate memory use of the slot in bytes.
    fn memory(&self) -> usize {
        size_of::<Slot>()
            + self.dependencies.iter().map(CacheDependency::memory).sum::<usize>()
            + self.representation.memory()
            + self.content.memory()
    }
}

/// Returns the key of an entry: the path, followed by a NUL and the accepted codings if there are any. Keys are
/// unambiguous, because a path never contains a NUL.
fn key<'k>(path: &'k [u8], accepted: AcceptedCodings, scratch: &'k mut Vec<u8>) -> &'k [u8] {
    if accepted.is_empty() {
        return path;
    }
    scratch.clear();
    scratch.extend_from_slice(path);
    scratch.push(0);
    scratch.extend(accepted.iter().map(|coding| coding as u8));
    scratch
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::files::content::{SMALL, load};
    use crate::files::representation::RepresentationMetadata;
    use crate::files::tree::Symlinks;
    use crate::http::HttpDate;

    struct CacheFixture {
        dir: tempfile::TempDir,
        tree: Tree,
        cache: Cache,
        turn: Instant,
    }

    impl CacheFixture {
        fn new(limits: CacheLimits) -> CacheFixture {
            let dir = tempfile::tempdir().unwrap();
            let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
            CacheFixture { dir, tree, cache: Cache::new(limits), turn: Instant::now() }
        }

        /// Writes a file and caches it. The entry also depends on the absence of a file named `first`.
        fn put(&mut self, name: &str, size: usize) {
            let path = self.dir.path().join(name);
            std::fs::write(&path, vec![b'x'; size]).unwrap();
            let loaded = load(&self.tree, &path, SystemTime::now() + Duration::from_secs(5)).unwrap();
            let identity = loaded.identity;
            let metadata = RepresentationMetadata::of_page("text/plain".into(), HttpDate::from(SystemTime::now()));
            let representation = Arc::new(Representation::new(&loaded, metadata));
            let content = CachedContent::of(&loaded, &path);
            let first = CacheDependency::on_absence(self.dir.path().join("first"));
            let entry = CacheEntry {
                dependencies: vec![CacheDependency { path: path.into(), file: Some(identity) }, first],
                representation,
                content,
            };
            self.cache.insert(name.as_bytes(), AcceptedCodings::default(), self.turn, entry);
        }

        fn has(&mut self, name: &str) -> bool {
            self.cache.get(name.as_bytes(), AcceptedCodings::default(), self.turn, &self.tree).is_some()
        }

        fn next_turn(&mut self) {
            self.turn += Duration::from_millis(1);
        }
    }

    #[test]
    fn an_entry_is_checked_once_a_turn() {
        let mut fixture = CacheFixture::new(CacheLimits::default());
        fixture.put("a", 1);
        std::fs::remove_file(fixture.dir.path().join("a")).unwrap();
        assert!(fixture.has("a"), "within the turn the entry stays current");
        fixture.next_turn();
        assert!(!fixture.has("a"));
        assert_eq!((fixture.cache.bytes, fixture.cache.slots.len()), (0, 0));
    }

    #[test]
    fn a_current_entry_is_not_checked_again_in_its_turn() {
        let mut fixture = CacheFixture::new(CacheLimits::default());
        fixture.put("a", 1);
        fixture.next_turn();
        assert!(fixture.has("a"));
        std::fs::remove_file(fixture.dir.path().join("a")).unwrap();
        assert!(fixture.has("a"));
        fixture.next_turn();
        assert!(!fixture.has("a"));
    }

    #[test]
    fn an_entry_replaces_the_previous_one() {
        let mut fixture = CacheFixture::new(CacheLimits::default());
        fixture.put("a", 20);
        let bytes = fixture.cache.bytes;
        fixture.put("a", 30);
        assert_eq!((fixture.cache.bytes, fixture.cache.len(), fixture.cache.index.len()), (bytes + 10, 1, 1));
    }

    #[test]
    fn memory_counts_body_key_paths_and_fields() {
        // The representation is not counted, because the length of its `ETag` field depends on the inode number.
        let memory = |name: &str, size: usize| {
            let mut fixture = CacheFixture::new(CacheLimits::default());
            fixture.put(name, size);
            let representation = fixture.cache.slots[0].entry.representation.memory();
            assert!(representation > size_of::<Representation>() + 3 * "ETag: \"0-0-0\"".len());
            fixture.cache.bytes - representation
        };
        let small = memory("a", 20);
        assert!(small > size_of::<Slot>() + 2 * size_of::<CacheDependency>());
        assert_eq!(memory("a", 25) - small, 5, "bytes of the body");
        assert_eq!(memory("aaaa", 20) - small, 6, "the key, and the path of a dependency");
        let large = memory("a", SMALL as usize + 1);
        assert_eq!(memory("aa", SMALL as usize + 1) - large, 3, "the path of a large file is counted too");
        assert!(large < small + 200, "the bytes of a large file are not counted");
    }

    #[test]
    fn an_entry_of_exactly_the_limit_is_cached() {
        let mut fixture = CacheFixture::new(CacheLimits::default());
        let mut cached = |names: &[&str], bytes: usize| {
            fixture.cache = Cache::new(CacheLimits { entries: 2, bytes });
            names.iter().for_each(|name| fixture.put(name, 20));
            (fixture.cache.bytes, names.iter().map(|name| fixture.has(name)).collect::<Vec<_>>())
        };
        let [a, b] = ["a", "b"].map(|name| cached(&[name], 10_000).0);
        assert_eq!(cached(&["a"], a), (a, vec![true]));
        assert_eq!(cached(&["a"], a - 1), (0, vec![false]));
        assert_eq!(cached(&["a", "b"], a + b), (a + b, vec![true, true]));
        assert_eq!(cached(&["a", "b"], a + b - 1), (b, vec![false, true]));
    }

    #[test]
    fn a_new_file_at_a_path_that_had_none_makes_an_entry_stale() {
        let mut fixture = CacheFixture::new(CacheLimits::default());
        fixture.put("a", 1);
        fixture.next_turn();
        std::fs::create_dir(fixture.dir.path().join("first")).unwrap();
        assert!(fixture.has("a"), "a directory at that path changes nothing");
        fixture.next_turn();
        std::fs::remove_dir(fixture.dir.path().join("first")).unwrap();
        std::fs::write(fixture.dir.path().join("first"), "").unwrap();
        assert!(!fixture.has("a"));
    }

    #[test]
    fn a_touched_or_replaced_file_makes_an_entry_stale() {
        let mut fixture = CacheFixture::new(CacheLimits::default());
        let path = fixture.dir.path().join("a");
        fixture.put("a", 1);
        fixture.next_turn();
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
        assert!(!fixture.has("a"));
        fixture.put("a", 1);
        fixture.next_turn();
        let other = fixture.dir.path().join("other");
        std::fs::write(&other, "y").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(!fixture.has("a"));
    }

    #[test]
    fn an_unused_entry_is_evicted_first() {
        let mut fixture = CacheFixture::new(CacheLimits { entries: 3, ..CacheLimits::default() });
        for name in ["a", "b", "c"] {
            fixture.put(name, 1);
        }
        assert!(fixture.has("a") && fixture.has("c"));
        fixture.put("d", 1);
        assert!(fixture.has("a") && !fixture.has("b") && fixture.has("c") && fixture.has("d"));
        for number in 0..100 {
            fixture.put(&number.to_string(), 1);
            assert!(fixture.has(&number.to_string()));
            assert_eq!((fixture.cache.slots.len(), fixture.cache.index.len()), (3, 3));
        }
    }

    #[test]
    fn memory_stays_below_the_limit() {
        let mut fixture = CacheFixture::new(CacheLimits { entries: 100, bytes: 50_000 });
        for number in 0..10 {
            fixture.put(&format!("small{number}"), 10_000);
            fixture.put(&format!("large{number}"), SMALL as usize + 1);
            assert!(fixture.cache.bytes <= 50_000);
        }
        assert!(fixture.has("large9") && fixture.has("small9") && !fixture.has("small0"));
        let mut none = CacheFixture::new(CacheLimits { entries: 0, ..CacheLimits::default() });
        none.put("a", 1);
        assert!(!none.has("a"));
    }
}
