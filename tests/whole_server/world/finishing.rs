//! The end of a simulation: after its script, all clients finish, the deadlines pass, and the server stops. The script
//! is in `script.rs`.

use std::time::Duration;

use serve_forever::reactor::SignalAction;

use super::{Phase, SOON, World};
use crate::client::Fate;
use crate::common::network::line::Line;
use crate::common::network::{Event, Network};
use crate::ending::SIGNALS;
use crate::script::{Fault, Happening};

impl World<'_> {
    /// Lets every client send and read what its fate allows.
    fn finish_clients(&mut self, network: &Network) {
        let facts = self.facts(network);
        for number in 0..self.clients.len() {
            let hides_end = self.fault == Some(Fault::HidesTheEnd);
            // A client of TLS sends more after it has accepted the server's part of the handshake.
            if self.clients[number].fate != Fate::StopsReading {
                self.take(network, number, usize::MAX);
            }
            self.clients[number].finish(facts, hides_end);
        }
    }

    /// Checks that every client has its expected responses. The error names the client that has not.
    fn judge(&mut self, network: &Network) -> Result<(), String> {
        if self.ending.closes_connections(network.clock.elapsed()) {
            return Ok(());
        }
        if !self.signals.lock().unwrap().is_empty() {
            return Err("a signal is not read".to_owned());
        }
        for (number, client) in self.clients.iter().enumerate() {
            let is_accepted = client.line.borrow().is_accepted;
            let result = match (is_accepted, self.is_crowded) {
                (false, false) => Err("it was not accepted".to_owned()),
                (false, true) => Ok(()),
                (true, _) => client.judge(),
            };
            result.map_err(|text| format!("client {}: {text}", number + 1))?;
        }
        Ok(())
    }

    /// A sleep after the script. It ends with events, or at its timeout: a loop that needs anything else is not woken.
    pub(super) fn finish(&mut self, network: &mut Network, timeout: Option<Duration>) -> Vec<Event> {
        loop {
            self.finish_clients(network);
            let mut events = self.take_events(network);
            // Some deadlines come before the other thread has worked, and some after. The other server is rarely late.
            let waits = timeout.is_some_and(|timeout| self.may_wait(network, timeout)) && self.random.one_in(2);
            let is_late = waits && self.random.one_in(8);
            if events.is_empty() && !is_late {
                self.other.serve(usize::MAX);
                events = self.take_events(network);
            }
            if events.is_empty() && !waits {
                // The thread works alone, so that no other event wakes the loop instead of a lost wake-up.
                self.parts.work();
                events = self.take_events(network);
            }
            if !events.is_empty() || timeout == Some(Duration::ZERO) || self.failure.is_some() {
                return events;
            }
            let lasts = match self.phase {
                Phase::Playing | Phase::Finishing => timeout.is_some_and(|timeout| timeout < SOON),
                Phase::WaitingForDeadlines => self.has_connections(),
                Phase::Stopping => self.ending.has_begun(),
            };
            if lasts {
                match timeout {
                    Some(timeout) => network.clock.pass_until(network.clock.elapsed() + timeout),
                    None => self.check(Err("the loop sleeps for ever, and has not ended".to_owned())),
                }
                return self.take_events(network);
            }
            self.next_phase(network);
        }
    }

    /// True if the other thread may work after this timeout of the loop. Otherwise it works first, so that no handler waits
    /// for it until the server gives up the request of a client that has closed its side, which the model does not know.
    fn may_wait(&self, network: &Network, timeout: Duration) -> bool {
        let limit = self.state.limits().half_closed_timeout;
        let is_early = network.clock.elapsed() + timeout < limit - SOON;
        timeout < SOON && is_early && matches!(self.phase, Phase::Playing | Phase::Finishing)
    }

    fn has_connections(&self) -> bool {
        let is_open = |line: &Line| line.is_accepted && !line.is_dropped;
        self.clients.iter().any(|client| is_open(&client.line.borrow()))
    }

    /// Some clients connect after the others, and can resume TLS sessions of theirs.
    fn connect_late_clients(&mut self, network: &mut Network) {
        for _ in 0..self.random.below(4) {
            let seed = self.random.next();
            self.happen(network, Happening::Connect { seed }, &mut Vec::new());
        }
    }

    fn next_phase(&mut self, network: &mut Network) {
        self.phase = match self.phase {
            Phase::Playing => {
                if !self.ending.has_begun() {
                    self.connect_late_clients(network);
                }
                Phase::Finishing
            }
            Phase::Finishing => {
                let judged = self.judge(network);
                self.check(judged);
                if self.random.one_in(2) { Phase::WaitingForDeadlines } else { Phase::Stopping }
            }
            Phase::WaitingForDeadlines => Phase::Stopping,
            Phase::Stopping => {
                match self.random.one_in(2) {
                    true => self.signal(network, SIGNALS.len() - 1),
                    false => self.stop(network, SignalAction::Drain),
                }
                Phase::Stopping
            }
        }
    }
}
