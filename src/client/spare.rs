//! The spare input buffer of a thread. A link uses it while it reads, so that it owns no memory while it waits for the
//! first byte of a response. It contains no bytes while no link uses it.

use std::cell::Cell;

use crate::http1::Buffer;

/// A buffer with more memory than this is not kept.
const MOST_KEPT: usize = 64 * 1024;

thread_local! {
    /// `None` while a link uses the buffer, and before the first read.
    static SPARE: Cell<Option<Buffer>> = const { Cell::new(None) };
}

/// Gives the spare buffer to `input` if that owns no memory. Initialising new memory for each response would cost more
/// than reading a short response.
pub(super) fn lend(input: &mut Buffer) {
    if input.capacity() == 0
        && let Ok(Some(spare)) = SPARE.try_with(Cell::take)
    {
        *input = spare;
    }
}

/// Keeps the memory of `input` for the next read of any link, if `input` is empty.
pub(super) fn give_back(input: &mut Buffer) {
    if input.is_empty() && (1..=MOST_KEPT).contains(&input.capacity()) {
        let spare = std::mem::take(input);
        // A thread that ends may already have dropped its spare buffer. This buffer is then dropped too.
        _ = SPARE.try_with(|place| place.set(Some(spare)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_an_empty_input_serves_the_next_one() {
        let mut input = Buffer::with_capacity(1000);
        give_back(&mut input);
        assert_eq!(input.capacity(), 0);
        let mut next = Buffer::default();
        lend(&mut next);
        assert_eq!(next.capacity(), 1000);
        next.extend(b"part");
        give_back(&mut next);
        assert_eq!(next.bytes(), b"part", "bytes that have not been read stay with their link");
        let mut other = Buffer::default();
        lend(&mut other);
        assert_eq!(other.capacity(), 0, "the buffer is in use");
    }

    #[test]
    fn a_large_buffer_is_not_kept() {
        let mut input = Buffer::with_capacity(MOST_KEPT + 1);
        give_back(&mut input);
        let mut next = Buffer::default();
        lend(&mut next);
        assert_eq!((input.capacity(), next.capacity()), (MOST_KEPT + 1, 0));
    }
}
