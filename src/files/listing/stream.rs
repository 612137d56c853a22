//! A listing that is made while it is sent.

use std::io;
use std::sync::Arc;

use super::page::{ListingTemplate, Page};
use super::reader::DirectoryReader;
use crate::service::Source;

/// How many names are read in one turn.
const NAMES_A_TURN: usize = 1024;

/// How many entries are looked up in one turn, each with a call to the system.
const LOOKUPS_A_TURN: usize = 256;

/// About as many bytes as the page has for an entry.
const TYPICAL_ENTRY: usize = 160;

/// The page of one directory, in whatever state it is.
pub(super) struct ListingSource {
    reader: DirectoryReader,
    template: Arc<dyn ListingTemplate>,
    page: Page,
    phase: ListingPhase,
    /// What is made and not yet sent begins at `sent`.
    made: Vec<u8>,
    sent: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ListingPhase {
    Reading,
    Writing,
    Done,
}

impl ListingSource {
    /// A listing of which nothing but the page's beginning is made.
    pub(super) fn new(reader: DirectoryReader, template: Arc<dyn ListingTemplate>, page: Page) -> ListingSource {
        let mut made = Vec::new();
        template.begin(&page, &mut made);
        ListingSource { reader, template, page, phase: ListingPhase::Reading, made, sent: 0 }
    }

    /// Makes the whole page if the directory has no more than `limit` entries. If it has more, the listing is ready to
    /// be read from.
    pub(super) fn finish_if_small(&mut self, limit: usize) -> io::Result<Option<Vec<u8>>> {
        // Besides the entries there are `.` and `..`, and the end shows only when one more is asked for.
        if !self.reader.read_slice(limit + 3)? {
            return Ok(None);
        }
        self.phase = ListingPhase::Writing;
        self.made.reserve(self.reader.left() * TYPICAL_ENTRY);
        while self.phase == ListingPhase::Writing {
            self.write(limit)?;
        }
        Ok(Some(std::mem::take(&mut self.made)))
    }

    /// Does a bounded amount of work.
    fn work(&mut self) -> io::Result<()> {
        match self.phase {
            ListingPhase::Reading => self.read_names(),
            ListingPhase::Writing => self.write(LOOKUPS_A_TURN),
            ListingPhase::Done => Ok(()),
        }
    }

    fn read_names(&mut self) -> io::Result<()> {
        // Directories can be told from others only by following the links, of which there may be many.
        let order = self.page.order();
        let looks_up = order.needs_facts() || order.folders_first;
        let limit = if looks_up { LOOKUPS_A_TURN } else { NAMES_A_TURN };
        if self.reader.read_slice(limit)? {
            self.phase = ListingPhase::Writing;
        }
        Ok(())
    }

    fn write(&mut self, limit: usize) -> io::Result<()> {
        for _ in 0..limit {
            let ListingSource { template, page, made, .. } = self;
            if !self.reader.take(|entry| template.entry(page, entry, made))? {
                self.template.end(&self.page, self.reader.taken(), &mut self.made);
                self.phase = ListingPhase::Done;
                break;
            }
        }
        Ok(())
    }
}

impl Source for ListingSource {
    /// Gives what is made, or makes some more. `Interrupted` means that some work was done and there is nothing to
    /// send yet: it wants to be called again, after the others had their turn.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.sent == self.made.len() {
            self.made.clear();
            self.sent = 0;
            self.work()?;
        }
        let rest = &self.made[self.sent..];
        if rest.is_empty() && self.phase != ListingPhase::Done {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        self.sent += count;
        Ok(count)
    }
}
