//! Whose memory a session works in: the loop's while it runs, its own only for what has to wait.

use crate::http1::Buffer;
use crate::session::Scratch;

/// Lets a session without a buffer of its own use the loop's.
pub(super) fn lend(lent: bool, own: &mut Buffer, shared: &mut Buffer) {
    if lent {
        std::mem::swap(own, shared);
    }
}

/// Ends what [`lend`] began: what waits in the loop's buffer moves to one of the right size, and an own one that is
/// empty is freed.
pub(super) fn give_back(lent: bool, own: &mut Buffer, shared: &mut Buffer) {
    if lent {
        std::mem::swap(own, shared);
        if !shared.is_empty() {
            own.extend(shared.bytes());
            shared.consume(shared.len());
        }
        if shared.capacity() > 4 * Scratch::SIZE {
            *shared = Buffer::with_capacity(Scratch::SIZE);
        }
    } else if own.is_empty() {
        *own = Buffer::default();
    }
}
