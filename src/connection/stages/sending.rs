//! Produces the body of a response while it is being sent, and passes the rest of the request's body to the upstream.

use super::upstream::FeedError;
use crate::connection::body_writer::Produced;
use crate::connection::core::{ConnectionCore, Progress};
use crate::connection::stage::{Sending, Stage};
use crate::observer::ConnectionObserver;
use crate::session::TurnClock;

impl Sending {
    /// Appends more of the body to the output, and ends the response when the body ends.
    pub(super) fn advance<T, O: ConnectionObserver>(
        mut self: Box<Self>,
        core: &mut ConnectionCore<'_, T, O>,
        clock: TurnClock,
    ) -> (Stage, Progress) {
        // The handler of an upgraded connection learns from EOF on its input that the server is stopping. The handlers
        // of raw connections are informed in the same way.
        if clock.stopping.is_some()
            && let Some(pending) = self.upstream.as_mut().filter(|pending| pending.is_upgraded)
        {
            // An error from `end_input` is ignored, because a later read of the body from the failed upstream reports
            // an error too.
            _ = pending.end_input();
        }
        let mut progress = self.feed_upstream(core);
        if self.is_waiting {
            core.observer().upstream_resumed();
        }
        // `wants_body` is called before and after `produce`, because `produce` can free space in the upstream.
        let wanted = self.wants_body();
        let produced = match self.body.produce(&mut core.output) {
            Ok(produced) => produced,
            Err(reason) => {
                core.log_notes(clock.wall);
                let cut = Stage::Sending(self);
                core.log_cut(&cut, reason, clock);
                return (Stage::Closing(reason), Progress::Moved);
            }
        };
        // An upstream that echoes its request accepts more of the request once part of the response has been read from
        // it.
        if !wanted && self.wants_body() {
            progress = Progress::Moved;
        }
        self.is_waiting = produced == Produced::Waiting;
        let progress = match produced {
            Produced::All => return (self.finish(core, clock), Progress::Moved),
            Produced::Some => Progress::Moved,
            Produced::Later if progress == Progress::Still => Progress::NextTurn,
            _ => progress,
        };
        (Stage::Sending(self), progress)
    }

    fn feed_upstream<T, O: ConnectionObserver>(&mut self, core: &mut ConnectionCore<'_, T, O>) -> Progress {
        let Some(pending) = &mut self.upstream else { return Progress::Still };
        match pending.feed(core) {
            Ok(progress) => progress,
            Err(error) => {
                self.upstream = None;
                // The head of the response may already have announced a persistent connection. If only the upstream has
                // failed, the rest of the request's body is therefore discarded after the response. If that body is
                // truncated or malformed, its end cannot be found, so no further request can be read.
                if matches!(error, FeedError::Cut | FeedError::Violation(_)) {
                    core.machine.refuse();
                }
                Progress::Still
            }
        }
    }

    /// Logs the response, whose last byte has been sent or is in the output.
    fn finish<T, O: ConnectionObserver>(&self, core: &mut ConnectionCore<'_, T, O>, clock: TurnClock) -> Stage {
        // The client receives all announced bytes. The connection is closed nevertheless, because the service has
        // announced a wrong length.
        if self.body.overran() {
            core.machine.stop();
            core.log_message("response body longer than its Content-Length", clock.wall);
        }
        core.log_notes(clock.wall);
        core.log_exchange(self.record.request.as_logged(), self.outcome(), clock);
        core.machine.body_sent();
        core.after_response()
    }
}
