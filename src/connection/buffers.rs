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

/// Takes a lent buffer back. Its unread bytes move to a new buffer of the right size, which the session owns. A buffer
/// that the session owns is freed if it is empty.
pub(super) fn give_back(lent: bool, own: &mut Buffer, shared: &mut Buffer) {
    if lent {
        std::mem::swap(own, shared);
        if !shared.is_empty() {
            // The bytes are copied, because most sessions have few unread bytes and the loop's buffer is 128 KiB in
            // size.
            own.extend(shared.bytes());
            shared.consume(shared.len());
        }
        // One large response may have made the loop's buffer grow. The loop must not keep that memory until it ends.
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
