//! The behaviour of a session in each stage of an exchange. Advancing a stage returns the next stage. Reading and
//! sending work in the same way in all stages and are in `http_session.rs`.

mod body;
mod closing;
#[cfg(feature = "harness")]
mod faulty;
mod head;
mod sending;
mod text;
mod timeout;
mod upstream;

use std::io;

use super::core::{ConnectionCore, Progress};
use super::stage::Stage;
use crate::observer::ConnectionObserver;
use crate::session::{CloseReason, Ready, StepContext};
use crate::transport::{Handshake, Transport};
#[cfg(feature = "harness")]
pub(super) use faulty::FaultyResponse;

/// Once the output contains this many bytes, no further response is added to it. Up to this size, pipelined responses
/// are sent in one write. This also limits the output that the server produces for a client that does not read.
pub(super) const GATHER: usize = 32 * 1024;

impl Stage {
    /// Lets the protocol and the service process received bytes and produce output. Returns the next stage.
    ///
    /// # Errors
    /// Returns the close reason if the connection can be closed now. If a stage fails before all output has been sent,
    /// the next stage is [`Stage::Closing`].
    pub(super) fn advance<T: Transport, O: ConnectionObserver>(
        self,
        core: &mut ConnectionCore<'_, T, O>,
        ready: &mut Ready,
        cx: &mut StepContext<'_>,
    ) -> Result<(Stage, Progress), CloseReason> {
        Ok(match self {
            Stage::Handshake => return handshake(core, ready, cx),
            Stage::Head => core.advance_head(cx.clock),
            Stage::Deferred(deferred) => deferred.advance(core, cx.clock),
            Stage::AwaitingUpstream(pending) => pending.advance(core, cx),
            Stage::Sending(sending) => sending.advance(core, cx.clock),
            #[cfg(feature = "harness")]
            Stage::Faulty(faulty) => return faulty.advance(core, ready, cx),
            Stage::Draining(left) => body::drain(left, core),
            Stage::Closing(reason) => return closing::close(reason, core),
            Stage::Lingering(reason) => return closing::linger(reason, core),
        })
    }
}

/// Continues the transport's handshake. If the handshake fails and the transport has an alert to send, the connection
/// is closed only after the alert has been sent.
fn handshake<T: Transport, O: ConnectionObserver>(
    core: &mut ConnectionCore<'_, T, O>,
    ready: &mut Ready,
    cx: &mut StepContext<'_>,
) -> Result<(Stage, Progress), CloseReason> {
    Ok(match core.transport.handshake(ready, &mut cx.handshakes_left) {
        Ok(Handshake::Complete) => (Stage::Head, Progress::Moved),
        Ok(Handshake::Waiting) => (Stage::Handshake, Progress::Still),
        // The rest of the handshake is left for the next turn, because the cryptography for many new clients would
        // delay all other sessions.
        Ok(Handshake::NextTurn) => (Stage::Handshake, Progress::NextTurn),
        // The client has sent unencrypted HTTP. Its first request is answered by a 400 that explains the mistake.
        Ok(Handshake::Text) => {
            core.expect_text();
            (Stage::Head, Progress::Moved)
        }
        Err(error) => {
            if error.kind() == io::ErrorKind::InvalidData {
                core.log_failed_handshake(&error, cx.clock);
            }
            match core.transport.has_pending() {
                true => (Stage::Closing(CloseReason::Broken), Progress::Moved),
                false => return Err(CloseReason::Broken),
            }
        }
    })
}
