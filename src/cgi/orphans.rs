//! Reaps orphans: processes left behind by scripts and reparented by the kernel to this process.
//!
//! The kernel reparents an orphan to the nearest child subreaper among its ancestors, and otherwise to PID 1. An orphan
//! that has exited remains a zombie until its new parent waits for it.
//!
//! Children that the server started are not orphans; `reaper` waits for them.
//!
//! Invariant: the exit status of a child that the server started is never consumed here.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use signal_hook::SigId;
use signal_hook::consts::SIGCHLD;
use signal_hook_mio::v1_0::Signals;

/// The maximum number of orphans that are reaped in one turn of the loop.
const PER_TURN: usize = 1000;

/// Reaps orphans when SIGCHLD reports that a child of this process has exited.
pub(super) struct OrphanReaper {
    /// A descriptor that becomes readable after SIGCHLD and thereby wakes the loop.
    signals: Signals,
    /// True if SIGCHLD was delivered since the last call to [`OrphanReaper::reap`], or if that call may have left
    /// orphans unreaped. While this is false, [`OrphanReaper::reap`] makes no system call.
    due: Arc<AtomicBool>,
    registration: SigId,
}

/// True if the kernel reparents orphans to this process, because it is PID 1 or a child subreaper.
pub(super) fn inherits_orphans() -> bool {
    decide(std::process::id(), rustix::process::child_subreaper().is_ok_and(|set| set.is_some()))
}

fn decide(pid: u32, is_subreaper: bool) -> bool {
    pid == 1 || is_subreaper
}

impl OrphanReaper {
    /// Creates a reaper and installs its SIGCHLD handler.
    ///
    /// # Errors
    /// Returns an error if the handler cannot be installed.
    pub(super) fn new() -> io::Result<OrphanReaper> {
        // Orphans may have exited before the handler was installed, so the first call does not depend on a signal.
        let due = Arc::new(AtomicBool::new(true));
        let registration = signal_hook::flag::register(SIGCHLD, Arc::clone(&due))?;
        Ok(OrphanReaper { signals: Signals::new([SIGCHLD])?, due, registration })
    }

    /// Registers the descriptor that becomes readable after SIGCHLD.
    pub(super) fn register(&mut self, registry: &mio::Registry, token: mio::Token) -> io::Result<()> {
        registry.register(&mut self.signals, token, mio::Interest::READABLE)
    }

    /// True if [`OrphanReaper::reap`] must look for orphans that have exited.
    pub(super) fn is_due(&self) -> bool {
        self.due.load(Ordering::Relaxed)
    }

    /// Reaps orphans that have exited, up to [`PER_TURN`]. Returns true if there may be more. `is_own` returns true for
    /// the process ID of a child that the server started and has not reaped.
    pub(super) fn reap(&mut self, is_own: impl Fn(i32) -> bool) -> bool {
        // The flag is cleared first, so that a process that exits during the loop below sets it again.
        if !self.due.swap(false, Ordering::Relaxed) {
            return false;
        }
        self.signals.pending().for_each(drop);
        for _ in 0..PER_TURN {
            // WNOWAIT leaves the exit status in place. If the process is one of the server's own children, the code
            // that started it still needs the status.
            let ended = match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT) {
                Ok(status) => status.pid(),
                Err(Errno::EINTR) => continue,
                Err(_) => None,
            };
            let Some(pid) = ended else { return false };
            if is_own(pid.as_raw()) {
                // Until this child is reaped, `waitid` may report it instead of an orphan. The flag is set again, so
                // that a later turn looks for orphans.
                self.due.store(true, Ordering::Relaxed);
                return false;
            }
            _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        }
        self.due.store(true, Ordering::Relaxed);
        true
    }
}

impl fmt::Debug for OrphanReaper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrphanReaper").field("due", &self.due).finish_non_exhaustive()
    }
}

impl Drop for OrphanReaper {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.registration);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use nix::unistd::Pid;

    use super::*;

    #[test]
    fn only_process_1_and_child_subreapers_inherit_orphans() {
        assert!(decide(1, false) && decide(2, true) && decide(1, true));
        assert!(!decide(2, false));
    }

    #[test]
    fn the_exit_status_of_an_own_child_is_not_taken() {
        let mut orphans = OrphanReaper::new().unwrap();
        let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
        // Waits until the child exits. WNOWAIT leaves the status in place.
        let pid = Pid::from_raw(child.id() as i32);
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
        // Here every child of this process counts as the server's own, including the children of other tests.
        assert!(!orphans.reap(|_| true));
        assert!(orphans.is_due(), "an orphan may be hidden by the own child");
        assert_eq!(child.wait().unwrap().code(), Some(7));
    }
}
