//! The loop: one poll, a table of sessions, and one thread.
//!
//! A turn (one iteration) has five steps:
//!
//! 1. **Sleep** until a descriptor is ready, a deadline passes, or another thread wakes the loop.
//! 2. **Mark** the affected sessions and acceptors as ready. Nothing else happens yet.
//! 3. **Accept** pending connections, at most one batch per acceptor. The new sessions are marked too.
//! 4. **Run** [`Session::step`](crate::session::Session::step) once for every marked session.
//! 5. **Reap** the sessions that have ended: drop them and free their keys.
//!
//! A session is registered with the poll only once (edge-triggered), when it first waits; a session that ends in its
//! first turn is never registered. The clock is read once per turn. A session that uses up its budget is run again in
//! the next turn, which then does not sleep.
//!
//! Events and time come from a [`Selector`], which is that of the operating system or one that a test controls.
//!
//! The loop knows nothing about protocols or logs. This module imports only [`session`](crate::session), `observer` and
//! `listen`.
//!
//! Invariant: an error in one session ends that session, and never the loop.

mod acceptor;
mod deadlines;
mod eviction;
mod hooks;
#[cfg(unix)]
mod input_end;
mod mailbox;
mod registrar;
mod selector;
mod shutdown;
mod signals;
mod stopper;
mod table;
#[cfg(test)]
mod test_session;
#[cfg(test)]
mod tests;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mio::{Interest, Poll, Token};

use crate::observer::{LoopObserver, Unobserved, WokenBy};
use crate::session::{CloseReason, Next, Scratch, StepContext, TurnClock};
use acceptor::{ACCEPT_BATCH, Accepted, BACK_OFF, is_exhausted};
pub use acceptor::{Accept, Acceptor};
use eviction::Eviction;
use hooks::Capacity;
pub use hooks::{RunLimits, TurnHooks};
#[cfg(unix)]
pub use input_end::InputEnd;
pub use mailbox::Mailbox;
use registrar::{LoopLink, SessionRegistrar};
pub use selector::Selector;
use shutdown::Shutdown;
pub use shutdown::{Lifetime, RunEnd, RunMode};
#[cfg(feature = "internals")]
pub use signals::SignalQueue;
pub use signals::{SignalAction, Signals};
pub use stopper::{StopFlag, Stopper};
use table::SessionTable;

/// The token of the input on which EOF ends the run.
#[cfg(unix)]
const INPUT_END: Token = Token(usize::MAX - 3);

/// The token of the first acceptor. The tokens of further acceptors count downwards from it.
const FIRST_ACCEPTOR: usize = usize::MAX - 4;

/// The loop. It runs the sessions that its acceptors produce.
pub struct Reactor<'s, S: Selector = Poll, O: LoopObserver = Unobserved> {
    observer: O,
    selector: &'s mut S,
    stop: &'s StopFlag,
    link: Rc<LoopLink>,
    signals: Option<&'s mut Signals>,
    #[cfg(unix)]
    input_end: Option<&'s mut InputEnd>,
    acceptors: Vec<Acceptor<'s>>,
    sessions: SessionTable<'s>,
    capacity: Capacity,
    eviction: Eviction,
    shutdown: Shutdown,
    /// True once [`TurnHooks::stopping`] has been called.
    is_stop_announced: bool,
    scratch: Scratch,
    clock: TurnClock,
    /// The maximum number of TLS handshake flights that are computed in one turn.
    handshakes: usize,
    /// The number of TLS handshake flights that may still be computed in this turn.
    handshakes_left: usize,
}

impl<'s, S: Selector> Reactor<'s, S> {
    /// Creates a loop that has no sessions yet.
    ///
    /// # Errors
    /// Returns an error if the acceptors or the signals cannot be registered with the selector.
    pub fn new(
        selector: &'s mut S,
        stop: &'s StopFlag,
        signals: Option<&'s mut Signals>,
        acceptors: Vec<Acceptor<'s>>,
        limits: RunLimits,
    ) -> io::Result<Reactor<'s, S>> {
        Reactor::observed(selector, stop, signals, acceptors, limits, Unobserved)
    }
}

impl<'s, S: Selector, O: LoopObserver> Reactor<'s, S, O> {
    /// Like [`Reactor::new`], but the loop reports to `observer`.
    ///
    /// # Errors
    /// Returns the same errors as [`Reactor::new`].
    pub fn observed(
        selector: &'s mut S,
        stop: &'s StopFlag,
        mut signals: Option<&'s mut Signals>,
        mut acceptors: Vec<Acceptor<'s>>,
        limits: RunLimits,
        observer: O,
    ) -> io::Result<Self> {
        for (number, acceptor) in acceptors.iter_mut().enumerate() {
            // The tokens of acceptors count down from the end of the range and those of sessions count up from 0, so
            // they never collide.
            acceptor.register(selector.registry(), Token(FIRST_ACCEPTOR - number))?;
        }
        if let Some(signals) = &mut signals {
            signals.register(selector.registry())?;
        }
        // The time comes from the selector, so that a simulation also controls the time at which the run starts.
        let (now, wall) = selector.clock();
        Ok(Reactor {
            observer,
            selector,
            stop,
            link: LoopLink::new(Arc::clone(stop.mailbox())),
            signals,
            #[cfg(unix)]
            input_end: None,
            acceptors,
            sessions: SessionTable::new(now),
            capacity: limits.capacity(),
            eviction: Eviction::default(),
            shutdown: Shutdown::new(limits.grace),
            is_stop_announced: false,
            scratch: Scratch::default(),
            clock: TurnClock::new(now, wall),
            handshakes: limits.handshakes.max(1),
            handshakes_left: 0,
        })
    }

    /// Sets the time after which the run drains by itself, measured from this call.
    pub fn set_lifetime(&mut self, lifetime: Lifetime) {
        self.shutdown.set_lifetime(lifetime, self.clock.now);
    }

    /// Makes the run drain once `input` is at EOF.
    ///
    /// # Errors
    /// Returns an error if the selector does not accept the input, for example because it is a regular file.
    #[cfg(unix)]
    pub fn drain_at_end_of(&mut self, input: &'s mut InputEnd) -> io::Result<()> {
        input.register(self.selector.registry(), INPUT_END)?;
        self.input_end = Some(input);
        Ok(())
    }

    /// The number of sessions that are producing or sending a response. When the loop is dropped after the run, these
    /// responses are cut short.
    pub fn responding(&self) -> usize {
        self.sessions.responding()
    }

    /// Runs turns until the mode, the lifetime, the watched input, the [`StopFlag`] or a signal ends the run. Returns
    /// the reason.
    ///
    /// # Errors
    /// Returns an error if the selector fails. Clients cannot cause this error.
    pub fn run(&mut self, mode: RunMode, hooks: &mut dyn TurnHooks) -> io::Result<RunEnd> {
        let mut events = self.selector.events();
        self.shutdown.set_mode(mode);
        // The hooks are also called before the first turn, because their result limits the time for which the loop may
        // sleep.
        let mut longest = self.run_hooks(hooks);
        loop {
            if let Some(end) = self.shutdown.run_end(self.clock.now, self.sessions.len()) {
                return Ok(end);
            }
            let timeout = self.sleep_time(longest);
            self.observer.turn_begins(timeout);
            self.sleep(&mut events, timeout)?;
            self.mark(&events);
            // Requests to stop are handled before the sessions run, so that a response in this turn can announce the
            // end of its connection.
            if let Some(end) = self.apply_stop(hooks) {
                return Ok(end);
            }
            self.accept();
            self.run_sessions();
            self.eviction.evict_stalled(&mut self.sessions, self.capacity, self.clock, &mut self.observer);
            self.observer.reaping_begins(self.sessions.finished());
            self.sessions.reap(self.clock.now);
            self.observer.reaping_ends();
            longest = self.run_hooks(hooks);
            self.observer.turn_ends(|| self.sessions.state());
        }
    }

    /// Calls [`TurnHooks::after_turn`] and reports the call to the observer. Returns the maximum time to sleep.
    fn run_hooks(&mut self, hooks: &mut dyn TurnHooks) -> Option<Duration> {
        self.observer.hooks_begin();
        let longest = hooks.after_turn(self.clock);
        self.observer.hooks_end();
        longest
    }

    /// The maximum time to sleep. This is the time until the next deadline, but at most `longest`, and zero if there is
    /// already something to do. `None` means no limit.
    fn sleep_time(&mut self, longest: Option<Duration>) -> Option<Duration> {
        // Ready acceptors are ignored while no connection may be accepted. Otherwise the loop would spin on a pending
        // connection.
        let accepting = self.shutdown.is_accepting() && !self.is_full();
        let is_busy = self.sessions.has_runnable() || (accepting && self.acceptors.iter().any(Acceptor::is_ready));
        // A turn handles only one stop signal. If two signals caused only one event, the loop must not sleep before it
        // has handled the second signal, because no further event reports that signal.
        let is_busy = is_busy || self.signals.as_ref().is_some_and(|signals| signals.is_ready());
        #[cfg(unix)]
        let is_busy = is_busy || self.input_end.as_ref().is_some_and(|input| input.is_ready());
        if is_busy {
            return Some(Duration::ZERO);
        }
        // A back-off ends without an event, so its end counts as a deadline.
        let retries = self.acceptors.iter().filter_map(|acceptor| acceptor.retry_at().filter(|_| accepting));
        let next = retries.chain(self.sessions.next_deadline()).chain(self.shutdown.deadline()).min();
        let next = next.map(|next| next.saturating_duration_since(self.clock.now));
        next.into_iter().chain(longest).min()
    }

    /// Waits for events, then reads the clock for the new turn.
    fn sleep(&mut self, events: &mut S::Events, timeout: Option<Duration>) -> io::Result<()> {
        let slept = self.selector.select(events, timeout);
        let (now, wall) = self.selector.clock();
        self.clock.advance(now, wall);
        let acceptors = self.acceptors.len();
        self.observer.woken(|| selector::awakening::<S>(events, timeout, &slept, |token| woken_by(token, acceptors)));
        match slept {
            // A signal handler interrupted the sleep. The turn continues without events.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other,
        }
    }

    /// Marks the sessions and acceptors that are affected by the events, the mailbox and the deadlines.
    ///
    /// No session runs here. Otherwise a session could end and free its key while a later event in the same batch still
    /// contains that key, and a session with two events would run twice.
    fn mark(&mut self, events: &S::Events) {
        for (token, ready) in S::happened(events) {
            match token {
                // The only purpose of this event is to end the sleep. The mailbox is read below in every turn, because
                // keys may also arrive while the loop is awake.
                Mailbox::TOKEN => {}
                Signals::TOKEN => self.signals.iter_mut().for_each(|signals| signals.mark_ready()),
                #[cfg(unix)]
                INPUT_END => self.input_end.iter_mut().for_each(|input| input.mark_ready()),
                // Only acceptors have tokens in this range. The tokens of sessions are small, because a key is an index
                // of the table.
                Token(number) if number > FIRST_ACCEPTOR - self.acceptors.len() => {
                    self.acceptors[FIRST_ACCEPTOR - number].mark_ready();
                }
                Token(number) if number >= registrar::FIRST_MOVABLE => {
                    if let Some(key) = self.link.sources.mark(number - registrar::FIRST_MOVABLE, ready) {
                        self.observer.event(key, ready);
                        self.sessions.queue(key);
                    }
                }
                token => {
                    let (key, slot) = registrar::key_and_slot(token);
                    self.observer.event(key, ready);
                    self.sessions.mark_ready(key, slot, ready);
                }
            }
        }
        for key in self.stop.mailbox().take() {
            self.observer.wake_up(key);
            self.sessions.queue(key);
        }
        self.sessions.queue_due(self.clock.now, |key| self.observer.deadline(key));
    }

    /// Handles a request from a [`Stopper`], the next stop signal, and a drain that is due without either. Returns the
    /// reason if the run ends immediately.
    fn apply_stop(&mut self, hooks: &mut dyn TurnHooks) -> Option<RunEnd> {
        let requested = self.stop.requested().map(|action| (action, RunEnd::Stopped));
        let due = self.drain_due().map(|end| (SignalAction::Drain, end));
        let signalled = self.next_stop_signal(hooks).and_then(|(signal, action)| {
            let end = RunEnd::Signal(signal);
            if self.shutdown.begin_lame_duck(end, self.clock.now) {
                self.announce_stop(hooks);
                return None;
            }
            // A further signal means that its sender does not want to wait for the end of the lame-duck time or the
            // drain.
            let action = if self.shutdown.is_draining() { SignalAction::Stop } else { action };
            Some((action, end))
        });
        for (action, end) in requested.into_iter().chain(due).chain(signalled) {
            self.announce_stop(hooks);
            if action == SignalAction::Stop {
                self.observer.stops(true, end.signal());
                return Some(end);
            }
            // A request from a stopper stays set until the run ends, so it is found again in every turn of a drain.
            if !self.shutdown.is_draining() {
                self.begin_drain(end);
            }
        }
        None
    }

    /// Tells the hooks that the run is ending, unless they have already been told.
    fn announce_stop(&mut self, hooks: &mut dyn TurnHooks) {
        if !std::mem::replace(&mut self.is_stop_announced, true) {
            hooks.stopping();
        }
    }

    /// The reason for a drain that neither a stopper nor a signal has requested: EOF on the watched input, or the end
    /// of the run's lifetime.
    fn drain_due(&mut self) -> Option<RunEnd> {
        #[cfg(unix)]
        if self.input_end.as_mut().is_some_and(|input| input.has_ended()) {
            return Some(RunEnd::Stopped);
        }
        let now = self.clock.now;
        // The check queries every session, so it is performed only if `Lifetime::idle` may have elapsed.
        if self.shutdown.is_idle_check_due(now) {
            let end = self.shutdown.idle_end(self.sessions.inactive_since(), now);
            if end.is_some() {
                return end;
            }
        }
        self.shutdown.drain_due(now)
    }

    /// Returns the next signal that ends the run. Any reload signals that precede it are handled first.
    fn next_stop_signal(&mut self, hooks: &mut dyn TurnHooks) -> Option<(i32, SignalAction)> {
        let signals = self.signals.as_mut()?;
        loop {
            match signals.next()? {
                (signal, SignalAction::Reload) => {
                    self.observer.reloads(signal);
                    hooks.reload();
                    // A smaller limit does not close any session. It only prevents further connections.
                    let limits = hooks.limits();
                    self.capacity = limits.capacity();
                    self.shutdown.set_grace(limits.grace);
                    self.handshakes = limits.handshakes.max(1);
                }
                stop => return Some(stop),
            }
        }
    }

    /// Closes the acceptors and queues every session, so that each session sees [`TurnClock::stopping`].
    fn begin_drain(&mut self, end: RunEnd) {
        self.observer.stops(false, end.signal());
        // Pending connections are accepted first, because closing a listener resets them.
        self.accept_backlog();
        self.acceptors.iter_mut().for_each(Acceptor::close);
        self.shutdown.begin_drain(end, self.clock.now);
        // `TurnClock::stopping` tells the sessions about the drain. The loop itself uses the phase in `shutdown`.
        self.clock.stopping = Some(self.clock.now);
        self.link.stopping.set(true);
        self.sessions.queue_all();
    }

    /// Accepts every pending connection that there is room for. The number per turn is not limited, because no later
    /// turn accepts any.
    ///
    /// In a run for one session, all other connections are left to the next run.
    fn accept_backlog(&mut self) {
        for number in 0..self.acceptors.len() {
            self.observer.accepting_begins(number, self.acceptors[number].is_ready());
            while self.shutdown.drains_backlog() && !self.is_full() {
                match self.acceptors[number].accept(self.clock.now) {
                    // A connection for which there is no descriptor is lost when the listener is closed, because no
                    // later turn accepts connections.
                    Accepted::Nothing | Accepted::Failed(_) => break,
                    Accepted::Refused => self.observer.refused(),
                    Accepted::Session(session) => {
                        let key = self.sessions.insert(session);
                        self.observer.accepted(key);
                        self.eviction.note_accepted();
                    }
                }
            }
            self.observer.accepting_ends();
        }
    }

    /// Accepts pending connections. Their sessions run in this turn.
    fn accept(&mut self) {
        for number in 0..self.acceptors.len() {
            // The size of the batch is limited, so that a flood of connections does not delay the existing sessions.
            let mut left = ACCEPT_BATCH;
            self.observer.accepting_begins(number, self.acceptors[number].is_ready());
            while left > 0 && self.shutdown.is_accepting() && self.has_capacity(number) {
                match self.acceptors[number].accept(self.clock.now) {
                    Accepted::Nothing => break,
                    Accepted::Failed(error) => {
                        self.observer.rests(BACK_OFF, &error);
                        // Closing idle sessions frees descriptors, so that the acceptor can accept the connection
                        // after its back-off.
                        if is_exhausted(&error) {
                            self.eviction.evict_idle(&mut self.sessions, &mut self.observer);
                        }
                        break;
                    }
                    Accepted::Refused => {
                        self.observer.refused();
                        self.shutdown.connection_refused();
                    }
                    Accepted::Session(session) => {
                        let key = self.sessions.insert(session);
                        self.observer.accepted(key);
                        self.eviction.note_accepted();
                        self.shutdown.connection_accepted();
                    }
                }
                left -= 1;
            }
            self.observer.accepting_ends();
        }
    }

    /// True if there is capacity for another session. If the table is full and the acceptor has a pending connection,
    /// idle sessions are closed, so that the next turn has capacity for the connection.
    fn has_capacity(&mut self, number: usize) -> bool {
        let full = self.is_full();
        // Without the check for a pending connection, idle sessions of a full table would be closed although no
        // connection needs their place.
        if full && self.acceptors[number].has_pending(self.clock.now) {
            self.eviction.evict_idle(&mut self.sessions, &mut self.observer);
        }
        !full
    }

    fn is_full(&self) -> bool {
        self.sessions.len() >= self.capacity.most
    }

    /// Runs every marked session once. A session that returns [`Next::Again`] runs in the next turn.
    fn run_sessions(&mut self) {
        self.handshakes_left = self.handshakes;
        let mut keys = self.sessions.take_runnable();
        for key in keys.drain(..) {
            self.run_session(key);
        }
        self.sessions.return_runnable(keys);
    }

    fn run_session(&mut self, key: usize) {
        // The session may have been closed to make room for another connection after it was marked.
        let Some(entry) = self.sessions.begin_step(key) else { return };
        let registry = self.selector.registry();
        let mut registrar = SessionRegistrar { registry, link: &self.link, key, now: self.clock.now };
        let mut cx = StepContext {
            clock: self.clock,
            scratch: &mut self.scratch,
            registrar: &mut registrar,
            memory_is_short: false,
            handshakes_left: self.handshakes_left,
        };
        self.observer.step_begins(key);
        let mut next = entry.session.step(&mut entry.ready, &mut cx);
        self.eviction.note_memory(cx.memory_is_short);
        self.handshakes_left = cx.handshakes_left;
        // A session is registered only when it first waits, which saves a system call for short exchanges. The poll
        // reports the readiness of a source at its registration, so no event is lost.
        if let Next::Wait(_) = next
            && !entry.registered
        {
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registered = registry.register(entry.session.source(), registrar::token(key, 0), interest);
            entry.registered = registered.is_ok();
            match registered {
                Ok(()) => self.observer.registered(key, 0),
                // The session is closed, because it would wait forever without events.
                Err(_) => next = Next::Close(CloseReason::Broken),
            }
        }
        self.observer.step_ends(key, next);
        match next {
            Next::Again => self.sessions.queue(key),
            Next::Wait(deadline) => self.sessions.set_deadline(key, deadline),
            Next::Close(_) => self.sessions.finish(key),
        }
    }
}

/// The kind of source that the token of an event identifies. `acceptors` is the number of acceptors.
fn woken_by(token: Token, acceptors: usize) -> WokenBy {
    match token {
        Signals::TOKEN => WokenBy::Signal,
        #[cfg(unix)]
        INPUT_END => WokenBy::Signal,
        Mailbox::TOKEN => WokenBy::Wake,
        Token(number) if number > FIRST_ACCEPTOR - acceptors => WokenBy::Acceptor,
        _ => WokenBy::Event,
    }
}

impl<S: Selector, O: LoopObserver> Drop for Reactor<'_, S, O> {
    /// Deregisters the acceptors, the signals and the watched input, so that the next run can register them with the
    /// same selector.
    fn drop(&mut self) {
        self.observer.run_ends();
        for acceptor in &mut self.acceptors {
            acceptor.deregister(self.selector.registry());
        }
        if let Some(signals) = &mut self.signals {
            signals.deregister(self.selector.registry());
        }
        #[cfg(unix)]
        if let Some(input) = &self.input_end {
            input.deregister(self.selector.registry());
        }
    }
}
