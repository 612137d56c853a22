//! The buffers of a session: those of the loop while the session runs, its own only for bytes that wait between two steps.
//! Not here: how much memory all sessions may keep.

use crate::buffer::Buffer;
use crate::session::Scratch;

/// Lends the loop's buffer to a session that owns none.
pub(super) fn lend(lent: bool, own: &mut Buffer, shared: &mut Buffer) {
    if lent {
        std::mem::swap(own, shared);
    }
}

/// Takes a lent buffer back: bytes that wait in it move to a buffer of the session's own, of the right size. An own buffer that
/// has become empty is freed.
pub(super) fn give_back(lent: bool, own: &mut Buffer, shared: &mut Buffer) {
    if lent {
        std::mem::swap(own, shared);
        if !shared.is_empty() {
            // Copied rather than kept: the loop's buffer is 128 KiB, and few bytes wait in most sessions.
            own.extend(shared.bytes());
            shared.consume(shared.len());
        }
        // One large response must not keep its memory for the life of the loop.
        if shared.capacity() > 4 * Scratch::SIZE {
            *shared = Buffer::with_capacity(Scratch::SIZE);
        }
    } else if own.is_empty() {
        // An idle connection owns no buffer.
        *own = Buffer::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lent_buffer_is_replaced_once_it_has_grown_to_more_than_four_times_its_size() {
        for (capacity, expected) in [
            (2 * Scratch::SIZE, 2 * Scratch::SIZE),
            (4 * Scratch::SIZE, 4 * Scratch::SIZE),
            (4 * Scratch::SIZE + 1, Scratch::SIZE),
        ] {
            let (mut own, mut shared) = (Buffer::with_capacity(capacity), Buffer::default());
            give_back(true, &mut own, &mut shared);
            assert_eq!((own.capacity(), shared.capacity()), (0, expected), "{capacity}");
        }
    }
}
