use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::representation::Representation;
use super::sidecar::Wanted;
use super::tree::{Identity, Kind, Tree};

/// How much the open-file cache of a [`FileService`](super::FileService) may hold.
///
/// The defaults suit a site of some thousand small files. With 0 entries nothing is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// Files.
    pub entries: usize,
    /// Bytes of memory: small bodies, heads, paths.
    pub bytes: usize,
    /// Open descriptors, one for each file that is too large to be kept in memory. They are given up first when the
    /// process runs out of descriptors.
    pub descriptors: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        CacheLimits { entries: 4096, bytes: 32 * 1024 * 1024, descriptors: 64 }
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
    index: HashMap<Arc<[u8]>, usize>,
    slots: Vec<Slot>,
    hand: usize,
    bytes: usize,
    descriptors: usize,
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
    /// The answer.
    pub(crate) representation: Arc<Representation>,
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
        let stat = tree.stat(&self.path).ok().filter(|stat| stat.kind == Kind::File);
        stat.map(|stat| stat.identity) == self.file
    }
}

impl Entry {
    fn is_current(&self, tree: &Tree) -> bool {
        self.premises.iter().all(|premise| premise.holds(tree))
    }

    fn weight(&self) -> usize {
        let premise = |premise: &Premise| size_of::<Premise>() + premise.path.as_os_str().len();
        size_of::<Slot>() + self.premises.iter().map(premise).sum::<usize>() + self.representation.weight()
    }
}

impl Cache {
    pub(crate) fn new(limits: CacheLimits) -> Cache {
        Cache {
            limits,
            index: HashMap::new(),
            slots: Vec::new(),
            hand: 0,
            bytes: 0,
            descriptors: 0,
            scratch: Vec::new(),
        }
    }

    /// What a path was answered with to those who want these codings, if that is still right in this turn; otherwise
    /// it is forgotten.
    pub(crate) fn get(
        &mut self,
        path: &[u8],
        wanted: Wanted,
        turn: Instant,
        tree: &Tree,
    ) -> Option<Arc<Representation>> {
        self.put_key_together(path, wanted);
        let index = *self.index.get(&*self.scratch)?;
        let slot = &mut self.slots[index];
        if slot.checked != turn && !slot.entry.is_current(tree) {
            self.remove(index);
            return None;
        }
        slot.checked = turn;
        slot.used = true;
        Some(Arc::clone(&slot.entry.representation))
    }

    /// Keeps what a path was answered with in this turn, if there is room or room can be made.
    pub(crate) fn insert(&mut self, path: &[u8], wanted: Wanted, turn: Instant, entry: Entry) {
        self.put_key_together(path, wanted);
        if let Some(index) = self.index.get(&*self.scratch) {
            self.remove(*index);
        }
        let key: Arc<[u8]> = self.scratch.as_slice().into();
        let slot = Slot { key, entry, checked: turn, used: false };
        if !self.make_room(&slot) {
            return;
        }
        self.bytes += slot.weight();
        self.descriptors += slot.descriptors();
        self.index.insert(Arc::clone(&slot.key), self.slots.len());
        self.slots.push(slot);
    }

    /// Closes all descriptors that nobody is sending from just now, because the process needs some.
    pub(crate) fn give_up_descriptors(&mut self) {
        while let Some(index) = self.slots.iter().position(|slot| slot.descriptors() > 0) {
            self.remove(index);
        }
    }

    /// The path, and behind a NUL, which no path has, the codings.
    fn put_key_together(&mut self, path: &[u8], wanted: Wanted) {
        self.scratch.clear();
        self.scratch.extend_from_slice(path);
        if !wanted.is_none() {
            self.scratch.push(0);
            self.scratch.extend(wanted.iter().map(|coding| coding as u8));
        }
    }

    fn make_room(&mut self, slot: &Slot) -> bool {
        let CacheLimits { entries, bytes, descriptors } = self.limits;
        if entries == 0 || slot.weight() > bytes || slot.descriptors() > descriptors {
            return false;
        }
        while self.slots.len() + 1 > entries || self.bytes + slot.weight() > bytes {
            self.evict(|_| true);
        }
        while self.descriptors + slot.descriptors() > descriptors {
            self.evict(|slot| slot.descriptors() > 0);
        }
        true
    }

    /// Removes one of the entries that will do; there must be one.
    fn evict(&mut self, will_do: impl Fn(&Slot) -> bool) {
        loop {
            self.hand = if self.hand + 1 < self.slots.len() { self.hand + 1 } else { 0 };
            let slot = &mut self.slots[self.hand];
            if will_do(slot) && !std::mem::take(&mut slot.used) {
                return self.remove(self.hand);
            }
        }
    }

    fn remove(&mut self, index: usize) {
        let slot = self.slots.swap_remove(index);
        self.index.remove(&slot.key);
        self.bytes -= slot.weight();
        self.descriptors -= slot.descriptors();
        if let Some(moved) = self.slots.get(index) {
            self.index.insert(Arc::clone(&moved.key), index);
        }
    }
}

impl Slot {
    fn weight(&self) -> usize {
        self.key.len() + self.entry.weight()
    }

    fn descriptors(&self) -> usize {
        usize::from(self.entry.representation.holds_descriptor())
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
            let representation = Arc::new(Representation::new(loaded, about));
            let first = Premise::nothing(self.dir.path().join("first"));
            let entry = Entry { premises: vec![Premise { path, file: Some(identity) }, first], representation };
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
    fn bytes_and_descriptors_are_bounded() {
        let large = SMALL as usize + 1;
        let mut bench = Bench::new(CacheLimits { entries: 100, bytes: 50_000, descriptors: 2 });
        for number in 0..10 {
            bench.put(&format!("small{number}"), 10_000);
            bench.put(&format!("large{number}"), large);
            assert!(bench.cache.bytes <= 50_000 && bench.cache.descriptors <= 2);
        }
        assert!(bench.has("large9") && bench.has("large8") && !bench.has("large7"));
        bench.cache.give_up_descriptors();
        assert!(!bench.has("large9") && bench.has("small9"));
        assert_eq!(bench.cache.descriptors, 0);
        let mut none = Bench::new(CacheLimits { entries: 0, ..CacheLimits::default() });
        none.put("a", 1);
        assert!(!none.has("a"));
    }
}
