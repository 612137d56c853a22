//! The checks at the end of a turn, and the model's predictions of the next sleep and of the end of the run.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use serve_forever::reactor::{RunEnd, RunMode};

use crate::acceptors::Backlog;
use crate::model::{ACCEPT_BATCH, BACK_OFF, SEARCH_PAUSE, STALL, STALLED_BATCH, StopRequest, World};
use crate::sessions::Life;

impl World {
    /// Checks the turn that has ended. Returns the end of the run if the run must end now.
    pub fn turn_over(&mut self) -> Option<RunEnd> {
        let (stepped, expected) = (self.stepped.iter().copied().collect::<BTreeSet<_>>(), &self.expected);
        let evicted_idle: BTreeSet<_> = self.evicted_idle.iter().copied().collect();
        let wanted: BTreeSet<_> = expected.difference(&evicted_idle).copied().collect();
        let twice = stepped.len() < self.stepped.len();
        self.check(!twice && stepped == wanted, || {
            format!("sessions run: {stepped:?}, expected: {wanted:?}, one twice: {twice}")
        });
        let dead = self.clients.iter().position(|client| client.life == Life::Ended);
        self.check(dead.is_none(), || format!("{dead:?} has ended and was not dropped"));
        let deaf = self
            .live()
            .find(|id| !self.clients[*id].registered && !self.clients[*id].runs_again && !self.next.contains(id));
        self.check(deaf.is_none(), || format!("{deaf:?} waits and is not registered"));
        self.check_acceptors();
        self.check_evicted_idle();
        self.check_evicted_stalled();
        let worked = self.drain_begins
            || self.requested == Some(StopRequest::Now)
            || !self.stepped.is_empty()
            || !self.evicted_idle.is_empty()
            || self.accept_calls > 0
            || self.hook_due;
        self.check(self.timeout != Some(Duration::ZERO) || worked, || {
            "the loop did not sleep although it had no work".into()
        });

        match self.requested {
            Some(StopRequest::Now) => return Some(RunEnd::Stopped),
            Some(StopRequest::Drain) if self.drain_begins => {
                let full = self.in_table() + self.freed.len() >= self.most;
                let kept_out = !full && self.acceptors.iter().any(|acceptor| acceptor.may_accept(self.now));
                let once = self.mode != RunMode::UntilStopped;
                self.check(once || !kept_out, || "a connection that arrived before the drain is not accepted".into());
            }
            _ => {}
        }
        match (self.end, self.mode) {
            (Some((ended, deadline)), _) => {
                (self.in_table() == 0 || deadline.is_some_and(|deadline| deadline <= self.now)).then_some(ended)
            }
            (None, RunMode::OneSession(Some(deadline))) => (deadline <= self.now).then_some(RunEnd::TimedOut),
            _ => None,
        }
    }

    /// Applies a stop request to the model: a stop runs no further session, a drain runs all.
    pub fn apply_stop(&mut self) {
        self.drain_begins = self.requested == Some(StopRequest::Drain) && self.stopping.is_none();
        if self.requested == Some(StopRequest::Now) {
            self.expected.clear();
        } else if self.drain_begins {
            self.stopping = Some(self.now);
            self.end = Some((RunEnd::Stopped, self.now.checked_add(self.grace)));
            let all: Vec<usize> = self.live().collect();
            self.expected.extend(all);
        }
    }

    /// Checks that no connection is pending that could be accepted.
    pub fn check_acceptors(&mut self) {
        if self.end.is_some() || self.requested == Some(StopRequest::Now) || self.turns == 0 {
            return;
        }
        let full = self.in_table() + self.freed.len() >= self.most;
        let waiting = self
            .acceptors
            .iter()
            .position(|acceptor| acceptor.may_accept(self.now) && acceptor.accepted < ACCEPT_BATCH);
        self.check(full || waiting.is_none(), || format!("acceptor {waiting:?} was not asked"));
        let crowded =
            self.exhausted || self.full_at_first && self.acceptors.iter().any(|acceptor| acceptor.may_accept(self.now));
        let idle = self.live().any(|id| self.clients[id].idle_since.is_some() && !self.stepped.contains(&id));
        self.check(!(crowded && idle && self.evicted_idle.is_empty()), || {
            "an idle session keeps its place although a connection is pending".into()
        });
    }

    /// Checks that the closed sessions are those that were idle longest.
    pub fn check_evicted_idle(&mut self) {
        let away: Vec<Instant> =
            self.idle_asked.iter().filter(|(id, _)| self.evicted_idle.contains(id)).map(|(_, since)| *since).collect();
        let stayed: Vec<Instant> =
            self.idle_asked.iter().filter(|(id, _)| !self.evicted_idle.contains(id)).map(|(_, since)| *since).collect();
        self.check(away.iter().max() <= stayed.iter().min() || away.is_empty() || stayed.is_empty(), || {
            "a session was closed that was idle for a shorter time than others".into()
        });
        self.check(away.len() >= ACCEPT_BATCH || stayed.is_empty(), || "too few idle sessions were closed".into());
    }

    /// True if stalled sessions must be closed: memory is short, or a connection was accepted and the table is crowded.
    pub fn is_short(&self) -> bool {
        self.memory_is_short || self.accepted && self.in_table() > self.short
    }

    /// True if a connection may be pending that cannot be accepted.
    pub fn connection_waits(&self) -> bool {
        let full = self.in_table() >= self.most && self.acceptors.iter().any(|acceptor| !acceptor.waiting.is_empty());
        full || self.acceptors.iter().any(|acceptor| acceptor.retry_at == Some(self.now + BACK_OFF))
    }

    /// Checks that stalled sessions were closed only if room was short, that those that were stalled longest were
    /// closed first, and that at most one batch was closed.
    pub fn check_evicted_stalled(&mut self) {
        let (went, stayed): (Vec<(usize, Instant)>, Vec<_>) =
            self.stalled.iter().partition(|(id, _)| self.evicted_stalled.contains(id));
        let newest_gone = went.iter().map(|(_, since)| *since).max();
        let oldest_left = stayed.iter().map(|(_, since)| *since).min();
        let in_order = oldest_left.is_none_or(|left| newest_gone <= Some(left));
        let enough = self.evicted_stalled.len() == self.stalled.len().min(STALLED_BATCH);
        self.check(in_order && enough, || "other sessions were closed than those that were stalled longest".into());
        let paused = self.next_search.is_some_and(|end| self.now < end);
        let ended = self.requested == Some(StopRequest::Now);
        let is_stuck = |id: &usize| {
            let since = self.clients[*id].stalled_since;
            since.is_some_and(|since| since + STALL <= self.now) && !self.next.contains(id)
        };
        let stuck = self.live().find(is_stuck);
        let missed = self.is_short() && self.stalled_calls == 0 && !paused && !ended;
        self.check(!missed || stuck.is_none(), || {
            format!("{stuck:?} is stalled and was not closed although room is short")
        });
        if self.stalled_calls > 0 {
            self.next_search = self.stalled.is_empty().then_some(self.now + SEARCH_PAUSE);
        }
    }

    /// The timeout that the loop must pass to the selector.
    pub fn may_sleep(&self) -> Option<Duration> {
        let accepting = self.end.is_none() && self.in_table() < self.most;
        let open = |acceptor: &Backlog| accepting && acceptor.may_accept(self.now);
        if !self.next.is_empty() || self.acceptors.iter().any(open) {
            return Some(Duration::ZERO);
        }
        let acceptors =
            self.acceptors.iter().filter_map(|acceptor| acceptor.retry_at.filter(|_| accepting && acceptor.busy));
        let sessions = self.live().filter_map(|id| self.clients[id].deadline);
        let ending = self.end.and_then(|(_, deadline)| deadline);
        let waiting = match self.mode {
            RunMode::OneSession(deadline) if self.end.is_none() => deadline,
            _ => None,
        };
        let first = acceptors.chain(sessions).chain(ending).chain(waiting).min();
        let first = first.map(|first| first.saturating_duration_since(self.now));
        first.into_iter().chain(self.longest).min()
    }

    /// Checks the result of the run.
    pub fn end(&mut self, ended: io::Result<RunEnd>) {
        match (ended, self.failure.is_some()) {
            (_, true) => {}
            (Err(error), false) => self.check(false, || format!("the loop fails: {error}")),
            (Ok(ended), false) => {
                let over = self.turn_over();
                self.check(over == Some(ended), || format!("the run ended with {ended:?}, expected: {over:?}"));
            }
        }
        self.between = true;
    }
}
