//! The table of children, from their start until they are reaped, and the queue of requests for more of them.
//!
//! A child may outlive the connection that started it: it closed its output and works on, or it was sent SIGTERM and has
//! not ended yet. So the table belongs to the service, not to a connection. The pidfd of each child and the pipe of its
//! standard error are registered with a poll of the table's own. That poll is a descriptor, too, and is registered with
//! the loop's poll once: every event of a child wakes the loop, even if its connection is gone.
//!
//! What stays out: a child's standard input and output, which its connection reads and writes (`child`, `source`).

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

use super::limits::CgiLimits;
use super::orphans::OrphanReaper;
use super::stderr::StderrLines;
use crate::service::{LogCallback, Registrar, Waker};

/// Bytes of one child's standard error that are read in a turn of the loop.
const STDERR_PER_TURN: usize = 64 * 1024;

/// Bytes of standard error that are read at a time.
const STDERR_READ: usize = 8 * 1024;

/// From the end of a child that was sent SIGTERM to the SIGKILL for the rest of its process group.
const STRAGGLER_WAIT: Duration = Duration::from_millis(100);

/// How long the end of the loop waits for children after SIGTERM, and again after SIGKILL.
const SHUTDOWN_WAIT: Duration = Duration::from_millis(500);

/// The slot of a connection's wires that the table's poll is registered with.
const SLOT: u8 = 7;

/// The token of SIGCHLD. Those of children are smaller: `2 * key` for the pidfd, `2 * key + 1` for standard error.
const SIGCHLD: Token = Token(usize::MAX);

/// All children of a service.
#[derive(Debug)]
pub(super) struct ChildReaper {
    state: Mutex<ReaperState>,
}

#[derive(Debug)]
struct ReaperState {
    limits: CgiLimits,
    poll: Poll,
    /// The loop's poll watches this one.
    registered: bool,
    children: Slab<ChildEntry>,
    /// Children that are not reaped.
    live: usize,
    /// Requests that wait until there are fewer children, in their order.
    queue: VecDeque<(QueueTicket, Waker)>,
    next_ticket: u64,
    /// Lines for the log.
    notes: Vec<(SocketAddr, String)>,
    orphans: Option<OrphanReaper>,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueTicket(u64);

/// A child and everything that is needed until it is reaped.
#[derive(Debug)]
struct ChildEntry {
    child: Child,
    /// Readable when the child has exited.
    pidfd: OwnedFd,
    stderr: Option<Receiver>,
    lines: StderrLines,
    label: ChildLabel,
    /// A [`ChildHandle`](super::source::ChildHandle) refers to this entry.
    has_handle: bool,
    phase: ChildPhase,
}

/// The client and the script of a child.
#[derive(Debug)]
pub(super) struct ChildLabel {
    /// The client whose request started it.
    pub(super) client: SocketAddr,
    /// The name of the script, quoted for the log.
    pub(super) name: String,
    /// Wakes the connection.
    pub(super) wake: Waker,
}

/// The phases of a child's life, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChildPhase {
    /// It runs and is terminated at this time; `None` is never.
    Running(Option<Instant>),
    /// SIGTERM was sent. `kill_at` is set at the end of that turn.
    Terminating { timed_out: bool, kill_at: Option<Instant>, leader_exited: bool },
    /// SIGKILL was sent, and the exit of the child is not reported yet.
    Killed { timed_out: bool },
    /// It is reaped.
    Reaped { timed_out: bool },
}

/// The part of a child's phase that its connection needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChildState {
    /// It runs, or was sent a signal and has not ended.
    Running,
    /// It has ended: all of its output is in the pipe.
    Ended,
    /// It was terminated because of [`CgiLimits::whole`].
    TimedOut,
}

impl ChildReaper {
    /// An empty table.
    ///
    /// # Errors
    /// If the system cannot make a poll.
    pub(super) fn new(limits: CgiLimits) -> io::Result<ChildReaper> {
        let state = ReaperState {
            limits,
            poll: Poll::new()?,
            registered: false,
            children: Slab::new(),
            live: 0,
            queue: VecDeque::new(),
            next_ticket: 0,
            notes: Vec::new(),
            orphans: None,
        };
        Ok(ChildReaper { state: Mutex::new(state) })
    }

    pub(super) fn limits(&self) -> CgiLimits {
        self.lock().limits.clone()
    }

    /// Replaces the limits. [`CgiLimits::whole`] of scripts that run stays as it was when they were started.
    pub(super) fn set_limits(&self, limits: CgiLimits) {
        let mut state = self.lock();
        state.limits = limits;
        state.wake_next();
    }

    /// Reaps orphans, too, from the first script on.
    ///
    /// # Errors
    /// If SIGCHLD cannot be handled.
    pub(super) fn reap_orphans(&self) -> io::Result<()> {
        let mut state = self.lock();
        if state.orphans.is_none() {
            let mut orphans = OrphanReaper::new()?;
            orphans.register(state.poll.registry(), SIGCHLD)?;
            state.orphans = Some(orphans);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, ReaperState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if another child may be started for the holder of this ticket. Otherwise the request is put into the queue,
    /// unless it is there already, and is woken when it is first and there is room.
    pub(super) fn may_start(&self, ticket: &mut Option<QueueTicket>, registrar: &dyn Registrar) -> bool {
        let mut state = self.lock();
        let first = state.queue.front().map(|(first, _)| *first);
        if state.live < state.limits.live && (first.is_none() || first == *ticket) {
            return true;
        }
        if ticket.is_none() {
            let number = QueueTicket(state.next_ticket);
            state.next_ticket += 1;
            state.queue.push_back((number, registrar.wake()));
            *ticket = Some(number);
        }
        false
    }

    /// Takes a request out of the queue: it has started its child, or its client is gone.
    pub(super) fn leave_queue(&self, ticket: QueueTicket) {
        let mut state = self.lock();
        state.queue.retain(|(other, _)| *other != ticket);
        state.wake_next();
    }

    /// Adds a child, whose standard error must be a pipe, and returns its key.
    ///
    /// # Errors
    /// If the child cannot be watched. It is killed and reaped then.
    pub(super) fn add(&self, mut child: Child, label: ChildLabel, registrar: &mut dyn Registrar) -> io::Result<usize> {
        let mut state = self.lock();
        match state.watch(&mut child, registrar) {
            Ok((pidfd, stderr)) => {
                state.live += 1;
                let phase = ChildPhase::Running(state.limits.whole_ends(registrar.now()));
                let lines = StderrLines::default();
                let entry = ChildEntry { child, pidfd, stderr, lines, label, has_handle: true, phase };
                Ok(state.children.insert(entry))
            }
            Err(error) => {
                // This blocks, but a process cannot delay SIGKILL.
                send_signal(&child, Signal::KILL);
                _ = child.wait();
                Err(error)
            }
        }
    }

    pub(super) fn state(&self, key: usize) -> ChildState {
        match self.lock().children.get(key).map(|entry| entry.phase) {
            Some(
                ChildPhase::Reaped { timed_out }
                | ChildPhase::Terminating { timed_out, .. }
                | ChildPhase::Killed { timed_out },
            ) if timed_out => ChildState::TimedOut,
            Some(ChildPhase::Reaped { .. }) | None => ChildState::Ended,
            Some(_) => ChildState::Running,
        }
    }

    /// Sends SIGTERM to the child's process group and logs the reason.
    pub(super) fn terminate(&self, key: usize, reason: &str) {
        self.lock().terminate(key, reason, false);
    }

    /// Adds a line to the log.
    pub(super) fn note(&self, client: SocketAddr, text: String) {
        self.lock().notes.push((client, text));
    }

    /// The last handle of a child is dropped. A child whose output is incomplete is terminated; another one may work
    /// on.
    pub(super) fn release(&self, key: usize, output_complete: bool) {
        let mut state = self.lock();
        let Some(entry) = state.children.get_mut(key) else { return };
        entry.has_handle = false;
        if !output_complete {
            state.terminate(key, "its client is gone", false);
        }
        state.remove_if_done(key);
    }

    /// Handles events of children and deadlines that have passed, at the end of a turn of the loop. Returns how long
    /// the loop may sleep.
    pub(super) fn after_turn(&self, now: Instant, note: &mut LogCallback<'_>) -> Option<Duration> {
        let mut state = self.lock();
        let orphans_due = state.orphans.as_ref().is_some_and(OrphanReaper::is_due);
        let next = if state.children.is_empty() && !orphans_due { None } else { state.handle_turn(now) };
        for (client, text) in state.notes.drain(..) {
            note(Some(client), &text);
        }
        next
    }

    /// Ends and reaps all children: SIGTERM first, then SIGKILL. Blocks for up to twice [`SHUTDOWN_WAIT`], because the
    /// loop has ended.
    pub(super) fn shut_down(&self, note: &mut LogCallback<'_>) {
        self.end_all(SHUTDOWN_WAIT, note);
    }

    fn end_all(&self, wait: Duration, note: &mut LogCallback<'_>) {
        let mut state = self.lock();
        let keys: Vec<usize> = state.children.iter().map(|(key, _)| key).collect();
        for key in &keys {
            state.children[*key].has_handle = false;
            state.terminate(*key, "the server ends", false);
            state.remove_if_done(*key);
        }
        let begin = Instant::now();
        for (end, last) in [(begin + wait, false), (begin + 2 * wait, true)] {
            while state.live > 0 && Instant::now() < end {
                let left = end.saturating_duration_since(Instant::now());
                state.handle_events(Some(left), Instant::now());
                state.kill_stragglers();
            }
            for key in keys.iter().filter(|_| !last) {
                state.kill(*key);
            }
        }
        for (client, text) in state.notes.drain(..) {
            note(Some(client), &text);
        }
    }
}

impl Drop for ChildReaper {
    fn drop(&mut self) {
        self.shut_down(&mut |_, _| {});
    }
}

impl ReaperState {
    fn watch(&mut self, child: &mut Child, registrar: &mut dyn Registrar) -> io::Result<(OwnedFd, Option<Receiver>)> {
        if !self.registered {
            registrar.register(&mut SourceFd(&self.poll.as_raw_fd()), SLOT, Interest::READABLE)?;
            self.registered = true;
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

    /// Handles events of children, then every deadline that has passed. Returns when to be called next.
    fn handle_turn(&mut self, now: Instant) -> Option<Duration> {
        let busy = self.handle_events(Some(Duration::ZERO), now);
        let keys: Vec<usize> = self.children.iter().map(|(key, _)| key).collect();
        let next = keys.into_iter().filter_map(|key| self.check_time(key, now)).min();
        let next = next.map(|next| next.saturating_duration_since(now));
        let more_orphans = self.reap_orphans();
        if busy || more_orphans { Some(Duration::ZERO) } else { next }
    }

    fn reap_orphans(&mut self) -> bool {
        let (children, Some(orphans)) = (&self.children, &mut self.orphans) else { return false };
        let is_own = |(_, entry): (usize, &ChildEntry), pid: i32| {
            // The number of a child that is reaped may belong to an orphan by now.
            !matches!(entry.phase, ChildPhase::Reaped { .. }) && Pid::from_child(&entry.child).as_raw_pid() == pid
        };
        orphans.reap(|pid| children.iter().any(|child| is_own(child, pid)))
    }

    /// Handles events of children. True if the next turn has to go on with it.
    fn handle_events(&mut self, timeout: Option<Duration>, now: Instant) -> bool {
        let mut events = Events::with_capacity(2 * self.children.len() + 1);
        // A poll that is interrupted, or fails, reports nothing; the next turn tries again.
        _ = self.poll.poll(&mut events, timeout);
        let mut busy = false;
        for event in events.iter().filter(|event| event.token() != SIGCHLD) {
            let (key, is_stderr) = (event.token().0 / 2, event.token().0 % 2 == 1);
            match is_stderr {
                true => busy |= self.read_stderr(key),
                false => self.leader_exited(key, now),
            }
        }
        busy
    }

    /// Reads standard error, up to [`STDERR_PER_TURN`] bytes. Stopped by that limit, it registers the pipe anew, so that
    /// the poll reports the rest, and returns true.
    fn read_stderr(&mut self, key: usize) -> bool {
        let Some(entry) = self.children.get_mut(key) else { return false };
        let Some(stderr) = &mut entry.stderr else { return false };
        let (mut buffer, mut left) = ([0; STDERR_READ], STDERR_PER_TURN);
        while left > 0 {
            let room = left.min(buffer.len());
            match stderr.read(&mut buffer[..room]) {
                Ok(0) => {
                    entry.stderr = None;
                    return false;
                }
                Ok(count) => {
                    left -= count;
                    let (label, notes) = (&entry.label, &mut self.notes);
                    entry
                        .lines
                        .feed(&buffer[..count], |line| notes.push((label.client, format!("{}: {line}", label.name))));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        _ = self.poll.registry().reregister(stderr, Token(2 * key + 1), Interest::READABLE);
        true
    }

    /// A child has exited. The process group of one that was sent SIGTERM gets a moment more. Until a child is reaped
    /// the kernel does not give its number to another process, so that a signal to the group reaches no stranger.
    fn leader_exited(&mut self, key: usize, now: Instant) {
        match self.children.get_mut(key).map(|entry| &mut entry.phase) {
            Some(ChildPhase::Terminating { kill_at, leader_exited, .. }) => {
                *leader_exited = true;
                let soon = now + STRAGGLER_WAIT;
                *kill_at = Some(kill_at.map_or(soon, |kill_at| kill_at.min(soon)));
            }
            Some(_) => self.reap(key),
            None => {}
        }
    }

    fn reap(&mut self, key: usize) {
        let Some(entry) = self.children.get_mut(key) else { return };
        let Ok(Some(status)) = entry.child.try_wait() else { return };
        // Once is enough for all that a pipe can hold. More would have no end if a process that the child left behind
        // keeps writing.
        self.read_stderr(key);
        let entry = &mut self.children[key];
        let (label, notes) = (&entry.label, &mut self.notes);
        entry.lines.finish(|line| notes.push((label.client, format!("{}: {line}", label.name))));
        entry.stderr = None;
        let timed_out = match entry.phase {
            ChildPhase::Running(_) => {
                notes.extend(describe_exit(status).map(|text| (label.client, format!("{text}: {}", label.name))));
                false
            }
            ChildPhase::Terminating { timed_out, .. }
            | ChildPhase::Killed { timed_out }
            | ChildPhase::Reaped { timed_out } => timed_out,
        };
        entry.phase = ChildPhase::Reaped { timed_out };
        if entry.has_handle {
            entry.label.wake.wake();
        }
        _ = self.poll.registry().deregister(&mut SourceFd(&entry.pidfd.as_raw_fd()));
        self.live -= 1;
        self.remove_if_done(key);
        self.wake_next();
    }

    /// Removes the entry of a child that is reaped and has no handle.
    fn remove_if_done(&mut self, key: usize) {
        let done = |entry: &ChildEntry| !entry.has_handle && matches!(entry.phase, ChildPhase::Reaped { .. });
        if self.children.get(key).is_some_and(done) {
            self.children.remove(key);
        }
    }

    /// Wakes the first request of the queue if another child may be started.
    fn wake_next(&self) {
        if self.live < self.limits.live
            && let Some((_, wake)) = self.queue.front()
        {
            wake.wake();
        }
    }

    fn terminate(&mut self, key: usize, reason: &str, timed_out: bool) {
        if let Some(entry) = self.children.get_mut(key)
            && let ChildPhase::Running(_) = entry.phase
        {
            entry.phase = ChildPhase::Terminating { timed_out, kill_at: None, leader_exited: false };
            send_signal(&entry.child, Signal::TERM);
            self.notes.push((entry.label.client, format!("CGI script ended, {reason}: {}", entry.label.name)));
        }
    }

    /// Sends SIGKILL to what is left of the process group of a child that was sent SIGTERM.
    fn kill(&mut self, key: usize) {
        let Some(entry) = self.children.get_mut(key) else { return };
        if let ChildPhase::Terminating { timed_out, leader_exited, .. } = entry.phase {
            send_signal(&entry.child, Signal::KILL);
            entry.phase = ChildPhase::Killed { timed_out };
            if leader_exited {
                self.reap(key);
            }
        }
    }

    /// Sends the signal that is due. Returns the child's next deadline.
    fn check_time(&mut self, key: usize, now: Instant) -> Option<Instant> {
        let entry = self.children.get_mut(key)?;
        match &mut entry.phase {
            ChildPhase::Running(Some(until)) if *until <= now => {
                entry.label.wake.wake();
                self.terminate(key, "it took too long", true);
                self.check_time(key, now)
            }
            ChildPhase::Running(until) => *until,
            ChildPhase::Terminating { kill_at: Some(kill_at), .. } if *kill_at <= now => {
                self.kill(key);
                None
            }
            ChildPhase::Terminating { kill_at, .. } => Some(*kill_at.get_or_insert(now + self.limits.kill_after)),
            ChildPhase::Killed { .. } | ChildPhase::Reaped { .. } => None,
        }
    }

    /// Kills at once what is left of the process groups whose leaders have exited.
    fn kill_stragglers(&mut self) {
        let exited = |entry: &ChildEntry| matches!(entry.phase, ChildPhase::Terminating { leader_exited: true, .. });
        let keys: Vec<usize> = self.children.iter().filter(|(_, entry)| exited(entry)).map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.kill(key));
    }
}

/// Sends a signal to a child's process group. An error means that no process of the group is left.
fn send_signal(child: &Child, signal: Signal) {
    _ = kill_process_group(Pid::from_child(child), signal);
}

/// The line of the log for a non-zero exit status or a signal; `None` for success. The words for a status are Python's.
fn describe_exit(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("CGI script exit code {code}")),
        (None, signal) => Some(format!("CGI script ended by signal {}", signal.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use mio::event::Source;

    use super::*;

    /// Registrar with a poll for what is registered.
    struct TestWires(Poll);

    impl Registrar for TestWires {
        fn register(&mut self, source: &mut dyn Source, slot: u8, interest: Interest) -> io::Result<()> {
            source.register(self.0.registry(), Token(slot.into()), interest)
        }

        fn wake(&self) -> Waker {
            Waker::new(|| {})
        }

        fn now(&self) -> Instant {
            Instant::now()
        }
    }

    /// A reaper with one child of this shell command, whose standard error is a pipe that can be written to.
    fn with_child(command: &str, limits: CgiLimits) -> (ChildReaper, usize, std::io::PipeWriter) {
        let reaper = ChildReaper::new(limits).unwrap();
        let mut registrar = TestWires(Poll::new().unwrap());
        let mut child =
            Command::new("sh").args(["-c", command]).process_group(0).stderr(Stdio::null()).spawn().unwrap();
        let (read, write) = io::pipe().unwrap();
        child.stderr = Some(OwnedFd::from(read).into());
        let label = ChildLabel { client: SocketAddr::from(([0; 4], 0)), name: String::new(), wake: registrar.wake() };
        let key = reaper.add(child, label, &mut registrar).unwrap();
        (reaper, key, write)
    }

    #[test]
    fn standard_error_is_read_up_to_a_limit_in_a_turn() {
        let (reaper, _, mut stderr) = with_child("exec sleep 1000", CgiLimits::default());
        // More than a turn reads, and no more than the pipe holds.
        let size = rustix::pipe::fcntl_setpipe_size(&stderr, 4 * STDERR_PER_TURN).unwrap();
        assert!(size > 2 * STDERR_PER_TURN);
        stderr.write_all(&vec![b'x'; size]).unwrap();
        let left = || rustix::io::ioctl_fionread(&stderr).unwrap() as usize;
        let now = Instant::now();
        assert_eq!(reaper.after_turn(now, &mut |_, _| {}), Some(Duration::ZERO), "the next turn goes on with it");
        assert_eq!(left(), size - STDERR_PER_TURN);
        assert_eq!(reaper.after_turn(now, &mut |_, _| {}), Some(Duration::ZERO));
        assert_eq!(left(), size - 2 * STDERR_PER_TURN);
    }

    #[test]
    fn a_script_without_a_limit_is_never_terminated() {
        let limits = CgiLimits { whole: Duration::ZERO, ..CgiLimits::default() };
        let (reaper, key, _stderr) = with_child("exec sleep 1000", limits);
        let later = Instant::now() + Duration::from_secs(1_000_000);
        assert_eq!(reaper.after_turn(later, &mut |_, _| {}), None);
        assert_eq!(reaper.state(key), ChildState::Running);
    }

    /// Registrar whose wakes are counted.
    struct CountingWires(Arc<AtomicUsize>);

    impl Registrar for CountingWires {
        fn register(&mut self, _: &mut dyn Source, _: u8, _: Interest) -> io::Result<()> {
            Ok(())
        }

        fn wake(&self) -> Waker {
            let count = Arc::clone(&self.0);
            Waker::new(move || _ = count.fetch_add(1, Ordering::Relaxed))
        }

        fn now(&self) -> Instant {
            Instant::now()
        }
    }

    #[test]
    fn a_request_that_leaves_the_queue_wakes_the_next_one() {
        let reaper = ChildReaper::new(CgiLimits { live: 0, ..CgiLimits::default() }).unwrap();
        let requests: Vec<CountingWires> = (0..3).map(|_| CountingWires(Arc::default())).collect();
        let mut tickets = [None; 3];
        for (ticket, registrar) in tickets.iter_mut().zip(&requests) {
            assert!(!reaper.may_start(ticket, registrar));
        }
        let woken = || requests.iter().map(|registrar| registrar.0.load(Ordering::Relaxed)).collect::<Vec<_>>();
        // There is no room yet.
        reaper.leave_queue(tickets[0].unwrap());
        assert_eq!(woken(), [0, 0, 0]);
        reaper.set_limits(CgiLimits { live: 1, ..CgiLimits::default() });
        assert_eq!(woken(), [0, 1, 0]);
        // The client of the request that was woken is gone.
        reaper.leave_queue(tickets[1].unwrap());
        assert_eq!(woken(), [0, 1, 1]);
        assert!(reaper.may_start(&mut tickets[2], &requests[2]));
    }

    #[test]
    fn a_shutdown_kills_the_rest_of_a_group_when_its_leader_has_exited() {
        // The leader ends by SIGTERM. Its child ignores it, and writes a line when that is so.
        let reaper = ChildReaper::new(CgiLimits::default()).unwrap();
        let mut registrar = TestWires(Poll::new().unwrap());
        let text = "sh -c 'trap \"\" TERM; echo >&2; while :; do sleep 1000; done' & wait";
        let mut command = Command::new("sh");
        let child = command.args(["-c", text]).process_group(0).stderr(Stdio::piped()).spawn().unwrap();
        let label = ChildLabel { client: SocketAddr::from(([0; 4], 0)), name: String::new(), wake: registrar.wake() };
        reaper.add(child, label, &mut registrar).unwrap();
        while reaper.lock().notes.is_empty() {
            reaper.lock().handle_events(None, Instant::now());
        }
        // Far more time than is needed: if it passes, the group was only killed because of it.
        let (wait, began) = (Duration::from_secs(20), Instant::now());
        reaper.end_all(wait, &mut |_, _| {});
        assert!(began.elapsed() < wait && reaper.lock().children.is_empty());
    }
}
