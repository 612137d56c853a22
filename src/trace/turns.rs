//! Turns the reports of a loop into trace events, for its turns and for the events in each turn. The loop has its own
//! track.

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use super::file::{Arg, EventPhase};
use super::recorder::{ARROWS, Accepting, OTHER_THREADS, Recorder, TURNS, Turn, micros};
use crate::observer::{Awakening, LoopObserver, LoopState, WokenBy};
use crate::session::{CloseReason, Next, Ready};

impl LoopObserver for &RefCell<Recorder> {
    fn turn_begins(&mut self, timeout: Option<Duration>) {
        let mut recorder = self.borrow_mut();
        // The events are written before a sleep, so that the trace contains all earlier turns even if the process is
        // killed during the sleep.
        if timeout != Some(Duration::ZERO)
            && let Some(file) = &mut recorder.file
        {
            file.write();
        }
        let (begin, sleep) = (recorder.stamp(), recorder.stamp());
        recorder.turn = Some(Turn { begin, sleep, timeout, ..Turn::default() });
    }

    fn woken(&mut self, tell: impl Fn() -> Awakening) {
        let mut recorder = self.borrow_mut();
        let (awakening, end) = (tell(), recorder.stamp());
        let Some(turn) = &mut recorder.turn else { return };
        turn.events = awakening.events as u64;
        let (begin, timeout) = (turn.sleep, turn.timeout.map(micros));
        let by = match awakening.by {
            WokenBy::Signal => "signal",
            WokenBy::Wake => "wake",
            WokenBy::Acceptor => "door",
            WokenBy::Event => "event",
            WokenBy::Deadline => "deadline",
            WokenBy::Nothing => "nothing",
        };
        let args = [("timeout_us", Arg::Maybe(timeout)), ("woken_by", Arg::Text(by))];
        recorder.event("sleep", EventPhase::Complete { begin, end }, TURNS, &args);
    }

    fn event(&mut self, key: usize, ready: Ready) {
        let names = [
            ("read", ready.read),
            ("write", ready.write),
            ("read_closed", ready.read_closed),
            ("broken", ready.broken),
        ];
        let names: Vec<&str> = names.into_iter().filter_map(|(name, is_set)| is_set.then_some(name)).collect();
        self.borrow_mut().mark(key, &names.join(","), "event");
    }

    fn wake_up(&mut self, key: usize) {
        let mut recorder = self.borrow_mut();
        let connection = recorder.numbers.get(&key).map(|number| u64::from(*number));
        if !std::mem::replace(&mut recorder.has_other_threads, true) {
            recorder.name_thread(OTHER_THREADS, "other threads", 1);
        }
        let at = recorder.stamp();
        let args = [
            ("conn", Arg::Maybe(connection)),
            ("key", Arg::Number(key as u64)),
            ("stale", Arg::Flag(connection.is_none())),
        ];
        recorder.event("wake", EventPhase::Moment(at), OTHER_THREADS, &args);
        recorder.mark(key, "", "wake");
    }

    fn deadline(&mut self, key: usize) {
        self.borrow_mut().mark(key, "", "deadline");
    }

    fn stops(&mut self, at_once: bool, signal: Option<i32>) {
        let mut recorder = self.borrow_mut();
        let at = recorder.stamp();
        let by = signal.map_or(Arg::Text("stopper"), |signal| Arg::Number(signal.unsigned_abs().into()));
        let args = [("how", Arg::Text(if at_once { "now" } else { "drain" })), ("by", by)];
        recorder.event("stop", EventPhase::Moment(at), TURNS, &args);
    }

    fn reloads(&mut self, signal: i32) {
        let mut recorder = self.borrow_mut();
        let at = recorder.stamp();
        recorder.event("reload", EventPhase::Moment(at), TURNS, &[("by", Arg::Number(signal.unsigned_abs().into()))]);
    }

    fn accepting_begins(&mut self, acceptor: usize, is_ready: bool) {
        let mut recorder = self.borrow_mut();
        let begin = recorder.stamp();
        if let Some(turn) = &mut recorder.turn {
            turn.accepting = Accepting { begin, acceptor: acceptor as u64, is_ready, ..Accepting::default() };
        }
    }

    fn accepted(&mut self, key: usize) {
        let mut recorder = self.borrow_mut();
        if let Some(turn) = &mut recorder.turn {
            turn.accepting.let_in += 1;
        }
        recorder.connection_accepted(key);
    }

    fn refused(&mut self) {
        let mut recorder = self.borrow_mut();
        // The session of the refused connection may have been created. The next accepted connection may belong to a
        // server without an observer, and must not get the address of the refused one.
        recorder.made = None;
        if let Some(turn) = &mut recorder.turn {
            turn.accepting.refused += 1;
        }
    }

    fn rests(&mut self, time: Duration, error: &io::Error) {
        if let Some(turn) = &mut self.borrow_mut().turn {
            turn.accepting.rest = Some((time, error.to_string()));
        }
    }

    fn accepting_ends(&mut self) {
        let mut recorder = self.borrow_mut();
        let end = recorder.stamp();
        let Some(turn) = &mut recorder.turn else { return };
        let Accepting { begin, acceptor, is_ready, let_in, refused, evicted, rest } =
            std::mem::take(&mut turn.accepting);
        // If the acceptor had no pending connection, there is nothing to record.
        if !is_ready && let_in + refused + evicted == 0 && rest.is_none() {
            return;
        }
        let mut args = vec![("door", Arg::Number(acceptor)), ("let_in", Arg::Number(let_in))];
        if let Some((time, error)) = &rest {
            args.extend([("error", Arg::Text(error)), ("rests_us", Arg::Number(micros(*time)))]);
        }
        args.extend((refused > 0).then_some(("refused", Arg::Number(refused))));
        args.extend((evicted > 0).then_some(("evicted", Arg::Number(evicted))));
        recorder.event("accept", EventPhase::Complete { begin, end }, TURNS, &args);
    }

    fn step_begins(&mut self, key: usize) {
        let mut recorder = self.borrow_mut();
        let begin = recorder.stamp();
        let Some((number, arrows)) = recorder.connection_of(key).map(|(number, connection)| {
            (connection.step, connection.has_resumed) = (begin, false);
            (number, std::mem::take(&mut connection.arrows))
        }) else {
            return;
        };
        let ends: Vec<(u64, u64)> = arrows.into_iter().map(|arrow| (recorder.stamp(), arrow)).collect();
        if let Some(connection) = recorder.connections.get_mut(&number) {
            connection.arrow_ends = ends;
        }
    }

    fn registered(&mut self, key: usize, slot: u8) {
        let mut recorder = self.borrow_mut();
        if let Some(number) = recorder.numbers.get(&key).copied() {
            recorder.moment(number, "register", "register", &[], &[("slot", Arg::Number(slot.into()))]);
        }
    }

    fn step_ends(&mut self, key: usize, next: Next) {
        let mut recorder = self.borrow_mut();
        let (end, now) = (recorder.stamp(), recorder.now());
        let Some((number, begin, ends)) = recorder
            .connection_of(key)
            .map(|(number, connection)| (number, connection.step, std::mem::take(&mut connection.arrow_ends)))
        else {
            return;
        };
        let mut args = vec![("conn", Arg::Number(number.into())), ("key", Arg::Number(key as u64))];
        args.extend(match next {
            Next::Again => vec![("next", Arg::Text("Again"))],
            Next::Close(_) => vec![("next", Arg::Text("Close"))],
            Next::Wait(deadline) => {
                let span = deadline.map(|deadline| micros(deadline.saturating_duration_since(now)));
                vec![("next", Arg::Text("Wait")), ("deadline_us", Arg::Maybe(span))]
            }
        });
        recorder.event("step", EventPhase::Complete { begin, end }, TURNS, &args);
        for (at, arrow) in ends {
            recorder.event("marked", EventPhase::ArrowEnd(at, arrow), ARROWS, &[]);
        }
        match next {
            Next::Again => {}
            Next::Wait(deadline) => recorder.deadline_set(number, deadline),
            Next::Close(reason) => recorder.connection_closed(number, reason),
        }
    }

    fn evicted(&mut self, key: usize, reason: CloseReason) {
        let mut recorder = self.borrow_mut();
        if let Some(turn) = &mut recorder.turn {
            turn.accepting.evicted += 1;
        }
        if let Some(number) = recorder.numbers.get(&key).copied() {
            recorder.connection_closed(number, reason);
        }
    }

    fn reaping_begins(&mut self, keys: &[usize]) {
        let mut recorder = self.borrow_mut();
        let reaping = recorder.stamp();
        let numbers: Vec<u64> = keys.iter().filter_map(|key| recorder.numbers.remove(key)).map(u64::from).collect();
        if let Some(turn) = &mut recorder.turn {
            (turn.reaping, turn.reaped) = (reaping, numbers);
        }
    }

    fn reaping_ends(&mut self) {
        let mut recorder = self.borrow_mut();
        let end = recorder.stamp();
        let Some(turn) = &mut recorder.turn else { return };
        let (begin, numbers) = (turn.reaping, std::mem::take(&mut turn.reaped));
        if !numbers.is_empty() {
            let args = [("conns", Arg::Numbers(&numbers))];
            recorder.event("reap", EventPhase::Complete { begin, end }, TURNS, &args);
        }
    }

    fn hooks_begin(&mut self) {
        let mut recorder = self.borrow_mut();
        let begin = recorder.stamp();
        recorder.hooks = begin;
    }

    fn hooks_end(&mut self) {
        let mut recorder = self.borrow_mut();
        let (begin, end) = (recorder.hooks, recorder.stamp());
        recorder.event("after_turn", EventPhase::Complete { begin, end }, TURNS, &[]);
    }

    fn turn_ends(&mut self, tell: impl Fn() -> LoopState) {
        let mut recorder = self.borrow_mut();
        let (state, at) = (tell(), recorder.stamp());
        let args = [
            ("sessions", Arg::Number(state.sessions as u64)),
            ("runnable", Arg::Number(state.runnable as u64)),
            ("buffered", Arg::Number(recorder.buffered)),
            ("deadlines", Arg::Number(state.deadlines as u64)),
        ];
        recorder.event("loop", EventPhase::Counter(at), TURNS, &args);
        recorder.end_turn();
    }

    fn run_ends(&mut self) {
        let mut recorder = self.borrow_mut();
        let open: Vec<u32> = recorder.connections.keys().copied().collect();
        for number in open {
            recorder.connection_closed(number, CloseReason::Stopped);
        }
        recorder.numbers.clear();
        recorder.end_turn();
        if let Some(file) = &mut recorder.file {
            file.write();
        }
    }
}

impl Recorder {
    /// Writes the event for the current turn, which has ended. Does nothing if no turn is in progress.
    fn end_turn(&mut self) {
        let end = self.stamp();
        let Some(turn) = self.turn.take() else { return };
        self.turns += 1;
        let args = [("number", Arg::Number(self.turns)), ("events", Arg::Number(turn.events))];
        self.event("turn", EventPhase::Complete { begin: turn.begin, end }, TURNS, &args);
    }

    /// Records that a session was marked to run: writes an event and the beginning of a flow arrow to the session's
    /// next step. If no session has this key, nothing is recorded.
    fn mark(&mut self, key: usize, ready: &str, by: &str) {
        let (begin, at, end) = (self.stamp(), self.stamp(), self.stamp());
        let arrow = self.arrows + 1;
        let Some(number) = self.connection_of(key).map(|(number, connection)| {
            connection.arrows.push(arrow);
            number
        }) else {
            return;
        };
        self.arrows = arrow;
        let args = [
            ("conn", Arg::Number(number.into())),
            ("key", Arg::Number(key as u64)),
            ("ready", Arg::Text(ready)),
            ("by", Arg::Text(by)),
        ];
        self.event("mark", EventPhase::Complete { begin, end }, TURNS, &args);
        self.event("marked", EventPhase::ArrowBegin(at, arrow), ARROWS, &[]);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Instant;

    use super::*;
    use crate::trace::connections::ConnectionRecorder;

    #[test]
    fn a_refused_connection_leaves_no_address_for_the_next_one() {
        let recorder = RefCell::new(Recorder::new());
        ConnectionRecorder::new(&recorder, SocketAddr::from(([192, 0, 2, 1], 80)), Instant::now(), None);
        assert!(recorder.borrow().made.is_some());
        (&recorder).refused();
        assert!(recorder.borrow().made.is_none());
    }
}
