//! A range of bytes in the head of a request.
//!
//! A request stores its head in one buffer. Its request line, target and fields are ranges of that buffer, so the head
//! is copied once, and its parts need no allocations.

/// A range of bytes in a request's head. Each end is stored in four bytes, because a head is never longer than 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Creates the range from `start` up to but not including `end`.
    pub(crate) fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    /// The same range in a head that has `count` more bytes before it.
    pub(super) fn moved_by(self, count: usize) -> Span {
        Span::new(self.start as usize + count, self.end as usize + count)
    }

    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    /// The bytes of the head in this range. Empty if the range is not within the head.
    pub(crate) fn slice(self, head: &[u8]) -> &[u8] {
        head.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}
