//! The hooks for a server's log. They do not depend on a protocol, so all servers use them.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use crate::log::AccessLog;
use crate::reactor::{RunMode, TurnHooks};
use crate::session::TurnClock;

/// Flushes a log after every turn, reopens it on a reload, and finishes it after the run.
pub(crate) struct LogHooks<'s>(pub(crate) &'s RefCell<AccessLog>);

impl TurnHooks for LogHooks<'_> {
    fn after_turn(&mut self, _: TurnClock) -> Option<Duration> {
        self.0.borrow_mut().flush()
    }

    fn reload(&mut self) {
        let mut log = self.0.borrow_mut();
        if let Err(error) = log.reopen() {
            log.message(None, &format!("cannot open the log again: {error}"), SystemTime::now());
        }
    }

    fn after_run(&mut self, mode: RunMode) {
        let mut log = self.0.borrow_mut();
        match mode {
            RunMode::UntilStopped => log.finish(),
            // A program that calls `handle_request` in a loop flushes the log again later. This flush therefore need
            // not wait for a log destination that cannot take all lines now.
            RunMode::OneSession(_) => _ = log.flush(),
        }
    }
}
