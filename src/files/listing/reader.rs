//! Reads a directory in slices, each of them sorted, and merges the slices.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io;

use rustix::fd::OwnedFd;
use rustix::fs::{Dir, DirEntry, FileType};

use super::entry::{Entry, Facts, Kind};
use super::entry_filter::EntryFilter;
use super::order::{Order, SortBy};
use super::sort_key::push_sort_key;

/// A directory whose entries are read slice by slice and then taken one by one, in order.
pub(super) struct DirectoryReader {
    dir: Dir,
    order: Order,
    shown: EntryFilter,
    /// The run with the smallest entry on top.
    runs: BinaryHeap<SortedRun>,
    taken: usize,
}

impl DirectoryReader {
    pub(super) fn new(dir: OwnedFd, order: Order, shown: EntryFilter) -> io::Result<DirectoryReader> {
        Ok(DirectoryReader { dir: Dir::new(dir)?, order, shown, runs: BinaryHeap::new(), taken: 0 })
    }

    /// Reads up to `limit` names more; whether that was the end of the directory.
    ///
    /// Entries are looked up here only if they cannot be sorted otherwise.
    pub(super) fn read_slice(&mut self, limit: usize) -> io::Result<bool> {
        let mut run = SortedRun::new(self.order);
        let mut at_end = false;
        // Names that are left out count too: a slice must end even if there is nothing to show in it.
        for _ in 0..limit {
            match self.dir.read() {
                Some(entry) => self.note(&mut run, &entry?)?,
                None => {
                    at_end = true;
                    break;
                }
            }
        }
        if !run.rows.is_empty() {
            run.sort();
            self.runs.push(run);
        }
        Ok(at_end)
    }

    fn note(&self, run: &mut SortedRun, entry: &DirEntry) -> io::Result<()> {
        let name = entry.file_name().to_bytes();
        if !self.shown.has_name(name) {
            return Ok(());
        }
        // To sort directories first, links must be followed, and on some file systems the type must be asked for.
        let unclear = matches!(entry.file_type(), FileType::Symlink | FileType::Unknown);
        let facts = if self.order.needs_facts() || (self.order.folders_first && unclear) {
            match self.look_up(name, entry.file_type())? {
                None => return Ok(()),
                facts => facts,
            }
        } else {
            None
        };
        run.push(name, entry.file_type(), facts);
        Ok(())
    }

    fn look_up(&self, name: &[u8], file_type: FileType) -> io::Result<Option<Facts>> {
        Ok(Facts::look_up(self.dir.fd()?, name, file_type, self.shown.check_link.as_deref()))
    }

    /// Gives the next entry to `show`, unless it is one that is kept back; `false` if there is no next entry. All
    /// slices have to be read by now.
    pub(super) fn take(&mut self, show: impl FnOnce(&Entry<'_>)) -> io::Result<bool> {
        let Some(run) = self.runs.peek() else {
            return Ok(false);
        };
        let row = &run.rows[run.next];
        let name = run.name(row);
        let facts = match row.facts {
            Some(at) => Some(run.facts[at as usize]),
            None => self.look_up(name, row.file_type)?,
        };
        if let Some(facts) = facts {
            show(&Entry { index: self.taken, name, facts });
            self.taken += 1;
        }
        if let Some(mut run) = self.runs.peek_mut() {
            run.next += 1;
            if run.next == run.rows.len() {
                // Its memory goes with it.
                PeekMut::pop(run);
            }
        }
        Ok(true)
    }

    /// How many entries are read and not taken.
    pub(super) fn left(&self) -> usize {
        self.runs.iter().map(|run| run.rows.len() - run.next).sum()
    }

    /// How many entries were shown.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }
}

/// One slice of the directory, sorted. Runs compare by their next entry, in reverse, because the heap that merges
/// them has its greatest element on top.
struct SortedRun {
    order: Order,
    /// Names, each followed by its sort key if that is another text.
    names: Vec<u8>,
    rows: Vec<Row>,
    /// What is known already: apart from the rows, so that sorting moves little.
    facts: Vec<Facts>,
    next: usize,
}

struct Row {
    /// What decides most comparisons without a look at the names: in the highest byte the class, directories before
    /// others where that is wished; below it the size, the date, or the first bytes of the key as a number, turned
    /// round if the order is.
    rank: u128,
    start: u32,
    name_length: u16,
    /// 0 if the name is its own key.
    key_length: u16,
    file_type: FileType,
    /// Where in the facts.
    facts: Option<u32>,
}

/// The bits of a rank below the class.
const BELOW_CLASS: u32 = 120;

impl SortedRun {
    fn new(order: Order) -> SortedRun {
        SortedRun { order, names: Vec::new(), rows: Vec::new(), facts: Vec::new(), next: 0 }
    }

    fn push(&mut self, name: &[u8], file_type: FileType, facts: Option<Facts>) {
        let start = self.names.len();
        self.names.extend_from_slice(name);
        push_sort_key(name, self.order.by == SortBy::Natural, &mut self.names);
        let key_length = self.names.len() - start - name.len();
        let mut row = Row {
            rank: 0,
            // A run has at most some thousand names of at most 255 bytes, and a key at most three times as long.
            start: start as u32,
            name_length: name.len() as u16,
            key_length: key_length as u16,
            file_type,
            facts: facts.map(|_| self.facts.len() as u32),
        };
        self.facts.extend(facts);
        row.rank = self.rank(&row, facts);
        self.rows.push(row);
    }

    fn rank(&self, row: &Row, facts: Option<Facts>) -> u128 {
        let number = match self.order.by {
            SortBy::Name | SortBy::Natural => first_bytes(self.key(row)),
            SortBy::Size => facts.and_then(|facts| facts.size).map_or(0, |size| u128::from(size) + 1),
            // Flipping the sign bit keeps the order when the number is read as unsigned.
            SortBy::Date => {
                facts.and_then(|facts| facts.modified).map_or(0, |time| u128::from(time as u64 ^ (1 << 63)))
            }
        };
        let is_directory = match facts {
            Some(facts) => facts.kind == Kind::Directory || facts.target == Some(Kind::Directory),
            None => row.file_type == FileType::Directory,
        };
        let class = u128::from(self.order.folders_first && !is_directory) << BELOW_CLASS;
        let turned = if self.order.descending { !number & ((1 << BELOW_CLASS) - 1) } else { number };
        class | turned
    }

    fn name(&self, row: &Row) -> &[u8] {
        &self.names[row.start as usize..][..row.name_length.into()]
    }

    fn key(&self, row: &Row) -> &[u8] {
        if row.key_length == 0 {
            return self.name(row);
        }
        &self.names[row.start as usize + usize::from(row.name_length)..][..row.key_length.into()]
    }

    fn sort(&mut self) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_unstable_by(|a, b| compare(self, a, self, b));
        self.rows = rows;
    }
}

/// As many bytes as there is room for below the class.
fn first_bytes(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let length = key.len().min(15);
    bytes[1..=length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(bytes)
}

/// Compares two entries. Names that differ only in case are told apart by their bytes, so that the order is always
/// the same; Python leaves them as the file system gives them.
fn compare(left_run: &SortedRun, left: &Row, right_run: &SortedRun, right: &Row) -> Ordering {
    left.rank.cmp(&right.rank).then_with(|| {
        let by_key = left_run.key(left).cmp(right_run.key(right));
        let by_name = by_key.then_with(|| left_run.name(left).cmp(right_run.name(right)));
        let order = left_run.order;
        if order.by.is_by_name() && order.descending { by_name.reverse() } else { by_name }
    })
}

impl Ord for SortedRun {
    fn cmp(&self, other: &SortedRun) -> Ordering {
        // While an exhausted run is taken off the heap it is compared with nobody.
        match (self.rows.get(self.next), other.rows.get(other.next)) {
            (Some(row), Some(other_row)) => compare(other, other_row, self, row),
            _ => Ordering::Equal,
        }
    }
}

impl PartialOrd for SortedRun {
    fn partial_cmp(&self, other: &SortedRun) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortedRun {
    fn eq(&self, other: &SortedRun) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SortedRun {}
