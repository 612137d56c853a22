//! Closing a connection in stages (RFC 9112 section 9.6). Not here: the decision that the connection ends.

use crate::connection::core::{ConnectionCore, Progress};
use crate::connection::stage::Stage;
use crate::observer::ConnectionObserver;
use crate::session::CloseReason;
use crate::transport::Transport;

/// Shuts the sending side once the output has left, and then lingers until the client has closed its own. Closing a socket whose
/// peer still sends makes the kernel reset the connection, and the reset discards a response that is on its way.
pub(super) fn close<T: Transport, O: ConnectionObserver>(
    reason: CloseReason,
    core: &mut ConnectionCore<'_, T, O>,
) -> Result<(Stage, Progress), CloseReason> {
    if !core.output.is_empty() || core.transport.has_pending() {
        return Ok((Stage::Closing(reason), Progress::Still));
    }
    // An announcement in the transport's own protocol tells an orderly end from a cut one: `close_notify` (RFC 8446 section 6.1).
    let is_orderly = !matches!(reason, CloseReason::OutputCut | CloseReason::Broken);
    if is_orderly {
        // If the end cannot be announced, the connection is broken and is closed at once.
        core.transport.announce_end().map_err(|_| reason)?;
        if core.transport.has_pending() {
            return Ok((Stage::Closing(reason), Progress::Still));
        }
    }
    // A client that has said `close` must send nothing more (RFC 9112 section 9.6), so no reset can follow: the connection is
    // closed at once, which costs a short connection two system calls less. Over TLS it still sends its own `close_notify`.
    let says_nothing = core.machine.client_has_finished() && core.input.is_empty() && !core.transport.needs_handshake();
    let is_quiet = reason == CloseReason::Complete && says_nothing;
    if core.at_end || is_quiet || core.transport.end().is_err() {
        return Err(reason);
    }
    core.observer().shut_down();
    // The place in the limit for the client's address is free from now on: a lingering connection must not keep the next one out.
    core.permit = None;
    // Most clients close as soon as they have seen the end. Reading in the next turn finds that end without registering the
    // socket with the poll, which costs a short connection as much as the read.
    Ok((Stage::Lingering(reason), Progress::NextTurn))
}

/// Discards what the client still sends, until it closes its side.
pub(super) fn linger<T, O: ConnectionObserver>(
    reason: CloseReason,
    core: &mut ConnectionCore<'_, T, O>,
) -> Result<(Stage, Progress), CloseReason> {
    // Nothing that arrives now is a request: the response has said that the connection ends.
    core.input.consume(core.input.len());
    if core.at_end { Err(reason) } else { Ok((Stage::Lingering(reason), Progress::Still)) }
}
