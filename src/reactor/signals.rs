use std::io;

use signal_hook_mio::v1_0::Signals as Delivery;

/// Signals as readiness of a descriptor: they end a run at the next turn, and interrupt nothing.
pub struct Signals {
    pub(super) delivery: Delivery,
    actions: Vec<(i32, SignalAction)>,
    /// The descriptor was reported ready since it was last looked at.
    pub(super) marked: bool,
}

/// What a signal does to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalAction {
    /// Nobody is let in any more, answers in flight may end within the grace period, then the run ends.
    Drain,
    /// The run ends at once, and all connections with it.
    Stop,
    /// The run goes on; between two turns settings are read again, and the file of a log is opened again.
    Reload,
}

impl Signals {
    /// Takes over these signals of the process, each with what it does.
    ///
    /// # Errors
    /// If the system does not let a signal be handled.
    pub fn new(actions: &[(i32, SignalAction)]) -> io::Result<Signals> {
        let delivery = Delivery::new(actions.iter().map(|(signal, _)| *signal))?;
        Ok(Signals { delivery, actions: actions.to_vec(), marked: true })
    }

    /// A signal that has come and was not looked at yet.
    pub(super) fn next(&mut self) -> Option<(i32, SignalAction)> {
        if !self.marked {
            return None;
        }
        let Some(signal) = self.delivery.pending().next() else {
            self.marked = false;
            return None;
        };
        self.actions.iter().find(|(known, _)| *known == signal).copied()
    }
}
