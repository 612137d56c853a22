//! The buffers of a session. While a session runs, it borrows the buffers of the loop. It owns a buffer only for bytes
//! that remain between two steps. The memory limit for all sessions is enforced in `core.rs`.

use crate::buffer::Buffer;
use crate::session::Scratch;

/// Lends the loop's buffer to a session that owns none.
pub(super) fn lend(lent: bool, own: &mut Buffer, shared: &mut Buffer) {
    if lent {
        std::mem::swap(own, shared);
    }
}

/// Takes a lent buffer back. Its unread bytes move to a new buffer of the right size, which the session owns. If the
/// session owns an empty buffer, it is freed.
pub(super) fn give_back(lent: bool, own: &mut Buffer, shared: &mut Buffer) {
    if lent {
        std::mem::swap(own, shared);
        if !shared.is_empty() {
            // The bytes are copied because the loop's buffer has 128 KiB, and most sessions have few unread bytes.
            own.extend(shared.bytes());
            shared.consume(shared.len());
        }
        // The loop's buffer must not keep the memory of one large response until the loop ends.
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
