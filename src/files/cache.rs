use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use foldhash::quality::RandomState;

use super::content::{CachedContent, Content};
use super::representation::Representation;
use super::siblings::AcceptedCodings;
use super::tree::{Identity, Tree};

/// How much the cache of a [`FileService`](super::FileService) may hold. It holds no descriptors
/// but those of a few large files that were opened within the last two seconds.
///
/// The defaults suit a site of some ten thousand small files. With 0 entries nothing is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// Files.
    pub entries: usize,
    /// Bytes of memory: small bodies, heads, paths.
    pub bytes: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        CacheLimits { entries: 16_384, bytes: 32 * 1024 * 1024 }
    }
}

/// Files that were served before, by what was asked for, as it stood in the request: a hit decodes nothing and opens
/// nothing.
///
/// An entry is held against the file system before it is used, but at most once in a turn of the loop, so an answer
/// is never older than its turn. When there is no more room, entries that were not used since the clock's hand last
/// came by have to go.
#[derive(Debug)]
pub(crate) struct Cache {
    limits: CacheLimits,
    index: HashMap<Arc<[u8]>, usize, RandomState>,
    slots: Vec<Slot>,
    hand: usize,
    bytes: usize,
    /// Where keys are put together, so that a hit allocates nothing.
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Slot {
    key: Arc<[u8]>,
    entry: CacheEntry,
    /// The turn in which it was last held against the file system.
    checked: Instant,
    /// Whether it was used since the hand came by.
    used: bool,
}

/// One kept answer.
#[derive(Debug)]
pub(crate) struct CacheEntry {
    /// What has to be as it was for the answer to be right.
    pub(crate) dependencies: Vec<CacheDependency>,
    /// What is said about the file.
    pub(crate) representation: Arc<Representation>,
    /// The file.
    pub(crate) content: CachedContent,
}

/// What was found at a path, or that no regular file was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CacheDependency {
    pub(crate) path: PathBuf,
    pub(crate) file: Option<Identity>,
}

impl CacheDependency {
    /// That there is no regular file.
    pub(crate) fn nothing(path: PathBuf) -> CacheDependency {
        CacheDependency { path, file: None }
    }

    fn holds(&self, tree: &Tree) -> bool {
        tree.file(&self.path) == self.file
    }
}

impl CacheEntry {
    fn is_current(&self, tree: &Tree) -> bool {
        self.dependencies.iter().all(|dependency| dependency.holds(tree))
    }

    fn weight(&self) -> usize {
        let dependency =
            |dependency: &CacheDependency| size_of::<CacheDependency>() + dependency.path.as_os_str().len();
        size_of::<Slot>()
            + self.dependencies.iter().map(dependency).sum::<usize>()
            + self.representation.weight()
            + self.content.weight()
    }
}

impl Cache {
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn new(limits: CacheLimits) -> Cache {
        Cache { limits, index: HashMap::default(), slots: Vec::new(), hand: 0, bytes: 0, scratch: Vec::new() }
    }

    /// What a path was answered with to those who want these codings, if that is still right in this turn; otherwise
    /// it is forgotten.
    pub(crate) fn get(
        &mut self,
        path: &[u8],
        accepted: AcceptedCodings,
        turn: Instant,
        tree: &Tree,
    ) -> Option<(Arc<Representation>, Content)> {
        let index = *self.index.get(key(path, accepted, &mut self.scratch))?;
        let Slot { entry, checked, used, .. } = &mut self.slots[index];
        let is_current = *checked == turn || entry.is_current(tree);
        let Some(content) = is_current.then(|| entry.content.open(tree)).flatten() else {
            self.remove(index);
            return None;
        };
        (*checked, *used) = (turn, true);
        Some((Arc::clone(&entry.representation), content))
    }

    /// Keeps what a path was answered with in this turn, if there is room or room can be made.
    pub(crate) fn insert(&mut self, path: &[u8], accepted: AcceptedCodings, turn: Instant, entry: CacheEntry) {
        let key: Arc<[u8]> = key(path, accepted, &mut self.scratch).into();
        if let Some(index) = self.index.get(&*key) {
            self.remove(*index);
        }
        let slot = Slot { key, entry, checked: turn, used: false };
        if !self.make_room(&slot) {
            return;
        }
        self.bytes += slot.weight();
        self.index.insert(Arc::clone(&slot.key), self.slots.len());
        self.slots.push(slot);
    }

    fn make_room(&mut self, slot: &Slot) -> bool {
        let CacheLimits { entries, bytes } = self.limits;
        if entries == 0 || slot.weight() > bytes {
            return false;
        }
        while self.slots.len() + 1 > entries || self.bytes + slot.weight() > bytes {
            self.evict();
        }
        true
    }

    /// Removes one of the entries; there must be one.
    fn evict(&mut self) {
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
        self.bytes -= slot.weight();
        if let Some(moved) = self.slots.get(index) {
            self.index.insert(Arc::clone(&moved.key), index);
        }
    }
}

/// The path, and behind a NUL, which no path has, the codings if any are accepted.
fn key<'k>(path: &'k [u8], accepted: AcceptedCodings, scratch: &'k mut Vec<u8>) -> &'k [u8] {
    if accepted.is_none() {
        return path;
    }
    scratch.clear();
    scratch.extend_from_slice(path);
    scratch.push(0);
    scratch.extend(accepted.iter().map(|coding| coding as u8));
    scratch
}

impl Slot {
    fn weight(&self) -> usize {
        self.key.len() + self.entry.weight()
    }
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

        fn put(&mut self, name: &str, size: usize) {
            let path = self.dir.path().join(name);
            std::fs::write(&path, vec![b'x'; size]).unwrap();
            let loaded = load(&self.tree, &path, SystemTime::now() + Duration::from_secs(5)).unwrap();
            let identity = loaded.identity;
            let metadata = RepresentationMetadata::page("text/plain".into(), HttpDate::from(SystemTime::now()));
            let representation = Arc::new(Representation::new(&loaded, metadata));
            let content = CachedContent::of(&loaded, &path);
            let first = CacheDependency::nothing(self.dir.path().join("first"));
            let entry = CacheEntry {
                dependencies: vec![CacheDependency { path, file: Some(identity) }, first],
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
        assert!(fixture.has("a"), "within the turn it counts as it was found");
        fixture.next_turn();
        assert!(!fixture.has("a"));
        assert_eq!((fixture.cache.bytes, fixture.cache.slots.len()), (0, 0));
    }

    #[test]
    fn an_entry_that_was_found_right_is_not_checked_again_in_that_turn() {
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
    fn an_entry_replaces_the_one_before() {
        let mut fixture = CacheFixture::new(CacheLimits::default());
        fixture.put("a", 20);
        let bytes = fixture.cache.bytes;
        fixture.put("a", 30);
        assert_eq!((fixture.cache.bytes, fixture.cache.len(), fixture.cache.index.len()), (bytes + 10, 1, 1));
    }

    #[test]
    fn all_that_takes_memory_is_counted() {
        // Without the representation, whose length depends on the number of the inode.
        let weight = |name: &str, size: usize| {
            let mut fixture = CacheFixture::new(CacheLimits::default());
            fixture.put(name, size);
            let representation = fixture.cache.slots[0].entry.representation.weight();
            assert!(representation > size_of::<Representation>() + 3 * "ETag: \"0-0-0\"".len());
            fixture.cache.bytes - representation
        };
        let small = weight("a", 20);
        assert!(small > size_of::<Slot>() + 2 * size_of::<CacheDependency>());
        assert_eq!(weight("a", 25) - small, 5, "bytes of the body");
        assert_eq!(weight("aaaa", 20) - small, 6, "the key, and the path of a dependency");
        let large = weight("a", SMALL as usize + 1);
        assert_eq!(weight("aa", SMALL as usize + 1) - large, 3, "the path of a large file as well");
        assert!(large < small + 200, "no bytes of a large file");
    }

    #[test]
    fn what_fits_exactly_is_kept() {
        let mut fixture = CacheFixture::new(CacheLimits::default());
        let mut kept = |names: &[&str], bytes: usize| {
            fixture.cache = Cache::new(CacheLimits { entries: 2, bytes });
            names.iter().for_each(|name| fixture.put(name, 20));
            (fixture.cache.bytes, names.iter().map(|name| fixture.has(name)).collect::<Vec<_>>())
        };
        let [a, b] = ["a", "b"].map(|name| kept(&[name], 10_000).0);
        assert_eq!(kept(&["a"], a), (a, vec![true]));
        assert_eq!(kept(&["a"], a - 1), (0, vec![false]));
        assert_eq!(kept(&["a", "b"], a + b), (a + b, vec![true, true]));
        assert_eq!(kept(&["a", "b"], a + b - 1), (b, vec![false, true]));
    }

    #[test]
    fn a_file_that_goes_first_makes_an_entry_stale() {
        let mut fixture = CacheFixture::new(CacheLimits::default());
        fixture.put("a", 1);
        fixture.next_turn();
        std::fs::create_dir(fixture.dir.path().join("first")).unwrap();
        assert!(fixture.has("a"), "a directory of that name is no index");
        fixture.next_turn();
        std::fs::remove_dir(fixture.dir.path().join("first")).unwrap();
        std::fs::write(fixture.dir.path().join("first"), "").unwrap();
        assert!(!fixture.has("a"));
    }

    #[test]
    fn a_touched_or_replaced_file_is_another() {
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
    fn what_was_not_used_goes_when_room_is_needed() {
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
    fn bytes_are_bounded() {
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
