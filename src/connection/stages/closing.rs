//! Closes a connection in stages (RFC 9112 section 9.6). The decision to end the connection is made elsewhere.

use crate::connection::core::{ConnectionCore, Progress};
use crate::connection::stage::Stage;
use crate::observer::ConnectionObserver;
use crate::session::CloseReason;
use crate::transport::Transport;

/// Shuts down the sending side once the output has been sent, and then lingers until the client has closed its side.
/// Closing a socket while the peer is still sending makes the kernel reset the connection, and the reset can discard a
/// response in transit.
pub(super) fn close<T: Transport, O: ConnectionObserver>(
    reason: CloseReason,
    core: &mut ConnectionCore<'_, T, O>,
) -> Result<(Stage, Progress), CloseReason> {
    if !core.output.is_empty() || core.transport.has_pending() {
        return Ok((Stage::Closing(reason), Progress::Still));
    }
    // In TLS, `close_notify` distinguishes an orderly close from a truncation (RFC 8446 section 6.1).
    let is_orderly = !matches!(reason, CloseReason::OutputCut | CloseReason::Broken);
    if is_orderly {
        // If `close_notify` or the FIN cannot be sent, the connection is broken and is closed immediately.
        core.transport.announce_end().map_err(|_| reason)?;
        if core.transport.has_pending() {
            return Ok((Stage::Closing(reason), Progress::Still));
        }
    }
    // A client that has sent `Connection: close` must send nothing more (RFC 9112 section 9.6), so there will be no
    // reset. Closing immediately saves two system calls for a short connection. A TLS client still sends its own
    // `close_notify`.
    let says_nothing = core.machine.client_has_finished() && core.input.is_empty() && !core.transport.needs_handshake();
    let is_quiet = reason == CloseReason::Complete && says_nothing;
    if core.at_end || is_quiet || core.transport.end().is_err() {
        return Err(reason);
    }
    core.observer().shut_down();
    // The permit is released before lingering, because a lingering connection must not count against the next one from
    // the same address.
    core.permit = None;
    // Most clients close as soon as they see EOF. A read in the next turn detects this without registering the socket
    // with the poll. For a short connection, the registration would cost as much as the read.
    Ok((Stage::Lingering(reason), Progress::NextTurn))
}

/// Discards the bytes that the client still sends, until it closes its side.
pub(super) fn linger<T, O: ConnectionObserver>(
    reason: CloseReason,
    core: &mut ConnectionCore<'_, T, O>,
) -> Result<(Stage, Progress), CloseReason> {
    // These bytes cannot be a request, because the response has announced the end of the connection.
    core.input.consume(core.input.len());
    if core.at_end { Err(reason) } else { Ok((Stage::Lingering(reason), Progress::Still)) }
}
