//! One child process: its phases, the signals to its process group, and its standard error.
//!
//! The table of children and its poll are in `reaper`. The standard input and output of a child belong to its
//! connection (`run`, `source`).

use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use mio::unix::pipe::Receiver;
use rustix::process::{Pid, Signal, kill_process_group};

use super::stderr::StderrLines;
use crate::service::Waker;

/// The maximum number of bytes that are read from one child's standard error in one turn of the loop.
pub(super) const STDERR_PER_TURN: usize = 64 * 1024;

/// The size of the buffer for one read from standard error, in bytes.
const STDERR_READ: usize = 8 * 1024;

/// The time from the exit of a child that was sent SIGTERM to the SIGKILL for the rest of its process group.
const STRAGGLER_WAIT: Duration = Duration::from_millis(100);

/// Lines for the log, each with the address of the client whose request started the child.
pub(super) type LogLines = Vec<(SocketAddr, String)>;

/// A child process, and the state that the reaper keeps until the child is reaped and its handle is dropped.
#[derive(Debug)]
pub(super) struct ChildEntry {
    pub(super) child: Child,
    /// The pidfd of the child, which becomes readable when the child has exited.
    pub(super) pidfd: OwnedFd,
    /// The child's standard error. `None` after EOF, or once the child has been reaped.
    pub(super) stderr: Option<Receiver>,
    lines: StderrLines,
    pub(super) label: ChildLabel,
    /// True while a [`ChildHandle`](super::source::ChildHandle) refers to this entry.
    pub(super) has_handle: bool,
    phase: ChildPhase,
}

/// The request for which a child was started: its client, its script and its connection.
#[derive(Debug)]
pub(super) struct ChildLabel {
    /// The client whose request started the child.
    pub(super) client: SocketAddr,
    /// The name of the script, quoted for the log.
    pub(super) name: String,
    /// Wakes the connection that runs the script.
    pub(super) wake: Waker,
}

/// The phases of a child, in chronological order. A phase can be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChildPhase {
    /// The child is running. Contains the time at which it will be terminated, or `None` if there is no time limit.
    Running(Option<Instant>),
    /// SIGTERM was sent. `kill_at` is the time at which SIGKILL is due. `None` until the end of the turn in which
    /// SIGTERM was sent.
    Terminating { timed_out: bool, kill_at: Option<Instant>, leader_exited: bool },
    /// SIGKILL was sent, but the child's exit has not been reported yet.
    Killed { timed_out: bool },
    /// The child has been reaped, so its process ID is no longer valid.
    Reaped { timed_out: bool },
}

/// The part of a child's state that its connection needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChildState {
    /// The child is running, but a signal to terminate it may already have been sent.
    Running,
    /// The child has exited, so all output that has not been read yet is in the pipe.
    Ended,
    /// SIGTERM was sent because the child ran for longer than [`CgiLimits::whole`](super::limits::CgiLimits::whole).
    TimedOut,
}

/// The result of checking a child's deadlines.
pub(super) enum Deadline {
    /// No deadline has passed. Contains the next deadline, if any.
    Next(Option<Instant>),
    /// SIGKILL was sent to a group whose leader had already exited, so the child can be reaped.
    Reap,
}

impl ChildEntry {
    /// Creates the entry for a running child to which a [`ChildHandle`](super::source::ChildHandle) refers. `until` is
    /// the time at which the child will be terminated.
    pub(super) fn new(
        child: Child,
        pidfd: OwnedFd,
        stderr: Option<Receiver>,
        label: ChildLabel,
        until: Option<Instant>,
    ) -> ChildEntry {
        let (lines, phase) = (StderrLines::default(), ChildPhase::Running(until));
        ChildEntry { child, pidfd, stderr, lines, label, has_handle: true, phase }
    }

    pub(super) fn state(&self) -> ChildState {
        match self.phase {
            ChildPhase::Terminating { timed_out: true, .. }
            | ChildPhase::Killed { timed_out: true }
            | ChildPhase::Reaped { timed_out: true } => ChildState::TimedOut,
            ChildPhase::Reaped { timed_out: false } => ChildState::Ended,
            ChildPhase::Running(_) | ChildPhase::Terminating { .. } | ChildPhase::Killed { .. } => ChildState::Running,
        }
    }

    /// The process ID of the child. `None` once the child has been reaped, because the kernel may then reuse the ID for
    /// another process.
    pub(super) fn pid(&self) -> Option<Pid> {
        (!self.is_reaped()).then(|| Pid::from_child(&self.child))
    }

    pub(super) fn is_reaped(&self) -> bool {
        matches!(self.phase, ChildPhase::Reaped { .. })
    }

    /// True if the child was sent SIGTERM and has exited, but the rest of its process group has not been sent SIGKILL
    /// yet.
    pub(super) fn leader_exited(&self) -> bool {
        matches!(self.phase, ChildPhase::Terminating { leader_exited: true, .. })
    }

    /// Sends SIGTERM to the process group of a running child and logs the reason.
    pub(super) fn terminate(&mut self, reason: &str, timed_out: bool, log: &mut LogLines) {
        if let ChildPhase::Running(_) = self.phase {
            self.phase = ChildPhase::Terminating { timed_out, kill_at: None, leader_exited: false };
            send_signal(&self.child, Signal::TERM);
            log.push((self.label.client, format!("CGI script terminated ({reason}): {}", self.label.name)));
        }
    }

    /// Sends SIGKILL to the process group of a child that was sent SIGTERM. Returns true if the child itself has
    /// already exited, so that it can be reaped.
    pub(super) fn kill(&mut self) -> bool {
        let ChildPhase::Terminating { timed_out, leader_exited, .. } = self.phase else { return false };
        send_signal(&self.child, Signal::KILL);
        self.phase = ChildPhase::Killed { timed_out };
        leader_exited
    }

    /// Handles the exit of the child. Returns true if it can be reaped.
    ///
    /// A child that was sent SIGTERM is reaped only after its process group has been sent SIGKILL. The kernel does not
    /// reuse the process ID before the child is reaped, so the signal cannot reach another process.
    pub(super) fn handle_exit(&mut self, now: Instant) -> bool {
        let ChildPhase::Terminating { kill_at, leader_exited, .. } = &mut self.phase else { return true };
        *leader_exited = true;
        // The rest of the group was sent SIGTERM too, and should not need much longer to exit.
        let soon = now + STRAGGLER_WAIT;
        *kill_at = Some(kill_at.map_or(soon, |kill_at| kill_at.min(soon)));
        false
    }

    /// Sends the next signal to the process group if it is due. `kill_after` is the time from SIGTERM to SIGKILL.
    pub(super) fn check_time(&mut self, now: Instant, kill_after: Duration, log: &mut LogLines) -> Deadline {
        if let ChildPhase::Running(Some(until)) = self.phase
            && until <= now
        {
            // The connection reads this state to detect that the script has timed out.
            self.label.wake.wake();
            self.terminate("time limit passed", true, log);
        }
        match &mut self.phase {
            ChildPhase::Running(until) => Deadline::Next(*until),
            ChildPhase::Terminating { kill_at: Some(kill_at), .. } if *kill_at <= now => match self.kill() {
                true => Deadline::Reap,
                false => Deadline::Next(None),
            },
            // SIGTERM was sent in this turn, so the time until SIGKILL is measured from now.
            ChildPhase::Terminating { kill_at, .. } => Deadline::Next(Some(*kill_at.get_or_insert(now + kill_after))),
            ChildPhase::Killed { .. } | ChildPhase::Reaped { .. } => Deadline::Next(None),
        }
    }

    /// Reaps the child. Logs the rest of its standard error. Also logs its exit status, unless the server has
    /// terminated the child. Returns false if the child has not exited.
    pub(super) fn reap(&mut self, log: &mut LogLines) -> bool {
        let Ok(Some(status)) = self.child.try_wait() else { return false };
        // One call reads as much as a pipe holds by default. Reading until EOF might never finish, because a process
        // that the child left behind can keep writing.
        self.read_stderr(log);
        self.stderr = None;
        self.lines.finish(|line| log.push((self.label.client, format!("{}: {line}", self.label.name))));
        let timed_out = match self.phase {
            // If the server itself has terminated the child, the exit status says nothing about the script, so it is
            // not logged.
            ChildPhase::Running(_) => {
                let text = describe_exit(status);
                log.extend(text.map(|text| (self.label.client, format!("{text}: {}", self.label.name))));
                false
            }
            ChildPhase::Terminating { timed_out, .. }
            | ChildPhase::Killed { timed_out }
            | ChildPhase::Reaped { timed_out } => timed_out,
        };
        self.phase = ChildPhase::Reaped { timed_out };
        true
    }

    /// Reads standard error, up to [`STDERR_PER_TURN`] bytes. Returns true if this limit was reached, so that more may
    /// be left.
    pub(super) fn read_stderr(&mut self, log: &mut LogLines) -> bool {
        let Some(stderr) = &mut self.stderr else { return false };
        let (mut buffer, mut left) = ([0; STDERR_READ], STDERR_PER_TURN);
        while left > 0 {
            let room = left.min(buffer.len());
            match stderr.read(&mut buffer[..room]) {
                Ok(0) => {
                    self.stderr = None;
                    return false;
                }
                Ok(count) => {
                    left -= count;
                    let label = &self.label;
                    let note = |line: &str| log.push((label.client, format!("{}: {line}", label.name)));
                    self.lines.feed(&buffer[..count], note);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The pipe is empty. The poll reports when more bytes arrive.
                Err(_) => return false,
            }
        }
        true
    }
}

/// Sends a signal to a child's process group. Errors are ignored. An error means that no process of the group is left,
/// or that the server is not permitted to signal any of them.
pub(super) fn send_signal(child: &Child, signal: Signal) {
    _ = kill_process_group(Pid::from_child(child), signal);
}

/// The log line for a child that exited with a non-zero status or was killed by a signal; `None` if it succeeded. The
/// wording for an exit status is Python's.
fn describe_exit(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("CGI script exit code {code}")),
        (None, signal) => Some(format!("CGI script killed by signal {}", signal.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use rustix::process::{PidfdFlags, pidfd_open};

    use super::*;

    const KILL_AFTER: Duration = Duration::from_secs(2);

    /// An entry whose child sleeps until a signal ends it.
    fn entry() -> ChildEntry {
        let child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
        let label = ChildLabel { client: SocketAddr::from(([0; 4], 0)), name: String::new(), wake: Waker::new(|| {}) };
        ChildEntry::new(child, pidfd, None, label, None)
    }

    /// The next deadline as of `now`. The outer `None` means that the child can be reaped.
    fn next(entry: &mut ChildEntry, now: Instant) -> Option<Option<Instant>> {
        match entry.check_time(now, KILL_AFTER, &mut LogLines::new()) {
            Deadline::Next(next) => Some(next),
            Deadline::Reap => None,
        }
    }

    #[test]
    fn a_group_is_killed_after_its_time_or_a_moment_after_its_leader_has_exited() {
        let (mut entry, now) = (entry(), Instant::now());
        assert_eq!((next(&mut entry, now), entry.leader_exited()), (Some(None), false));
        entry.terminate("a test", false, &mut LogLines::new());
        assert_eq!((next(&mut entry, now), entry.leader_exited()), (Some(Some(now + KILL_AFTER)), false));
        assert!(!entry.handle_exit(now) && entry.leader_exited(), "the rest of the group is still to be killed");
        let soon = now + STRAGGLER_WAIT;
        assert_eq!(next(&mut entry, now), Some(Some(soon)));
        assert_eq!(next(&mut entry, soon), None);
        entry.child.wait().unwrap();
    }

    #[test]
    fn a_child_has_a_process_id_until_it_is_reaped() {
        let mut entry = entry();
        assert_eq!(entry.pid(), Some(Pid::from_child(&entry.child)));
        assert!(!entry.reap(&mut LogLines::new()), "it runs");
        entry.child.kill().unwrap();
        entry.child.wait().unwrap();
        assert!(entry.reap(&mut LogLines::new()));
        assert_eq!(entry.pid(), None);
    }
}
