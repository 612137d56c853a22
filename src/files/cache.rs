use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use foldhash::quality::RandomState;

use super::content::{Content, Kept};
use super::representation::Representation;
use super::siblings::Wanted;
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
    entry: Entry,
    /// The turn in which it was last held against the file system.
    checked: Instant,
    /// Whether it was used since the hand came by.
    used: bool,
}

/// One kept answer.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What has to be as it was for the answer to be right.
    pub(crate) premises: Vec<Premise>,
    /// What is said about the file.
    pub(crate) representation: Arc<Representation>,
    /// The file.
    pub(crate) kept: Kept,
}

/// What was found at a path, or that no regular file was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Premise {
    pub(crate) path: PathBuf,
    pub(crate) file: Option<Identity>,
}

impl Premise {
    /// That there is no regular file.
    pub(crate) fn nothing(path: PathBuf) -> Premise {
        Premise { path, file: None }
    }

    fn holds(&self, tree: &Tree) -> bool {
        tree.file(&self.path) == self.file
    }
}

impl Entry {
    fn is_current(&self, tree: &Tree) -> bool {
        self.premises.iter().all(|premise| premise.holds(tree))
    }

    fn weight(&self) -> usize {
        let premise = |premise: &Premise| size_of::<Premise>() + premise.path.as_os_str().len();
        size_of::<Slot>()
            + self.premises.iter().map(premise).sum::<usize>()
            + self.representation.weight()
            + self.kept.weight()
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
        wanted: Wanted,
        turn: Instant,
        tree: &Tree,
    ) -> Option<(Arc<Representation>, Content)> {
        let index = *self.index.get(key(path, wanted, &mut self.scratch))?;
        let Slot { entry, checked, used, .. } = &mut self.slots[index];
        let is_current = *checked == turn || entry.is_current(tree);
        let Some(content) = is_current.then(|| entry.kept.content(tree)).flatten() else {
            self.remove(index);
            return None;
        };
        (*checked, *used) = (turn, true);
        Some((Arc::clone(&entry.representation), content))
    }

    /// Keeps what a path was answered with in this turn, if there is room or room can be made.
    pub(crate) fn insert(&mut self, path: &[u8], wanted: Wanted, turn: Instant, entry: Entry) {
        let key: Arc<[u8]> = key(path, wanted, &mut self.scratch).into();
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

/// The path, and behind a NUL, which no path has, the codings if any are wanted.
fn key<'k>(path: &'k [u8], wanted: Wanted, scratch: &'k mut Vec<u8>) -> &'k [u8] {
    if wanted.is_none() {
        return path;
    }
    scratch.clear();
    scratch.extend_from_slice(path);
    scratch.push(0);
    scratch.extend(wanted.iter().map(|coding| coding as u8));
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
    use crate::files::representation::About;
    use crate::files::tree::Symlinks;
    use crate::http::HttpDate;

    struct Bench {
        dir: tempfile::TempDir,
        tree: Tree,
        cache: Cache,
        turn: Instant,
    }

    impl Bench {
        fn new(limits: CacheLimits) -> Bench {
            let dir = tempfile::tempdir().unwrap();
            let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
            Bench { dir, tree, cache: Cache::new(limits), turn: Instant::now() }
        }

        fn put(&mut self, name: &str, size: usize) {
            let path = self.dir.path().join(name);
            std::fs::write(&path, vec![b'x'; size]).unwrap();
            let loaded = load(&self.tree, &path, SystemTime::now() + Duration::from_secs(5)).unwrap();
            let identity = loaded.identity;
            let about = About::page("text/plain".into(), HttpDate::from(SystemTime::now()));
            let representation = Arc::new(Representation::new(&loaded, about));
            let kept = Kept::of(&loaded, &path);
            let first = Premise::nothing(self.dir.path().join("first"));
            let entry = Entry { premises: vec![Premise { path, file: Some(identity) }, first], representation, kept };
            self.cache.insert(name.as_bytes(), Wanted::default(), self.turn, entry);
        }

        fn has(&mut self, name: &str) -> bool {
            self.cache.get(name.as_bytes(), Wanted::default(), self.turn, &self.tree).is_some()
        }

        fn next_turn(&mut self) {
            self.turn += Duration::from_millis(1);
        }
    }

    #[test]
    fn an_entry_is_checked_once_a_turn() {
        let mut bench = Bench::new(CacheLimits::default());
        bench.put("a", 1);
        std::fs::remove_file(bench.dir.path().join("a")).unwrap();
        assert!(bench.has("a"), "within the turn it counts as it was found");
        bench.next_turn();
        assert!(!bench.has("a"));
        assert_eq!((bench.cache.bytes, bench.cache.slots.len()), (0, 0));
    }

    #[test]
    fn an_entry_that_was_found_right_is_not_checked_again_in_that_turn() {
        let mut bench = Bench::new(CacheLimits::default());
        bench.put("a", 1);
        bench.next_turn();
        assert!(bench.has("a"));
        std::fs::remove_file(bench.dir.path().join("a")).unwrap();
        assert!(bench.has("a"));
        bench.next_turn();
        assert!(!bench.has("a"));
    }

    #[test]
    fn an_entry_replaces_the_one_before() {
        let mut bench = Bench::new(CacheLimits::default());
        bench.put("a", 20);
        let bytes = bench.cache.bytes;
        bench.put("a", 30);
        assert_eq!((bench.cache.bytes, bench.cache.len(), bench.cache.index.len()), (bytes + 10, 1, 1));
    }

    #[test]
    fn all_that_takes_memory_is_counted() {
        // Without the representation, whose length depends on the number of the inode.
        let weight = |name: &str, size: usize| {
            let mut bench = Bench::new(CacheLimits::default());
            bench.put(name, size);
            let representation = bench.cache.slots[0].entry.representation.weight();
            assert!(representation > size_of::<Representation>() + 3 * "ETag: \"0-0-0\"".len());
            bench.cache.bytes - representation
        };
        let small = weight("a", 20);
        assert!(small > size_of::<Slot>() + 2 * size_of::<Premise>());
        assert_eq!(weight("a", 25) - small, 5, "bytes of the body");
        assert_eq!(weight("aaaa", 20) - small, 6, "the key, and the path of a premise");
        let large = weight("a", SMALL as usize + 1);
        assert_eq!(weight("aa", SMALL as usize + 1) - large, 3, "the path of a large file as well");
        assert!(large < small + 200, "no bytes of a large file");
    }

    #[test]
    fn what_fits_exactly_is_kept() {
        let mut bench = Bench::new(CacheLimits::default());
        let mut kept = |names: &[&str], bytes: usize| {
            bench.cache = Cache::new(CacheLimits { entries: 2, bytes });
            names.iter().for_each(|name| bench.put(name, 20));
            (bench.cache.bytes, names.iter().map(|name| bench.has(name)).collect::<Vec<_>>())
        };
        let [a, b] = ["a", "b"].map(|name| kept(&[name], 10_000).0);
        assert_eq!(kept(&["a"], a), (a, vec![true]));
        assert_eq!(kept(&["a"], a - 1), (0, vec![false]));
        assert_eq!(kept(&["a", "b"], a + b), (a + b, vec![true, true]));
        assert_eq!(kept(&["a", "b"], a + b - 1), (b, vec![false, true]));
    }

    #[test]
    fn a_file_that_goes_first_makes_an_entry_stale() {
        let mut bench = Bench::new(CacheLimits::default());
        bench.put("a", 1);
        bench.next_turn();
        std::fs::create_dir(bench.dir.path().join("first")).unwrap();
        assert!(bench.has("a"), "a directory of that name is no index");
        bench.next_turn();
        std::fs::remove_dir(bench.dir.path().join("first")).unwrap();
        std::fs::write(bench.dir.path().join("first"), "").unwrap();
        assert!(!bench.has("a"));
    }

    #[test]
    fn a_touched_or_replaced_file_is_another() {
        let mut bench = Bench::new(CacheLimits::default());
        let path = bench.dir.path().join("a");
        bench.put("a", 1);
        bench.next_turn();
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
        assert!(!bench.has("a"));
        bench.put("a", 1);
        bench.next_turn();
        let other = bench.dir.path().join("other");
        std::fs::write(&other, "y").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(!bench.has("a"));
    }

    #[test]
    fn what_was_not_used_goes_when_room_is_needed() {
        let mut bench = Bench::new(CacheLimits { entries: 3, ..CacheLimits::default() });
        for name in ["a", "b", "c"] {
            bench.put(name, 1);
        }
        assert!(bench.has("a") && bench.has("c"));
        bench.put("d", 1);
        assert!(bench.has("a") && !bench.has("b") && bench.has("c") && bench.has("d"));
        for number in 0..100 {
            bench.put(&number.to_string(), 1);
            assert!(bench.has(&number.to_string()));
            assert_eq!((bench.cache.slots.len(), bench.cache.index.len()), (3, 3));
        }
    }

    #[test]
    fn bytes_are_bounded() {
        let mut bench = Bench::new(CacheLimits { entries: 100, bytes: 50_000 });
        for number in 0..10 {
            bench.put(&format!("small{number}"), 10_000);
            bench.put(&format!("large{number}"), SMALL as usize + 1);
            assert!(bench.cache.bytes <= 50_000);
        }
        assert!(bench.has("large9") && bench.has("small9") && !bench.has("small0"));
        let mut none = Bench::new(CacheLimits { entries: 0, ..CacheLimits::default() });
        none.put("a", 1);
        assert!(!none.has("a"));
    }
}
