//! The table of children, from start to reaping.
//!
//! A child can outlive the connection that started it, because it may continue after closing its output, or need time
//! to exit after SIGTERM. The table therefore belongs to the service. The table has its own poll, which watches the
//! pidfd and the standard error pipe of each child. That poll is itself a descriptor and is registered once with the
//! loop's poll, so every event of a child wakes the loop, even if the child's connection has closed.
//!
//! The phases of one child are in `child`, and the order of waiting requests in `queue`. The standard input and output
//! of a child belong to its connection (`run`, `source`).
//!
//! Invariant: `live` is the number of entries that have not been reaped.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::unix::pipe::Receiver;
use mio::{Events, Interest, Poll, Token};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use slab::Slab;

use super::child::{ChildEntry, ChildLabel, ChildState, Deadline, LogLines, send_signal};
use super::limits::CgiLimits;
use super::orphans::OrphanReaper;
use super::queue::{QueueTicket, StartQueue};
use crate::service::{LogCallback, Registrar};

/// How long [`ChildReaper::shut_down`] waits for children after SIGTERM, and again after SIGKILL.
const SHUTDOWN_WAIT: Duration = Duration::from_millis(500);

/// The slot in which a connection registers the reaper's poll. Slots 1 and 2 are for the pipes of the script.
const SLOT: u8 = 7;

/// The token for SIGCHLD. The tokens for children are smaller: `2 * key` for the pidfd, `2 * key + 1` for standard
/// error.
const SIGCHLD: Token = Token(usize::MAX);

/// All children of a service, and the queue of requests that wait to start one.
#[derive(Debug)]
pub(super) struct ChildReaper {
    state: Mutex<ReaperState>,
}

#[derive(Debug)]
struct ReaperState {
    limits: CgiLimits,
    poll: Poll,
    /// True once `poll` is registered with the loop's poll.
    registered: bool,
    children: Slab<ChildEntry>,
    /// The number of children that have not been reaped yet.
    live: usize,
    /// The requests that wait until another child may be started.
    queue: StartQueue,
    log: LogLines,
    orphans: Option<OrphanReaper>,
}

impl ChildReaper {
    /// Creates a reaper with no children.
    ///
    /// # Errors
    /// Returns an error if the system cannot create a poll.
    pub(super) fn new(limits: CgiLimits) -> io::Result<ChildReaper> {
        let state = ReaperState {
            limits,
            poll: Poll::new()?,
            registered: false,
            children: Slab::new(),
            live: 0,
            queue: StartQueue::default(),
            log: Vec::new(),
            orphans: None,
        };
        Ok(ChildReaper { state: Mutex::new(state) })
    }

    pub(super) fn limits(&self) -> CgiLimits {
        self.lock().limits.clone()
    }

    /// Replaces the limits. The [`CgiLimits::whole`] deadlines of scripts that are already running do not change.
    pub(super) fn set_limits(&self, limits: CgiLimits) {
        let mut state = self.lock();
        state.limits = limits;
        state.wake_next();
    }

    /// Makes the reaper also reap orphans. Before the first script is started, SIGCHLD does not wake the loop, so
    /// orphans are reaped only when something else does.
    ///
    /// # Errors
    /// Returns an error if SIGCHLD cannot be handled.
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

    /// Returns true if a child may be started for the request with this ticket. Otherwise appends the request to the
    /// queue, unless it is already there. Its connection is woken once the request is first in the queue and a child
    /// may be started.
    pub(super) fn may_start(&self, ticket: &mut Option<QueueTicket>, registrar: &dyn Registrar) -> bool {
        let mut state = self.lock();
        if state.live < state.limits.live && state.queue.is_next(*ticket) {
            return true;
        }
        ticket.get_or_insert_with(|| state.queue.join(registrar.wake()));
        false
    }

    /// Removes from the queue a request that has started its child or whose client has disconnected.
    pub(super) fn leave_queue(&self, ticket: QueueTicket) {
        let mut state = self.lock();
        state.queue.leave(ticket);
        state.wake_next();
    }

    /// Adds a child and returns its key. The child's standard error must be a pipe, unless it has already been taken
    /// out of `child`.
    ///
    /// # Errors
    /// Returns an error if the child cannot be watched. It is then killed and reaped.
    pub(super) fn add(&self, mut child: Child, label: ChildLabel, registrar: &mut dyn Registrar) -> io::Result<usize> {
        let mut state = self.lock();
        match state.watch(&mut child, registrar) {
            Ok((pidfd, stderr)) => {
                state.live += 1;
                let until = state.limits.whole_ends(registrar.now());
                Ok(state.children.insert(ChildEntry::new(child, pidfd, stderr, label, until)))
            }
            Err(error) => {
                // Waiting blocks the loop, but only briefly, because a process cannot delay SIGKILL.
                send_signal(&child, Signal::KILL);
                _ = child.wait();
                Err(error)
            }
        }
    }

    /// The state of a child. Without an entry, the child has ended.
    pub(super) fn state(&self, key: usize) -> ChildState {
        self.lock().children.get(key).map_or(ChildState::Ended, ChildEntry::state)
    }

    /// Sends SIGTERM to the child's process group and logs the reason.
    pub(super) fn terminate(&self, key: usize, reason: &str) {
        self.lock().terminate(key, reason);
    }

    /// Adds a line to the log, which is written at the end of the turn.
    pub(super) fn note(&self, client: SocketAddr, text: String) {
        self.lock().log.push((client, text));
    }

    /// Records that the last handle to a child was dropped. A child whose output is incomplete is terminated. A child
    /// whose output is complete may keep running.
    pub(super) fn release(&self, key: usize, output_complete: bool) {
        let mut state = self.lock();
        let Some(entry) = state.children.get_mut(key) else { return };
        entry.has_handle = false;
        // The connection closed before it had received all of the output.
        if !output_complete {
            state.terminate(key, "connection closed");
        }
        state.remove_if_done(key);
    }

    /// Handles events of children and expired deadlines at the end of a turn of the loop. Returns the maximum time for
    /// which the loop may sleep.
    pub(super) fn after_turn(&self, now: Instant, note: &mut LogCallback<'_>) -> Option<Duration> {
        let mut state = self.lock();
        let orphans_due = state.orphans.as_ref().is_some_and(OrphanReaper::is_due);
        // If there are no children, and no reason to look for orphans, the turn makes no system call.
        let next = if state.children.is_empty() && !orphans_due { None } else { state.handle_turn(now) };
        for (client, text) in state.log.drain(..) {
            note(Some(client), &text);
        }
        next
    }

    /// Terminates and reaps all children, first with SIGTERM and then with SIGKILL. Blocks for up to twice
    /// [`SHUTDOWN_WAIT`]. This is acceptable, because the loop has ended.
    pub(super) fn shut_down(&self, note: &mut LogCallback<'_>) {
        self.end_all(SHUTDOWN_WAIT, note);
    }

    fn end_all(&self, wait: Duration, note: &mut LogCallback<'_>) {
        let mut state = self.lock();
        let keys: Vec<usize> = state.children.iter().map(|(key, _)| key).collect();
        // The loop has ended, so connections no longer read the state of an entry.
        for key in &keys {
            state.children[*key].has_handle = false;
            state.terminate(*key, "server stops");
            state.remove_if_done(*key);
        }
        let begin = Instant::now();
        // There are two rounds of waiting: the first after SIGTERM, the second after SIGKILL.
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
        for (client, text) in state.log.drain(..) {
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
    /// Registers a child's pidfd and standard error with the table's poll. The first call also registers that poll with
    /// the loop's poll.
    fn watch(&mut self, child: &mut Child, registrar: &mut dyn Registrar) -> io::Result<(OwnedFd, Option<Receiver>)> {
        // The poll is registered when the first script is started, because there is no loop yet when the service is
        // built.
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

    /// Handles the events of children, and then the deadlines that have expired. Returns the maximum time until the
    /// next call.
    fn handle_turn(&mut self, now: Instant) -> Option<Duration> {
        let busy = self.handle_events(Some(Duration::ZERO), now);
        // The keys are copied, because reaping a child may remove it from the table.
        let keys: Vec<usize> = self.children.iter().map(|(key, _)| key).collect();
        let next = keys.into_iter().filter_map(|key| self.check_time(key, now)).min();
        let next = next.map(|next| next.saturating_duration_since(now));
        let more_orphans = self.reap_orphans();
        if busy || more_orphans { Some(Duration::ZERO) } else { next }
    }

    /// Reaps orphans that have exited. Returns true if more may be left.
    fn reap_orphans(&mut self) -> bool {
        let (children, Some(orphans)) = (&self.children, &mut self.orphans) else { return false };
        orphans.reap(|pid| children.iter().any(|(_, entry)| entry.pid().is_some_and(|own| own.as_raw_pid() == pid)))
    }

    /// Waits up to `timeout` for events of children, and handles them. Returns true if the next turn must continue to
    /// read the standard error of a child.
    fn handle_events(&mut self, timeout: Option<Duration>, now: Instant) -> bool {
        let mut events = Events::with_capacity(2 * self.children.len() + 1);
        // If the poll fails or is interrupted, there are no events; the next turn polls again.
        _ = self.poll.poll(&mut events, timeout);
        let mut busy = false;
        for event in events.iter().filter(|event| event.token() != SIGCHLD) {
            let (key, is_stderr) = (event.token().0 / 2, event.token().0 % 2 == 1);
            match is_stderr {
                true => busy |= self.read_stderr(key),
                false => self.handle_exit(key, now),
            }
        }
        busy
    }

    /// Reads the standard error of a child, up to the limit for one turn. Returns true if bytes may be left in the
    /// pipe.
    fn read_stderr(&mut self, key: usize) -> bool {
        let Some(entry) = self.children.get_mut(key) else { return false };
        if !entry.read_stderr(&mut self.log) {
            return false;
        }
        // The edge-triggered poll has already reported this readiness and would not do so again. Re-registering the
        // pipe makes the poll report the remaining bytes.
        if let Some(stderr) = &mut entry.stderr {
            _ = self.poll.registry().reregister(stderr, Token(2 * key + 1), Interest::READABLE);
        }
        true
    }

    fn handle_exit(&mut self, key: usize, now: Instant) {
        if self.children.get_mut(key).is_some_and(|entry| entry.handle_exit(now)) {
            self.reap(key);
        }
    }

    fn reap(&mut self, key: usize) {
        let Some(entry) = self.children.get_mut(key) else { return };
        // A child must not be reaped twice: the second call would get the same status, and `live` would be decremented
        // again.
        if entry.is_reaped() || !entry.reap(&mut self.log) {
            return;
        }
        // The exit of a child ends its output, even if another process keeps the pipe open. There is then no EOF to
        // wake the connection, so it is woken here.
        if entry.has_handle {
            entry.label.wake.wake();
        }
        _ = self.poll.registry().deregister(&mut SourceFd(&entry.pidfd.as_raw_fd()));
        self.live -= 1;
        self.remove_if_done(key);
        self.wake_next();
    }

    /// Removes the child's entry if the child has been reaped and has no handle.
    fn remove_if_done(&mut self, key: usize) {
        if self.children.get(key).is_some_and(|entry| !entry.has_handle && entry.is_reaped()) {
            self.children.remove(key);
        }
    }

    /// Wakes the first request in the queue if another child may be started.
    fn wake_next(&self) {
        if self.live < self.limits.live {
            self.queue.wake_first();
        }
    }

    fn terminate(&mut self, key: usize, reason: &str) {
        if let Some(entry) = self.children.get_mut(key) {
            entry.terminate(reason, false, &mut self.log);
        }
    }

    fn kill(&mut self, key: usize) {
        if self.children.get_mut(key).is_some_and(ChildEntry::kill) {
            self.reap(key);
        }
    }

    /// Sends a child the signal that is due, if any. Returns the child's next deadline.
    fn check_time(&mut self, key: usize, now: Instant) -> Option<Instant> {
        let entry = self.children.get_mut(key)?;
        match entry.check_time(now, self.limits.kill_after, &mut self.log) {
            Deadline::Next(next) => next,
            Deadline::Reap => {
                self.reap(key);
                None
            }
        }
    }

    /// Immediately kills the process groups whose leaders have exited. Their deadlines would no longer be checked,
    /// because the loop has stopped.
    fn kill_stragglers(&mut self) {
        let stragglers = self.children.iter().filter(|(_, entry)| entry.leader_exited());
        let keys: Vec<usize> = stragglers.map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.kill(key));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;
    use crate::cgi::child::STDERR_PER_TURN;
    use crate::cgi::test_registrar::TestRegistrar;

    /// Creates a reaper with one child, which runs a shell command. Returns the reaper, the key of the child, and the
    /// writing end of the pipe that stands in for the child's standard error.
    fn with_child(command: &str, limits: CgiLimits) -> (ChildReaper, usize, std::io::PipeWriter) {
        let reaper = ChildReaper::new(limits).unwrap();
        let mut registrar = TestRegistrar::new();
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
        // These are more bytes than a turn reads, but not more than the pipe holds.
        let size = rustix::pipe::fcntl_setpipe_size(&stderr, 4 * STDERR_PER_TURN).unwrap();
        assert!(size > 2 * STDERR_PER_TURN);
        stderr.write_all(&vec![b'x'; size]).unwrap();
        let left = || rustix::io::ioctl_fionread(&stderr).unwrap() as usize;
        let now = Instant::now();
        assert_eq!(reaper.after_turn(now, &mut |_, _| {}), Some(Duration::ZERO), "the next turn reads more");
        assert_eq!(left(), size - STDERR_PER_TURN);
        assert_eq!(reaper.after_turn(now, &mut |_, _| {}), Some(Duration::ZERO));
        assert_eq!(left(), size - 2 * STDERR_PER_TURN);
    }

    #[test]
    fn a_script_without_a_time_limit_is_not_terminated() {
        let limits = CgiLimits { whole: Duration::ZERO, ..CgiLimits::default() };
        let (reaper, key, _stderr) = with_child("exec sleep 1000", limits);
        let later = Instant::now() + Duration::from_secs(1_000_000);
        assert_eq!(reaper.after_turn(later, &mut |_, _| {}), None);
        assert_eq!(reaper.state(key), ChildState::Running);
    }

    #[test]
    fn a_request_that_leaves_the_queue_wakes_the_next_one() {
        let reaper = ChildReaper::new(CgiLimits { live: 0, ..CgiLimits::default() }).unwrap();
        let requests: Vec<TestRegistrar> = (0..3).map(|_| TestRegistrar::new()).collect();
        let mut tickets = [None; 3];
        for (ticket, registrar) in tickets.iter_mut().zip(&requests) {
            assert!(!reaper.may_start(ticket, registrar));
        }
        let woken = || requests.iter().map(TestRegistrar::wakes).collect::<Vec<_>>();
        // The limit is 0, so no request is woken yet.
        reaper.leave_queue(tickets[0].unwrap());
        assert_eq!(woken(), [0, 0, 0]);
        reaper.set_limits(CgiLimits { live: 1, ..CgiLimits::default() });
        assert_eq!(woken(), [0, 1, 0]);
        assert!(!reaper.may_start(&mut tickets[2], &requests[2]), "another request is before it");
        // The client of the woken request has disconnected.
        reaper.leave_queue(tickets[1].unwrap());
        assert_eq!(woken(), [0, 1, 1]);
        assert!(reaper.may_start(&mut tickets[2], &requests[2]));
    }

    #[test]
    fn a_shutdown_kills_the_rest_of_a_group_when_its_leader_has_exited() {
        // SIGTERM ends the leader of the group. The leader's child ignores SIGTERM, and writes a line once it does so.
        let reaper = ChildReaper::new(CgiLimits::default()).unwrap();
        let mut registrar = TestRegistrar::new();
        let text = "sh -c 'trap \"\" TERM; echo >&2; while :; do sleep 1000; done' & wait";
        let mut command = Command::new("sh");
        let child = command.args(["-c", text]).process_group(0).stderr(Stdio::piped()).spawn().unwrap();
        let label = ChildLabel { client: SocketAddr::from(([0; 4], 0)), name: String::new(), wake: registrar.wake() };
        reaper.add(child, label, &mut registrar).unwrap();
        while reaper.lock().log.is_empty() {
            reaper.lock().handle_events(None, Instant::now());
        }
        // This is far more time than necessary. If all of it passes, the group was killed only because of the timeout.
        let (wait, began) = (Duration::from_secs(20), Instant::now());
        reaper.end_all(wait, &mut |_, _| {});
        assert!(began.elapsed() < wait && reaper.lock().children.is_empty());
    }

    #[test]
    fn a_shutdown_sends_sigterm_and_later_sigkill() {
        // The first script exits by itself and can still write after SIGTERM. The second one is killed. Each writes a
        // line once it has set its trap for SIGTERM.
        let reaper = ChildReaper::new(CgiLimits::default()).unwrap();
        let mut registrar = TestRegistrar::new();
        for text in
            ["trap 'echo bye >&2; exit' TERM; echo >&2; sleep 1000 & wait", "trap '' TERM; echo >&2; exec sleep 1000"]
        {
            let child = Command::new("sh").args(["-c", text]).process_group(0).stderr(Stdio::piped()).spawn().unwrap();
            let label =
                ChildLabel { client: SocketAddr::from(([0; 4], 0)), name: String::new(), wake: registrar.wake() };
            reaper.add(child, label, &mut registrar).unwrap();
        }
        while reaper.lock().log.len() < 2 {
            reaper.lock().handle_events(None, Instant::now());
        }
        let mut log = String::new();
        reaper.end_all(Duration::from_millis(500), &mut |_, line| log.push_str(line));
        assert!(log.contains("bye") && reaper.lock().children.is_empty(), "{log}");
    }

    #[test]
    fn a_reaper_that_is_dropped_leaves_no_child() {
        let (reaper, _, stderr) = with_child("exec sleep 1000", CgiLimits::default());
        let child = reaper.lock().children.iter().find_map(|(_, entry)| entry.pid()).unwrap();
        let pidfd = pidfd_open(child, PidfdFlags::empty()).unwrap();
        drop((reaper, stderr));
        let mut ended = [PollFd::new(&pidfd, PollFlags::IN)];
        assert_eq!(poll(&mut ended, Some(&Timespec::default())), Ok(1));
    }
}
