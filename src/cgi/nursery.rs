//! Where the children live, from their start until they are reaped.
//!
//! A child may outlive the connection that it was started for: it closed its output and works on, or it was told to
//! end and takes its time. So neither the connection nor the upstream owns it, but the service. Its end (a descriptor
//! of the process) and its standard error are registered with a poll of the nursery's own, which is a descriptor itself
//! and registered with the loop's poll once: the loop wakes for every child, whatever became of its connection.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::unix::pipe::Receiver;
use mio::{Events, Interest, Poll, Token};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use slab::Slab;

use super::stderr::Lines;
use crate::service::{Note, Wake, Wires};

/// What bounds scripts, each with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgiLimits {
    /// Scripts that run at a time; the requests for others wait. 64: what a small machine bears.
    pub live: usize,
    /// From a script's start, or the last byte of the body that it took, to the end of its head; then 504. 55 s: less
    /// than the server's `answer_timeout`, so that the log says whose fault it was. A request that waited as long for
    /// its turn gets 503.
    pub first_byte: Duration,
    /// From a script's start to its end; then it is ended, and its response cut if that is not complete. 15 minutes:
    /// enough for a long download, and an end for what would never end.
    pub whole: Duration,
    /// From SIGTERM to SIGKILL. 2 s.
    pub kill_after: Duration,
    /// Bytes of the head of a script's output; more is 502. 64 KiB, as much as a request line.
    pub head: usize,
}

impl Default for CgiLimits {
    fn default() -> Self {
        CgiLimits {
            live: 64,
            first_byte: Duration::from_secs(55),
            whole: Duration::from_secs(15 * 60),
            kill_after: Duration::from_secs(2),
            head: 64 * 1024,
        }
    }
}

/// How much of one child's standard error is read in a turn of the loop, and at a time.
const ERRORS: usize = 64 * 1024;
const ERRORS_AT_A_TIME: usize = 8 * 1024;

/// How long the rest of a process group gets to end once its leader has.
const STRAGGLERS: Duration = Duration::from_millis(100);

/// How long the end of the loop waits for children to follow SIGTERM.
const WIND_UP: Duration = Duration::from_millis(500);

/// The slot of a connection's wires that the nursery's poll is registered with.
const SLOT: u8 = 7;

/// All children of a service.
#[derive(Debug)]
pub(super) struct Nursery {
    limits: CgiLimits,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    poll: Poll,
    /// Whether the loop's poll knows this one.
    watched: bool,
    children: Slab<Kept>,
    /// Children that are not reaped, and the most that may be.
    live: usize,
    most: usize,
    /// Requests that wait until there are fewer, in their order.
    waiting: VecDeque<(Ticket, Wake)>,
    next_ticket: u64,
    notes: Vec<(SocketAddr, String)>,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// A child, and what is left to do about it.
#[derive(Debug)]
struct Kept {
    child: Child,
    /// Readable when the child has ended.
    pidfd: OwnedFd,
    stderr: Option<Receiver>,
    lines: Lines,
    about: About,
    /// A connection still asks about it.
    held: bool,
    course: Course,
}

/// Whose child it is.
#[derive(Debug)]
pub(super) struct About {
    /// The client that it was started for.
    pub(super) client: SocketAddr,
    /// The name of the script, as it may be shown.
    pub(super) name: String,
    /// What wakes the connection.
    pub(super) wake: Wake,
}

/// The course of a child's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// It runs, until then at the most.
    Runs(Instant),
    /// It was asked to end. `None` until the turn is over that this happened in.
    Asked { overdue: bool, kill_at: Option<Instant>, leader_ended: bool },
    /// It was killed, and the news of its end have not come.
    Killed { overdue: bool },
    /// It is reaped.
    Over { overdue: bool },
}

/// What a connection may know about its child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It runs, or is about to end.
    Runs,
    /// It has ended: what it wrote is in the pipe.
    Ended,
    /// It was ended because it took too long.
    Overdue,
}

impl Nursery {
    /// # Errors
    /// If the system has no poll left.
    pub(super) fn new(limits: CgiLimits) -> io::Result<Nursery> {
        let inner = Inner {
            poll: Poll::new()?,
            watched: false,
            children: Slab::new(),
            live: 0,
            most: limits.live,
            waiting: VecDeque::new(),
            next_ticket: 0,
            notes: Vec::new(),
        };
        Ok(Nursery { limits, inner: Mutex::new(inner) })
    }

    pub(super) fn limits(&self) -> &CgiLimits {
        &self.limits
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another child may be started for whoever holds this ticket; who holds none gets one and will be woken.
    pub(super) fn may_start(&self, ticket: &mut Option<Ticket>, wires: &dyn Wires) -> bool {
        let mut inner = self.lock();
        let first = inner.waiting.front().map(|(first, _)| *first);
        if inner.live < inner.most && (first.is_none() || first == *ticket) {
            return true;
        }
        if ticket.is_none() {
            let number = Ticket(inner.next_ticket);
            inner.next_ticket += 1;
            inner.waiting.push_back((number, wires.wake()));
            *ticket = Some(number);
        }
        false
    }

    /// Gives a place in the queue back.
    pub(super) fn leave(&self, ticket: Ticket) {
        let mut inner = self.lock();
        inner.waiting.retain(|(other, _)| *other != ticket);
        inner.call_next();
    }

    /// Takes a child over. Its standard error must be a pipe.
    ///
    /// # Errors
    /// If it cannot be watched: it is killed then.
    pub(super) fn adopt(&self, mut child: Child, about: About, wires: &mut dyn Wires) -> io::Result<usize> {
        let mut inner = self.lock();
        match inner.watch(&mut child, wires) {
            Ok((pidfd, stderr)) => {
                inner.live += 1;
                let course = Course::Runs(wires.now() + self.limits.whole);
                let kept = Kept { child, pidfd, stderr, lines: Lines::default(), about, held: true, course };
                Ok(inner.children.insert(kept))
            }
            Err(error) => {
                // This waits, but not for longer than the system takes to end a process that cannot object.
                signal(&child, Signal::KILL);
                _ = child.wait();
                Err(error)
            }
        }
    }

    pub(super) fn fate(&self, key: usize) -> Fate {
        match self.lock().children.get(key).map(|kept| kept.course) {
            Some(Course::Over { overdue } | Course::Asked { overdue, .. } | Course::Killed { overdue }) if overdue => {
                Fate::Overdue
            }
            Some(Course::Over { .. }) | None => Fate::Ended,
            Some(_) => Fate::Runs,
        }
    }

    /// Has a child ended, because of what the text says.
    pub(super) fn end(&self, key: usize, why: &str) {
        self.lock().end(key, why, false);
    }

    /// Writes to the log, about a child.
    pub(super) fn note(&self, client: SocketAddr, text: String) {
        self.lock().notes.push((client, text));
    }

    /// A connection will not ask about its child again. One that has ended its output may work on for a while.
    pub(super) fn release(&self, key: usize, output_complete: bool) {
        let mut inner = self.lock();
        let Some(kept) = inner.children.get_mut(key) else { return };
        kept.held = false;
        if !output_complete {
            inner.end(key, "its client is gone", false);
        }
        inner.forget(key);
    }

    /// What is to be done when a turn of the loop is over. Returns how long the loop may sleep.
    pub(super) fn turn(&self, now: Instant, note: &mut Note<'_>) -> Option<Duration> {
        let mut inner = self.lock();
        let next = if inner.children.is_empty() { None } else { inner.look_after(now, &self.limits) };
        for (client, text) in inner.notes.drain(..) {
            note(Some(client), &text);
        }
        next
    }

    /// Ends all children, first gently, and reaps them. It waits for that, but not for long: nobody is served any
    /// more.
    pub(super) fn wind_up(&self, note: &mut Note<'_>) {
        let mut inner = self.lock();
        let keys: Vec<usize> = inner.children.iter().map(|(key, _)| key).collect();
        for key in &keys {
            inner.children[*key].held = false;
            inner.end(*key, "the server ends", false);
            inner.forget(*key);
        }
        let begin = Instant::now();
        for (end, last) in [(begin + WIND_UP, false), (begin + 2 * WIND_UP, true)] {
            while inner.live > 0 && Instant::now() < end {
                let left = end.saturating_duration_since(Instant::now());
                inner.look_at(Some(left), Instant::now());
                inner.collect_stragglers();
            }
            for key in keys.iter().filter(|_| !last) {
                inner.kill(*key);
            }
        }
        for (client, text) in inner.notes.drain(..) {
            note(Some(client), &text);
        }
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        self.wind_up(&mut |_, _| {});
    }
}

impl Inner {
    fn watch(&mut self, child: &mut Child, wires: &mut dyn Wires) -> io::Result<(OwnedFd, Option<Receiver>)> {
        if !self.watched {
            wires.register(&mut SourceFd(&self.poll.as_raw_fd()), SLOT, Interest::READABLE)?;
            self.watched = true;
        }
        let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
        let key = self.children.vacant_key();
        let registry = self.poll.registry();
        registry.register(&mut SourceFd(&pidfd.as_raw_fd()), Token(2 * key), Interest::READABLE)?;
        let mut stderr = child.stderr.take().map(Receiver::from);
        if let Some(stderr) = &mut stderr {
            stderr.set_nonblocking(true)?;
            registry.register(stderr, Token(2 * key + 1), Interest::READABLE)?;
        }
        Ok((pidfd, stderr))
    }

    /// Looks at what has happened and at the time.
    fn look_after(&mut self, now: Instant, limits: &CgiLimits) -> Option<Duration> {
        let busy = self.look_at(Some(Duration::ZERO), now);
        let keys: Vec<usize> = self.children.iter().map(|(key, _)| key).collect();
        let next = keys.into_iter().filter_map(|key| self.check_time(key, now, limits)).min();
        let next = next.map(|next| next.saturating_duration_since(now));
        if busy { Some(Duration::ZERO) } else { next }
    }

    /// Looks at what has happened. True if there is more to do in the next turn.
    fn look_at(&mut self, timeout: Option<Duration>, now: Instant) -> bool {
        let mut events = Events::with_capacity(2 * self.children.len());
        // A poll that is interrupted, or fails, reports nothing; the next turn tries again.
        _ = self.poll.poll(&mut events, timeout);
        let mut busy = false;
        for event in &events {
            let (key, is_stderr) = (event.token().0 / 2, event.token().0 % 2 == 1);
            match is_stderr {
                true => busy |= self.read_errors(key),
                false => self.leader_ended(key, now),
            }
        }
        busy
    }

    /// Reads what there is on standard error. Stopped by its budget, it registers anew, so that the poll reports what
    /// is left.
    fn read_errors(&mut self, key: usize) -> bool {
        let Some(kept) = self.children.get_mut(key) else { return false };
        let Some(stderr) = &mut kept.stderr else { return false };
        let (mut buffer, mut left) = ([0; ERRORS_AT_A_TIME], ERRORS);
        while left > 0 {
            let room = left.min(buffer.len());
            match stderr.read(&mut buffer[..room]) {
                Ok(0) => {
                    kept.stderr = None;
                    return false;
                }
                Ok(count) => {
                    left -= count;
                    let (about, notes) = (&kept.about, &mut self.notes);
                    kept.lines
                        .feed(&buffer[..count], |line| notes.push((about.client, format!("{}: {line}", about.name))));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        _ = self.poll.registry().reregister(stderr, Token(2 * key + 1), Interest::READABLE);
        true
    }

    /// A child has ended. As long as it is not reaped its number stays its own, so that others of its group can still
    /// be ended without a risk to strangers.
    fn leader_ended(&mut self, key: usize, now: Instant) {
        match self.children.get_mut(key).map(|kept| &mut kept.course) {
            Some(Course::Asked { kill_at, leader_ended, .. }) => {
                *leader_ended = true;
                let soon = now + STRAGGLERS;
                *kill_at = Some(kill_at.map_or(soon, |kill_at| kill_at.min(soon)));
            }
            Some(_) => self.reap(key),
            None => {}
        }
    }

    fn reap(&mut self, key: usize) {
        let Some(kept) = self.children.get_mut(key) else { return };
        let Ok(Some(status)) = kept.child.try_wait() else { return };
        // Once: a pipe holds no more than that, and a process that was left behind may fill it for ever.
        self.read_errors(key);
        let kept = &mut self.children[key];
        let (about, notes) = (&kept.about, &mut self.notes);
        kept.lines.finish(|line| notes.push((about.client, format!("{}: {line}", about.name))));
        kept.stderr = None;
        let overdue = match kept.course {
            Course::Runs(_) => {
                notes.extend(epitaph(status).map(|text| (about.client, format!("{text}: {}", about.name))));
                false
            }
            Course::Asked { overdue, .. } | Course::Killed { overdue } | Course::Over { overdue } => overdue,
        };
        kept.course = Course::Over { overdue };
        if kept.held {
            kept.about.wake.wake();
        }
        _ = self.poll.registry().deregister(&mut SourceFd(&kept.pidfd.as_raw_fd()));
        self.live -= 1;
        self.forget(key);
        self.call_next();
    }

    /// Frees the place of a child that is reaped and that nobody asks about.
    fn forget(&mut self, key: usize) {
        if self.children.get(key).is_some_and(|kept| !kept.held && matches!(kept.course, Course::Over { .. })) {
            self.children.remove(key);
        }
    }

    /// Wakes the first that waits, if there is room.
    fn call_next(&self) {
        if self.live < self.most
            && let Some((_, wake)) = self.waiting.front()
        {
            wake.wake();
        }
    }

    fn end(&mut self, key: usize, why: &str, overdue: bool) {
        if let Some(kept) = self.children.get_mut(key)
            && let Course::Runs(_) = kept.course
        {
            kept.course = Course::Asked { overdue, kill_at: None, leader_ended: false };
            signal(&kept.child, Signal::TERM);
            self.notes.push((kept.about.client, format!("CGI script ended, {why}: {}", kept.about.name)));
        }
    }

    /// Ends whatever is left of a group.
    fn kill(&mut self, key: usize) {
        let Some(kept) = self.children.get_mut(key) else { return };
        if let Course::Asked { overdue, leader_ended, .. } = kept.course {
            signal(&kept.child, Signal::KILL);
            kept.course = Course::Killed { overdue };
            if leader_ended {
                self.reap(key);
            }
        }
    }

    /// Does what is due, and says when the next thing is.
    fn check_time(&mut self, key: usize, now: Instant, limits: &CgiLimits) -> Option<Instant> {
        let kept = self.children.get_mut(key)?;
        match &mut kept.course {
            Course::Runs(until) if *until <= now => {
                kept.about.wake.wake();
                self.end(key, "it took too long", true);
                self.check_time(key, now, limits)
            }
            Course::Runs(until) => Some(*until),
            Course::Asked { kill_at: Some(kill_at), .. } if *kill_at <= now => {
                self.kill(key);
                None
            }
            Course::Asked { kill_at, .. } => Some(*kill_at.get_or_insert(now + limits.kill_after)),
            Course::Killed { .. } | Course::Over { .. } => None,
        }
    }

    /// Kills what is left of groups whose leaders have ended, without patience.
    fn collect_stragglers(&mut self) {
        let ended = |kept: &Kept| matches!(kept.course, Course::Asked { leader_ended: true, .. });
        let keys: Vec<usize> = self.children.iter().filter(|(_, kept)| ended(kept)).map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.kill(key));
    }
}

/// Sends a signal to all of a child's group. It fails if none of them is left, and then nothing is to be done.
fn signal(child: &Child, signal: Signal) {
    _ = kill_process_group(Pid::from_child(child), signal);
}

/// What is said about an end that was not a good one (contract row CG18).
fn epitaph(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("CGI script exit code {code}")),
        (None, signal) => Some(format!("CGI script ended by signal {}", signal.unwrap_or_default())),
    }
}
