//! Reads a directory in slices, sorts each slice and merges the slices. The page is written by `stream`.

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

/// Reads the entries of a directory in slices. When all names have been read, passes the entries to a function one by
/// one, in order.
pub(super) struct DirectoryReader {
    dir: Dir,
    order: Order,
    filter: EntryFilter,
    /// The sorted slices. The slice with the smallest next entry is on top.
    runs: BinaryHeap<SortedRun>,
    taken: usize,
}

impl DirectoryReader {
    pub(super) fn new(dir: OwnedFd, order: Order, filter: EntryFilter) -> io::Result<DirectoryReader> {
        Ok(DirectoryReader { dir: Dir::new(dir)?, order, filter, runs: BinaryHeap::new(), taken: 0 })
    }

    /// Reads and sorts up to `limit` more names. Returns true once the whole directory has been read.
    ///
    /// Entries are looked up here only if their facts are needed for sorting.
    pub(super) fn read_slice(&mut self, limit: usize) -> io::Result<bool> {
        let mut run = SortedRun::new(self.order);
        let mut at_end = false;
        // Names that the filter leaves out also count towards `limit`, because the work done in one call must be
        // bounded.
        for _ in 0..limit {
            match self.dir.read() {
                Some(entry) => self.add(&mut run, &entry?)?,
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

    fn add(&self, run: &mut SortedRun, entry: &DirEntry) -> io::Result<()> {
        let name = entry.file_name().to_bytes();
        if !self.filter.shows(name) {
            return Ok(());
        }
        // Listing directories first requires the types of all entries and of the targets of links. Some file systems do
        // not report the type of an entry.
        let is_type_unknown = matches!(entry.file_type(), FileType::Symlink | FileType::Unknown);
        let facts = if self.order.needs_facts() || (self.order.folders_first && is_type_unknown) {
            match self.look_up(name, entry.file_type())? {
                // The entry is a symbolic link that fails the filter's check, so it is left out.
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
        Ok(Facts::look_up(self.dir.fd()?, name, file_type, self.filter.check_link.as_deref()))
    }

    /// Passes the next entry to `show`, unless the filter leaves it out. Returns false if there is no next entry. Must
    /// not be called before the whole directory has been read, because only then is the order known.
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
                // All entries of the run have been passed to `show`, so it is freed.
                PeekMut::pop(run);
            }
        }
        Ok(true)
    }

    /// Returns the number of entries that have been read but not yet passed to [`take`](DirectoryReader::take).
    pub(super) fn left(&self) -> usize {
        self.runs.iter().map(|run| run.rows.len() - run.next).sum()
    }

    /// Returns the number of entries that have been passed to `show`.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }
}

/// A sorted slice of the directory. Slices are compared by their next entry, in reverse order, because the top of a
/// `BinaryHeap` is its greatest element.
struct SortedRun {
    order: Order,
    /// The bytes of the names. Each name is followed by its sort key if the key differs from the name.
    names: Vec<u8>,
    rows: Vec<Row>,
    /// The facts of the entries that were looked up. They are stored separately from `rows`, so that sorting moves less
    /// memory.
    facts: Vec<Facts>,
    next: usize,
}

/// An entry in a sorted run, without the bytes of its name and sort key.
struct Row {
    /// A number that decides most comparisons without access to the names. The highest byte is the class of the entry:
    /// if directories come first, it is 0 for directories and 1 for other entries. The lower bytes are the size, the
    /// date or the first bytes of the sort key, inverted if the order is descending.
    rank: u128,
    start: u32,
    name_length: u16,
    /// The length of the sort key in bytes, or 0 if the name is its own sort key.
    key_length: u16,
    file_type: FileType,
    /// The index of this entry's facts in `SortedRun::facts`; `None` if this entry was not looked up.
    facts: Option<u32>,
}

/// The number of bits in [`Row::rank`] below the byte that holds the class of the entry.
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
            // The casts cannot truncate: a run has at most a few thousand names of up to 255 bytes, and a key is at
            // most three times as long as its name.
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
            // Flipping the sign bit makes the unsigned comparison order the signed times correctly.
            SortBy::Date => {
                facts.and_then(|facts| facts.modified).map_or(0, |time| u128::from(time as u64 ^ (1 << 63)))
            }
        };
        let is_directory = match facts {
            Some(facts) => facts.kind == Kind::Directory || facts.target == Some(Kind::Directory),
            None => row.file_type == FileType::Directory,
        };
        let class = u128::from(self.order.folders_first && !is_directory) << BELOW_CLASS;
        let number = if self.order.descending { !number & ((1 << BELOW_CLASS) - 1) } else { number };
        class | number
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

/// Returns the first 15 bytes of a sort key, as an integer that leaves the top byte free for the class of the entry.
fn first_bytes(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let length = key.len().min(15);
    bytes[1..=length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(bytes)
}

/// Compares two entries. Names that differ only in case are compared by their bytes, so that the order, unlike
/// Python's, does not depend on the file system.
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
        // An exhausted run has no next entry, but it is popped before it is compared.
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
