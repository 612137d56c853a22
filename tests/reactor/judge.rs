//! Whether a turn went as the model says, how long the loop may sleep then, and when its run is over.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use serve_forever::reactor::{RunEnd, RunMode};

use crate::acceptors::Backlog;
use crate::model::{ACCEPT_BATCH, Asked, BACK_OFF, SEARCH_PAUSE, STALL, STALLED_BATCH, World};
use crate::sessions::Life;

impl World {
    /// Judges the turn that is over, and says whether the run has to be.
    pub fn turn_over(&mut self) -> Option<RunEnd> {
        let (stepped, expected) = (self.stepped.iter().copied().collect::<BTreeSet<_>>(), &self.expected);
        let sent_away: BTreeSet<_> = self.sent_away.iter().copied().collect();
        let wanted: BTreeSet<_> = expected.difference(&sent_away).copied().collect();
        let twice = stepped.len() < self.stepped.len();
        self.check(!twice && stepped == wanted, || format!("run: {stepped:?}, to be run: {wanted:?}, twice: {twice}"));
        let dead = self.clients.iter().position(|client| client.life == Life::Over);
        self.check(dead.is_none(), || format!("{dead:?} is over and not gone"));
        let deaf = self
            .here()
            .find(|id| !self.clients[*id].registered && !self.clients[*id].goes_on && !self.next.contains(id));
        self.check(deaf.is_none(), || format!("{deaf:?} waits and is not registered"));
        self.judge_doors();
        self.judge_sent_away();
        self.judge_stalled();
        let worked = self.begins_to_end
            || self.asked == Some(Asked::Now)
            || !self.stepped.is_empty()
            || !self.sent_away.is_empty()
            || self.asked_at_doors > 0
            || self.hurried;
        self.check(self.timeout != Some(Duration::ZERO) || worked, || "the loop did not sleep, and had no work".into());

        match self.asked {
            Some(Asked::Now) => return Some(RunEnd::Stopped),
            Some(Asked::Drain) if self.begins_to_end => {
                let full = self.present() + self.freed.len() >= self.most;
                let kept_out = !full && self.acceptors.iter().any(|acceptor| acceptor.may_open(self.now));
                let once = self.until != RunMode::UntilStopped;
                self.check(once || !kept_out, || "who came before the end is not let in".into());
            }
            _ => {}
        }
        match (self.ending, self.until) {
            (Some((ended, deadline)), _) => {
                (self.present() == 0 || deadline.is_some_and(|deadline| deadline <= self.now)).then_some(ended)
            }
            (None, RunMode::OneSession(Some(deadline))) => (deadline <= self.now).then_some(RunEnd::TimedOut),
            _ => None,
        }
    }

    /// The turn heeds what was asked for: at once nobody is run any more, otherwise all are.
    pub fn heed(&mut self) {
        self.begins_to_end = self.asked == Some(Asked::Drain) && self.stopping.is_none();
        if self.asked == Some(Asked::Now) {
            self.expected.clear();
        } else if self.begins_to_end {
            self.stopping = Some(self.now);
            self.ending = Some((RunEnd::Stopped, self.now.checked_add(self.grace)));
            let all: Vec<usize> = self.here().collect();
            self.expected.extend(all);
        }
    }

    /// Nobody waits outside who could be let in.
    pub fn judge_doors(&mut self) {
        if self.ending.is_some() || self.asked == Some(Asked::Now) || self.turns == 0 {
            return;
        }
        let full = self.present() + self.freed.len() >= self.most;
        let waiting =
            self.acceptors.iter().position(|acceptor| acceptor.may_open(self.now) && acceptor.let_in < ACCEPT_BATCH);
        self.check(full || waiting.is_none(), || format!("nobody looked outside of acceptor {waiting:?}"));
        let crowded =
            self.exhausted || self.full_at_first && self.acceptors.iter().any(|acceptor| acceptor.may_open(self.now));
        let idle = self.here().any(|id| self.clients[id].idle_since.is_some() && !self.stepped.contains(&id));
        self.check(!(crowded && idle && self.sent_away.is_empty()), || "an idle session keeps a newcomer out".into());
    }

    /// Those who were idle longest went, and nobody else.
    pub fn judge_sent_away(&mut self) {
        let away: Vec<Instant> =
            self.scanned.iter().filter(|(id, _)| self.sent_away.contains(id)).map(|(_, since)| *since).collect();
        let stayed: Vec<Instant> =
            self.scanned.iter().filter(|(id, _)| !self.sent_away.contains(id)).map(|(_, since)| *since).collect();
        self.check(away.iter().max() <= stayed.iter().min() || away.is_empty() || stayed.is_empty(), || {
            "not the oldest went".into()
        });
        self.check(away.len() >= ACCEPT_BATCH || stayed.is_empty(), || "too few idle sessions went".into());
    }

    /// Whether stalled sessions have to make room: much memory is kept, or a session was let in and there are many.
    pub fn is_short(&self) -> bool {
        self.memory_is_short || self.let_in && self.present() > self.short
    }

    /// Whether somebody may wait outside for whom there is no room.
    pub fn keeps_out(&self) -> bool {
        let full = self.present() >= self.most && self.acceptors.iter().any(|acceptor| !acceptor.waiting.is_empty());
        full || self.acceptors.iter().any(|acceptor| acceptor.rests == Some(self.now + BACK_OFF))
    }

    /// Stalled sessions went if there was need, the oldest first, and no more than a few.
    pub fn judge_stalled(&mut self) {
        let (went, stayed): (Vec<(usize, Instant)>, Vec<_>) =
            self.stalled.iter().partition(|(id, _)| self.evicted.contains(id));
        let newest_gone = went.iter().map(|(_, since)| *since).max();
        let oldest_left = stayed.iter().map(|(_, since)| *since).min();
        let in_order = oldest_left.is_none_or(|left| newest_gone <= Some(left));
        let enough = self.evicted.len() == self.stalled.len().min(STALLED_BATCH);
        self.check(in_order && enough, || "other sessions went than those that were stalled longest".into());
        let paused = self.searched_until.is_some_and(|end| self.now < end);
        let ended = self.asked == Some(Asked::Now);
        let is_stuck = |id: &usize| {
            let since = self.clients[*id].stuck_since;
            since.is_some_and(|since| since + STALL <= self.now) && !self.next.contains(id)
        };
        let stuck = self.here().find(is_stuck);
        let missed = self.is_short() && self.asked_stalled == 0 && !paused && !ended;
        self.check(!missed || stuck.is_none(), || format!("{stuck:?} is stalled and stays, although room is short"));
        if self.asked_stalled > 0 {
            self.searched_until = self.stalled.is_empty().then_some(self.now + SEARCH_PAUSE);
        }
    }

    /// How long the loop may sleep.
    pub fn may_sleep(&self) -> Option<Duration> {
        let accepting = self.ending.is_none() && self.present() < self.most;
        let open = |acceptor: &Backlog| accepting && acceptor.may_open(self.now);
        if !self.next.is_empty() || self.acceptors.iter().any(open) {
            return Some(Duration::ZERO);
        }
        let acceptors =
            self.acceptors.iter().filter_map(|acceptor| acceptor.rests.filter(|_| accepting && acceptor.busy));
        let sessions = self.here().filter_map(|id| self.clients[id].deadline);
        let ending = self.ending.and_then(|(_, deadline)| deadline);
        let waiting = match self.until {
            RunMode::OneSession(deadline) if self.ending.is_none() => deadline,
            _ => None,
        };
        let first = acceptors.chain(sessions).chain(ending).chain(waiting).min();
        let first = first.map(|first| first.saturating_duration_since(self.now));
        first.into_iter().chain(self.longest).min()
    }

    /// The loop is over.
    pub fn end(&mut self, ended: io::Result<RunEnd>) {
        match (ended, self.failure.is_some()) {
            (_, true) => {}
            (Err(error), false) => self.check(false, || format!("the loop fails: {error}")),
            (Ok(ended), false) => {
                let over = self.turn_over();
                self.check(over == Some(ended), || format!("the run is over: {ended:?}, to be over: {over:?}"));
            }
        }
        self.between = true;
    }
}
