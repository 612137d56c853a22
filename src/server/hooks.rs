//! The hooks of an HTTP server, which the loop calls between turns. They run the pending work of the service and the
//! log, and call the program's callbacks.

use std::time::{Duration, SystemTime};

use super::reload::{OnReload, Reload};
use crate::connection::ServerState;
use crate::event_loop::Periodic;
use crate::log_hooks::LogHooks;
use crate::reactor::{RunLimits, RunMode, TurnHooks};
use crate::session::TurnClock;
#[cfg(feature = "harness")]
use crate::statistics::Statistics;

pub(super) struct HttpHooks<'s> {
    state: &'s ServerState,
    log: LogHooks<'s>,
    callbacks: Callbacks<'s>,
}

/// The callbacks that a program has set for a server.
#[derive(Default)]
pub(super) struct Callbacks<'s> {
    pub(super) service_actions: Option<&'s mut (dyn FnMut() + Send + 'static)>,
    pub(super) poll_interval: Option<Duration>,
    pub(super) on_reload: Option<&'s mut OnReload>,
    pub(super) periodic: Option<&'s mut Periodic>,
    pub(super) on_stopping: Option<&'s mut (dyn FnMut() + Send + 'static)>,
}

impl<'s> HttpHooks<'s> {
    pub(super) fn new(state: &'s ServerState, callbacks: Callbacks<'s>) -> HttpHooks<'s> {
        HttpHooks { state, log: LogHooks(&state.log), callbacks }
    }
}

impl TurnHooks for HttpHooks<'_> {
    fn limits(&self) -> RunLimits {
        let limits = self.state.limits();
        RunLimits {
            sessions: limits.connections,
            short: limits.short,
            grace: limits.grace,
            handshakes: limits.handshakes,
        }
    }

    fn after_turn(&mut self, clock: TurnClock) -> Option<Duration> {
        let mut write_line = |peer, text: &str| self.state.log.borrow_mut().message(peer, text, clock.wall);
        let service = self.state.with_service(|service| service.after_turn(clock.now, &mut write_line));
        let log = self.log.after_turn(clock);
        // The callbacks come after the service and the log, so that the work of the turn has already been done:
        // children have been reaped and log lines have been written.
        if let Some(actions) = &mut self.callbacks.service_actions {
            actions();
        }
        let periodic = self.callbacks.periodic.as_mut().and_then(|periodic| periodic.run(clock.now));
        [service, log, self.callbacks.poll_interval, periodic].into_iter().flatten().min()
    }

    fn reload(&mut self) {
        // The callback comes before the log, because it may set another log.
        if let Some(on_reload) = &mut self.callbacks.on_reload {
            on_reload(&Reload::new(self.state));
        }
        self.log.reload();
    }

    fn stopping(&mut self) {
        if let Some(on_stopping) = &mut self.callbacks.on_stopping {
            on_stopping();
        }
    }

    fn after_run(&mut self, mode: RunMode) {
        let mut write_line = |peer, text: &str| self.state.log.borrow_mut().message(peer, text, SystemTime::now());
        self.state.with_service(|service| service.after_run(&mut write_line));
        // The log is finished last, because the service writes to it.
        self.log.after_run(mode);
    }
}

/// The hooks of a server that has counters. They also copy the numbers of dropped log lines and injected faults to the
/// counters.
#[cfg(feature = "harness")]
pub(super) struct MeteredHooks<'s> {
    pub(super) hooks: HttpHooks<'s>,
    pub(super) statistics: &'s Statistics,
}

#[cfg(feature = "harness")]
impl TurnHooks for MeteredHooks<'_> {
    fn limits(&self) -> RunLimits {
        self.hooks.limits()
    }

    fn after_turn(&mut self, clock: TurnClock) -> Option<Duration> {
        let longest = self.hooks.after_turn(clock);
        self.tell();
        longest
    }

    fn reload(&mut self) {
        self.hooks.reload();
    }

    fn stopping(&mut self) {
        self.hooks.stopping();
    }

    fn after_run(&mut self, mode: RunMode) {
        self.hooks.after_run(mode);
        self.tell();
    }
}

#[cfg(feature = "harness")]
impl MeteredHooks<'_> {
    fn tell(&self) {
        let state = self.hooks.state;
        self.statistics.note_log_dropped(state.log.borrow().dropped());
        self.statistics.note_faults(state.faults());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::event_loop::AllHooks;
    use crate::http::Request;
    use crate::limits::Limits;
    use crate::log::AccessLog;
    use crate::service::Response;

    /// Returns the limits of a loop that runs HTTP servers with these limits, added in either order, and also a raw
    /// server if `raw` is true. The three numbers are the maximum number of sessions, the number of sessions above
    /// which stalled sessions are closed (see [`Limits::short`]), and the grace period in seconds.
    fn limits_of(http: &[Limits], raw: bool) -> (usize, usize, u64) {
        let log = RefCell::new(AccessLog::off());
        let state = |limits: &Limits| {
            let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
            let state = ServerState::new(|_: &Request| Response::text(""), local);
            state.set_limits(limits.clone());
            state
        };
        let states: Vec<ServerState> = http.iter().map(state).collect();
        let mut all = AllHooks(Vec::new());
        for state in &states {
            all.0.push(Box::new(HttpHooks::new(state, Callbacks::default())));
        }
        if raw {
            all.0.push(Box::new(LogHooks(&log)));
        }
        let limits = all.limits();
        all.0.reverse();
        assert_eq!(all.limits(), limits, "the order of the servers does not matter");
        (limits.capacity().most, limits.capacity().short, limits.grace.as_secs())
    }

    #[test]
    fn an_event_loop_calls_the_callbacks_of_its_servers_and_its_own() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU32, Ordering};

        let counts: Vec<Arc<AtomicU32>> = (0..3).map(|_| Arc::default()).collect();
        let counter = |at: usize| {
            let count = Arc::clone(&counts[at]);
            move || _ = count.fetch_add(1, Ordering::Relaxed)
        };
        let server = crate::HttpServer::bind("127.0.0.1:0").unwrap().log(AccessLog::off());
        let server = server.service_actions(counter(0)).every(Duration::from_millis(1), counter(1));
        let mut servers = crate::EventLoop::new().unwrap();
        let (stopper, counted) = (servers.stopper(), counts.clone());
        servers.add(server);
        servers.every(Duration::from_millis(1), counter(2));
        servers.every(Duration::from_millis(1), move || {
            if counted.iter().all(|count| count.load(Ordering::Relaxed) > 2) {
                stopper.stop();
            }
        });
        servers.serve_forever().unwrap();
    }

    #[test]
    fn several_servers_have_the_tightest_cap_and_the_longest_grace() {
        let limits = |connections, short, grace| Limits {
            connections,
            short,
            grace: Duration::from_secs(grace),
            ..Limits::default()
        };
        let room = crate::listen::descriptor_capacity();
        assert_eq!(limits_of(&[limits(Some(100), 50, 1), limits(Some(10), 100, 20)], false), (10, 5, 20));
        assert_eq!(limits_of(&[limits(Some(10), 100, 20), limits(None, 30, 1)], false), (10, 3, 20));
        assert_eq!(limits_of(&[limits(None, 100, 1), limits(None, 100, 3)], false), (room, room, 3));
        let (most, _, grace) = limits_of(&[limits(Some(10), 100, 1)], true);
        assert_eq!((most, grace), (10, 5), "a raw server has its own grace, and no limit for connections");
        assert_eq!(limits_of(&[limits(Some(10), 100, 20)], true).2, 20);
    }
}
