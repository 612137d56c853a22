//! The buffers of a session. While a session runs, it borrows the buffers of the loop. It owns a buffer only for bytes
//! that remain between two steps. The memory limit for all sessions is enforced in `core.rs`.

use crate::buffer::Buffer;
use crate::session::Scratch;

/// If `lent` is true, lends the loop's buffer to a session, which must not own one.
pub(super) fn lend(lent: bool, own: &mut Buffer, shared: &mut Buffer) {
    if lent {
        std::mem::swap(own, shared);
    }
}

/// Ends the loan that [`lend`] began. Unread bytes move to a new buffer of the size that they need, which the session
/// then owns. If nothing was lent, the session's own buffer is freed if it is empty.
pub(super) fn give_back(lent: bool, own: &mut Buffer, shared: &mut Buffer) {
    if lent {
        std::mem::swap(own, shared);
        if !shared.is_empty() {
            // The bytes are copied, because most sessions have few unread bytes, whereas the loop's buffer occupies 128
            // KiB.
            own.extend(shared.bytes());
            shared.consume(shared.len());
        }
        // One large response may have made the loop's buffer grow. Without this check, the loop would keep that memory
        // until the end of the run.
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
