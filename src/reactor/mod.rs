//! The loop: one poll, a table of sessions, and four verbs: *sleep, mark, run, reap*.
//!
//! *Sleep* until a descriptor is ready, a deadline has come or somebody calls. *Mark* whatever that concerns as
//! runnable; nothing is done yet. *Run* each of them once, in order. *Reap* those that are over, so that a key is only
//! given to a newcomer when no event of this turn can mean its predecessor any more.
//!
//! A session is registered with the poll once, edge-triggered, and only when it first has to wait: a short exchange
//! never is. Time is read once a turn. A session that uses up its budget is run again in the next turn, which then
//! does not sleep.
//!
//! What happens and what time it is comes from a [`Selector`]: the system's, or one in a test that says what no system
//! would say on demand.
//!
//! Invariant: nothing here knows what the sessions speak, and nothing that happens to one of them ends the loop.

mod acceptor;
mod deadlines;
mod mailbox;
mod registrar;
mod selector;
mod signals;
mod stopper;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Interest, Poll, Token};
use slab::Slab;

use crate::session::{CloseReason, Next, Ready, Scratch, Session, StepContext, TurnClock};
use acceptor::{ACCEPT_BATCH, Accepted};
pub use acceptor::{Accept, Acceptor};
use deadlines::Deadlines;
pub use mailbox::Mailbox;
use registrar::SessionRegistrar;
pub use selector::Selector;
pub use signals::{SignalAction, Signals};
pub use stopper::{StopFlag, Stopper};

/// Tokens that are no session's, besides [`Mailbox::TOKEN`]; sessions have the numbers from 0 up, acceptors those from here
/// down.
const SIGNALS: Token = Token(usize::MAX - 2);
const LAST_ACCEPTOR: usize = usize::MAX - 3;

/// How many stalled sessions are closed in one turn. Each frees a descriptor and its buffers, so the next turn may find
/// room enough.
const STALLED_BATCH: usize = 8;

/// How long a busy loop goes on without another search for stalled sessions after one that found none.
const SEARCH_PAUSE: Duration = Duration::from_secs(1);

/// Runs the sessions that come in through its acceptors.
pub struct Reactor<'s, S: Selector = Poll> {
    selector: &'s mut S,
    mailbox: Arc<Mailbox>,
    signals: Option<&'s mut Signals>,
    acceptors: Vec<Acceptor<'s>>,
    sessions: Slab<Entry<'s>>,
    /// How many sessions there may be.
    capacity: Capacity,
    /// A connection was accepted in this turn.
    accepted: bool,
    /// A connection waits to be accepted, and there is no room for it.
    connection_waits: bool,
    /// A session had to keep more memory, and there is little left.
    memory_is_short: bool,
    /// Until when no other search for stalled sessions is made, unless the table is full.
    next_search: Option<Instant>,
    deadlines: Deadlines,
    /// Keys to run, each at most once.
    runnable: Vec<usize>,
    /// Keys of sessions that are over, to be freed at the end of the turn.
    finished: Vec<usize>,
    scratch: Scratch,
    clock: TurnClock,
}

/// A session and what the loop knows of it.
struct Entry<'s> {
    session: Box<dyn Session + 's>,
    ready: Ready,
    queued: bool,
    registered: bool,
    finished: bool,
}

/// What a program can have done between two turns.
pub trait TurnHooks {
    /// Called at the end of every turn, with its time. Returns how long the loop may sleep at most.
    fn after_turn(&mut self, clock: TurnClock) -> Option<Duration>;

    /// Called when a signal asked for [`SignalAction::Reload`]. Returns what bounds the run from then on, if that may
    /// have changed.
    fn reload(&mut self) -> Option<RunLimits> {
        None
    }
}

/// How many sessions a loop may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// The most sessions at a time. At the cap the acceptors rest.
    pub most: usize,
    /// With more sessions than this, a connection that is accepted makes the loop close stalled ones.
    pub short: usize,
}

/// What bounds a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLimits {
    /// How many sessions there may be.
    pub capacity: Capacity,
    /// How long what is in flight may take once the end was asked for.
    pub grace: Duration,
}

/// When a run is over by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMode {
    /// When it is stopped.
    UntilStopped,
    /// When one connection has come and gone, or none has come until then.
    OneSession(Option<Instant>),
}

/// Why a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// A [`Stopper`] asked for it.
    Stopped,
    /// A signal asked for it; holds its number.
    Signal(i32),
    /// The one connection that was waited for was served.
    Served,
    /// The one connection that was waited for was not wanted.
    Refused,
    /// No connection came in time.
    TimedOut,
}

/// A run that is coming to its end: nobody is let in any more.
struct Ending {
    ended: RunEnd,
    /// When the sessions that are left are closed.
    deadline: Option<Instant>,
}

impl<'s, S: Selector> Reactor<'s, S> {
    /// A loop without sessions.
    ///
    /// # Errors
    /// If the acceptors or the signals cannot be registered with the selector.
    pub fn new(
        selector: &'s mut S,
        mailbox: Arc<Mailbox>,
        mut signals: Option<&'s mut Signals>,
        mut acceptors: Vec<Acceptor<'s>>,
        capacity: Capacity,
    ) -> io::Result<Reactor<'s, S>> {
        for (number, acceptor) in acceptors.iter_mut().enumerate() {
            acceptor.open(selector.registry(), Token(LAST_ACCEPTOR - number))?;
        }
        if let Some(signals) = &mut signals {
            selector.registry().register(&mut signals.delivery, SIGNALS, Interest::READABLE)?;
        }
        let (now, wall) = selector.clock();
        Ok(Reactor {
            selector,
            mailbox,
            signals,
            acceptors,
            sessions: Slab::new(),
            capacity,
            accepted: false,
            connection_waits: false,
            memory_is_short: false,
            next_search: None,
            deadlines: Deadlines::new(now),
            runnable: Vec::new(),
            finished: Vec::new(),
            scratch: Scratch::default(),
            clock: TurnClock::new(now, wall),
        })
    }

    /// Runs until it is over, by itself or because it was stopped.
    ///
    /// # Errors
    /// If the selector itself fails, which no client can bring about.
    pub fn run(
        &mut self,
        stop: &StopFlag,
        until: RunMode,
        grace: Duration,
        hooks: &mut dyn TurnHooks,
    ) -> io::Result<RunEnd> {
        let mut events = self.selector.events();
        let mut grace = grace;
        let mut ending = None;
        let mut longest = hooks.after_turn(self.clock);
        loop {
            if let Some(ended) = self.is_over(until, &ending) {
                return Ok(ended);
            }
            let timeout = self.sleep_time(longest, until, &ending);
            self.sleep(&mut events, timeout)?;
            self.mark(&events);
            // Before anybody is run: whoever is answered in the same turn is then told that it was the last time.
            let signalled = self.take_signal(hooks, &mut grace);
            if let Some(ended) = self.apply_stop(stop, signalled, until, grace, &mut ending) {
                return Ok(ended);
            }
            self.accept(until, &mut ending);
            self.run_sessions();
            self.evict_stalled();
            self.reap();
            longest = hooks.after_turn(self.clock);
        }
    }

    /// A signal that ends the run, if one has come. Those that do not are seen to.
    fn take_signal(&mut self, hooks: &mut dyn TurnHooks, grace: &mut Duration) -> Option<(i32, SignalAction)> {
        let signals = self.signals.as_mut()?;
        loop {
            match signals.next()? {
                (_, SignalAction::Reload) => {
                    if let Some(bounds) = hooks.reload() {
                        (self.capacity, *grace) = (bounds.capacity, bounds.grace);
                    }
                }
                ending => return Some(ending),
            }
        }
    }

    /// Begins the end, if somebody has asked for it; says how if it is to come at once.
    fn apply_stop(
        &mut self,
        stop: &StopFlag,
        signalled: Option<(i32, SignalAction)>,
        until: RunMode,
        grace: Duration,
        ending: &mut Option<Ending>,
    ) -> Option<RunEnd> {
        let asked = stop.asked().map(|action| (action, RunEnd::Stopped));
        let signalled = signalled.map(|(signal, action)| {
            // A second signal means that the first one takes too long.
            let action = if self.clock.stopping.is_some() { SignalAction::Stop } else { action };
            (action, RunEnd::Signal(signal))
        });
        let mut wishes = asked.into_iter().chain(signalled);
        wishes.find_map(|(action, ended)| self.begin_drain(action, ended, until, grace, ending).then_some(ended))
    }

    /// How the run is over, if it is.
    fn is_over(&self, until: RunMode, ending: &Option<Ending>) -> Option<RunEnd> {
        match (ending, until) {
            (Some(ending), _) => {
                let late = ending.deadline.is_some_and(|deadline| deadline <= self.clock.now);
                (late || self.sessions.is_empty()).then_some(ending.ended)
            }
            (None, RunMode::OneSession(Some(deadline))) if deadline <= self.clock.now => Some(RunEnd::TimedOut),
            _ => None,
        }
    }

    /// Ends at once (true), or tells every session that no request will be waited for any more.
    fn begin_drain(
        &mut self,
        action: SignalAction,
        ended: RunEnd,
        until: RunMode,
        grace: Duration,
        ending: &mut Option<Ending>,
    ) -> bool {
        if action == SignalAction::Stop {
            return true;
        }
        if self.clock.stopping.is_none() {
            self.accept_backlog(until);
            self.clock.stopping = Some(self.clock.now);
            *ending = Some(Ending { ended, deadline: self.clock.now.checked_add(grace) });
            let keys: Vec<usize> = self.sessions.iter().map(|(key, _)| key).collect();
            keys.into_iter().for_each(|key| self.queue(key));
        }
        false
    }

    /// Waits for events, and reads the clock for the turn that then begins.
    fn sleep(&mut self, events: &mut S::Events, timeout: Option<Duration>) -> io::Result<()> {
        let slept = self.selector.select(events, timeout);
        let (now, wall) = self.selector.clock();
        self.clock.advance(now, wall);
        match slept {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other,
        }
    }

    /// How long to sleep at most; not at all while somebody is runnable.
    fn sleep_time(&mut self, longest: Option<Duration>, until: RunMode, ending: &Option<Ending>) -> Option<Duration> {
        let full = self.sessions.len() >= self.capacity.most;
        let accepting = ending.is_none() && !full;
        if !self.runnable.is_empty() || (accepting && self.acceptors.iter().any(Acceptor::is_ready)) {
            return Some(Duration::ZERO);
        }
        let acceptors = self.acceptors.iter().filter_map(|acceptor| acceptor.retry_at().filter(|_| accepting));
        let waiting = match until {
            RunMode::OneSession(deadline) if ending.is_none() => deadline,
            _ => None,
        };
        let grace = ending.as_ref().and_then(|ending| ending.deadline);
        let next = acceptors.chain(self.deadlines.next()).chain(waiting).chain(grace).min();
        let next = next.map(|next| next.saturating_duration_since(self.clock.now));
        next.into_iter().chain(longest).min()
    }

    /// Notes what the events and the time concern.
    fn mark(&mut self, events: &S::Events) {
        for (token, ready) in S::happened(events) {
            match token {
                // The mailbox is looked at in every turn.
                Mailbox::TOKEN => {}
                SIGNALS => self.signals.iter_mut().for_each(|signals| signals.marked = true),
                Token(number) if number > LAST_ACCEPTOR - self.acceptors.len() => {
                    self.acceptors[LAST_ACCEPTOR - number].mark_ready()
                }
                token => self.mark_session(token, ready),
            }
        }
        for key in self.mailbox.take() {
            self.queue(key);
        }
        while let Some(key) = self.deadlines.due(self.clock.now) {
            self.queue(key);
        }
    }

    fn mark_session(&mut self, token: Token, ready: Ready) {
        let (key, slot) = registrar::parts(token);
        // A source of an upstream only says that something is ready; the session's own socket says what.
        if slot == 0
            && let Some(entry) = self.sessions.get_mut(key)
        {
            entry.ready.add(ready);
        }
        self.queue(key);
    }

    fn queue(&mut self, key: usize) {
        if let Some(entry) = self.sessions.get_mut(key)
            && !entry.queued
            && !entry.finished
        {
            entry.queued = true;
            self.runnable.push(key);
        }
    }

    /// Lets newcomers in: they are runnable at once.
    fn accept(&mut self, until: RunMode, ending: &mut Option<Ending>) {
        for number in 0..self.acceptors.len() {
            let mut left = ACCEPT_BATCH;
            while left > 0 && ending.is_none() && self.has_capacity(number) {
                match (self.acceptors[number].accept(self.clock.now), until) {
                    (Accepted::Nobody, _) => {
                        if self.acceptors[number].has_begun_to_back_off(self.clock.now) {
                            self.evict_idle();
                        }
                        break;
                    }
                    (Accepted::Refused, RunMode::UntilStopped) => {}
                    (Accepted::Refused, _) => *ending = Some(Ending { ended: RunEnd::Refused, deadline: None }),
                    (Accepted::Session(session), until) => {
                        self.admit(session);
                        if until != RunMode::UntilStopped {
                            *ending = Some(Ending { ended: RunEnd::Served, deadline: None });
                        }
                    }
                }
                left -= 1;
            }
        }
    }

    /// Whether somebody can be let in at an acceptor. If not, and somebody waits there, those who have been idle longest
    /// are sent away, so that there is room in the next turn.
    fn has_capacity(&mut self, number: usize) -> bool {
        let full = self.sessions.len() >= self.capacity.most;
        if full && self.acceptors[number].has_pending(self.clock.now) {
            self.evict_idle();
        }
        !full
    }

    /// Closes the connections that have been idle longest: a batch at a time, since finding them means looking at all.
    /// One that may have bytes to read may have a request by now; whether it has is seen in the next turn.
    fn evict_idle(&mut self) {
        let idle = |(key, entry): (usize, &Entry<'_>)| Some((entry.session.idle_since()?, key, entry.ready.read));
        let all = self.sessions.iter().filter(|(_, entry)| !entry.finished).filter_map(idle);
        let (unsure, mut idle): (Vec<_>, Vec<_>) = all.partition(|(_, _, readable)| *readable);
        // Nothing else makes room for the connection that waits.
        self.connection_waits |= idle.is_empty() && unsure.is_empty();
        let most = ACCEPT_BATCH.min(idle.len());
        if most < idle.len() {
            idle.select_nth_unstable(most);
        }
        for (_, key, _) in &idle[..most] {
            self.finish(*key);
        }
        for (_, key, _) in unsure {
            self.queue(key);
        }
    }

    /// Closes sessions whose clients have stopped reading, if room is short: those first that have been stalled longest.
    fn evict_stalled(&mut self) {
        let crowded = std::mem::take(&mut self.accepted) && self.sessions.len() > self.capacity.short;
        let urgent = std::mem::take(&mut self.connection_waits);
        let needed = std::mem::take(&mut self.memory_is_short) || crowded;
        let now = self.clock.now;
        if !urgent && (!needed || self.next_search.is_some_and(|end| now < end)) {
            return;
        }
        let mut stalled = Vec::new();
        for (key, entry) in self.sessions.iter().filter(|(_, entry)| !entry.finished) {
            // A search asks every session, so one that finds nothing is not repeated in each turn of a busy loop.
            self.next_search = Some(now + SEARCH_PAUSE);
            // A session that is queued for the next turn is not stalled, and must keep its key until then.
            stalled.extend(entry.session.stalled_since(now).filter(|_| !entry.queued).map(|since| (since, key)));
        }
        if !stalled.is_empty() {
            self.next_search = None;
        }
        stalled.sort_unstable();
        for (_, key) in stalled.into_iter().take(STALLED_BATCH) {
            self.sessions[key].session.evict(self.clock);
            self.finish(key);
        }
    }

    /// Lets in whoever had reached an acceptor before the end began, and opens it to nobody else. A run that is for one
    /// session only leaves them to the next.
    fn accept_backlog(&mut self, until: RunMode) {
        for number in 0..self.acceptors.len() {
            while until == RunMode::UntilStopped && self.sessions.len() < self.capacity.most {
                match self.acceptors[number].accept(self.clock.now) {
                    Accepted::Nobody => break,
                    Accepted::Refused => {}
                    Accepted::Session(session) => self.admit(session),
                }
            }
            self.acceptors[number].shut();
        }
    }

    fn admit(&mut self, session: Box<dyn Session + 's>) {
        self.accepted = true;
        let entry = Entry { session, ready: Ready::FRESH, queued: true, registered: false, finished: false };
        self.runnable.push(self.sessions.insert(entry));
    }

    /// Runs everybody who is runnable once. Who wants to go on does so in the next turn.
    fn run_sessions(&mut self) {
        let mut keys = std::mem::take(&mut self.runnable);
        for key in keys.drain(..) {
            self.run_session(key);
        }
        // What was queued meanwhile is rare; the memory of the list is kept either way.
        keys.append(&mut self.runnable);
        self.runnable = keys;
    }

    fn run_session(&mut self, key: usize) {
        let Some(entry) = self.sessions.get_mut(key).filter(|entry| !entry.finished) else { return };
        entry.queued = false;
        let mut registrar =
            SessionRegistrar { registry: self.selector.registry(), mailbox: &self.mailbox, key, now: self.clock.now };
        let mut cx = StepContext {
            clock: self.clock,
            scratch: &mut self.scratch,
            registrar: &mut registrar,
            memory_is_short: false,
        };
        let mut next = entry.session.step(&mut entry.ready, &mut cx);
        let memory_is_short = cx.memory_is_short;
        if let Next::Wait(_) = next
            && !entry.registered
        {
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registered =
                self.selector.registry().register(entry.session.source(), registrar::token(key, 0), interest);
            entry.registered = registered.is_ok();
            if registered.is_err() {
                next = Next::Close(CloseReason::Broken);
            }
        }
        self.memory_is_short |= memory_is_short;
        match next {
            Next::Again => self.queue(key),
            Next::Wait(deadline) => self.deadlines.set(key, deadline),
            Next::Close(_) => self.finish(key),
        }
    }

    /// Notes that a session is over. Its key is freed at the end of the turn.
    fn finish(&mut self, key: usize) {
        self.sessions[key].finished = true;
        self.finished.push(key);
        self.deadlines.set(key, None);
    }

    /// Frees the keys of sessions that are over.
    fn reap(&mut self) {
        for key in self.finished.drain(..) {
            self.sessions.remove(key);
        }
    }
}

impl<S: Selector> Drop for Reactor<'_, S> {
    /// Leaves the selector as it was found, so that the next run can register the same acceptors.
    fn drop(&mut self) {
        for acceptor in &mut self.acceptors {
            acceptor.close(self.selector.registry());
        }
        if let Some(signals) = &mut self.signals {
            _ = self.selector.registry().deregister(&mut signals.delivery);
        }
    }
}
