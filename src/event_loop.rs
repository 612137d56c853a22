//! One loop for one server or several: what HTTP and raw servers have in common below what they speak.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mio::Poll;

use crate::connection::ServerState;
use crate::log::AccessLog;
use crate::reactor::{
    Acceptor, Capacity, Mailbox, Reactor, RunEnd, RunLimits, RunMode, SignalAction, Signals, StopFlag, Stopper,
    TurnHooks,
};
use crate::session::TurnClock;

/// Several servers, HTTP and raw, TCP, UDP and Unix, on one loop and one thread.
///
/// ```
/// use serve_forever::http::Request;
/// use serve_forever::service::Response;
/// use serve_forever::socketserver::{DatagramRequest, DatagramRequestHandler, UdpServer};
/// use serve_forever::{EventLoop, HttpServer};
///
/// struct Ignore;
/// impl DatagramRequestHandler for Ignore {
///     fn handle(&mut self, _: &mut DatagramRequest<'_>) -> std::io::Result<()> {
///         Ok(())
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let mut servers = EventLoop::new()?;
/// servers.add(HttpServer::bind("127.0.0.1:0")?.service(|_: &Request| Response::text("hello")));
/// servers.add(UdpServer::bind("127.0.0.1:0")?.handler(|| Ignore));
/// let stopper = servers.stopper();
/// # stopper.stop();
/// servers.serve_forever()?; // until somebody calls stopper.stop()
/// # Ok(()) }
/// ```
pub struct EventLoop {
    core: LoopCore,
    parts: Vec<Box<dyn LoopMember>>,
}

impl EventLoop {
    /// A loop without servers.
    ///
    /// # Errors
    /// If the system has no descriptors for it.
    pub fn new() -> io::Result<EventLoop> {
        Ok(EventLoop { core: LoopCore::new()?, parts: Vec::new() })
    }

    /// Adds a server, which keeps its address, its handlers and its log. What stops it by itself does not stop the loop,
    /// and its hooks are not called.
    ///
    /// The loop has one bound for the connections of all its servers: the tightest
    /// [`connections`](crate::Limits::connections) of them, so that none has more than it allows. Once the end was
    /// asked for, it waits for the longest [`grace`](crate::Limits::grace), so that nothing in flight is cut
    /// sooner than its server allows; a server that does not speak HTTP allows 5 seconds.
    pub fn add(&mut self, server: impl LoopMember + 'static) {
        self.parts.push(Box::new(server));
    }

    /// Has SIGINT and SIGTERM end the loop as [`HttpServer::stop_on_termination`](crate::HttpServer::stop_on_termination)
    /// does.
    ///
    /// # Errors
    /// If the system does not let one of them be handled.
    pub fn stop_on_termination(&mut self) -> io::Result<()> {
        self.core.stop_on_termination()
    }

    /// What stops the loop from elsewhere.
    pub fn stopper(&self) -> Stopper {
        self.core.stopper()
    }

    /// Serves on all of them until a [`Stopper`] or a signal asks for the end.
    ///
    /// # Errors
    /// If the system's selector fails. Whatever clients do is no error.
    pub fn serve_forever(&mut self) -> io::Result<Stopped> {
        let parts = self.parts.iter_mut().map(|part| part.open(false)).collect();
        self.core.serve_forever(parts, Actions::default())
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventLoop of {} servers", self.parts.len())
    }
}

/// A server that can share a loop: those of this crate.
pub trait LoopMember: Send {
    /// What the loop needs of it for one run. `once`: only one newcomer will be served.
    #[doc(hidden)]
    fn open(&mut self, once: bool) -> Registration<'_>;
}

/// What a loop needs of a server for one run.
pub struct Registration<'s> {
    pub(crate) acceptors: Vec<Acceptor<'s>>,
    pub(crate) log: &'s RefCell<AccessLog>,
    /// Whose service is told about the turns and the end of a run, and whose limits bound it, if it is an HTTP server.
    pub(crate) site: Option<&'s ServerState>,
}

impl<'s> Registration<'s> {
    /// What a loop needs of a server that does not speak HTTP: one way in.
    pub(crate) fn raw(acceptor: Acceptor<'s>, log: &'s RefCell<AccessLog>) -> Registration<'s> {
        Registration { acceptors: vec![acceptor], log, site: None }
    }
}

impl fmt::Debug for Registration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration with {} acceptors", self.acceptors.len())
    }
}

/// Why [`HttpServer::serve_forever`](crate::HttpServer::serve_forever) returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// A [`Stopper`] asked for it.
    ByStopper,
    /// A signal asked for it that was handed to [`HttpServer::stop_on_signals`](crate::HttpServer::stop_on_signals); holds its number.
    BySignal(i32),
}

/// What [`HttpServer::handle_request`](crate::HttpServer::handle_request) has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// A connection came, and its first request was answered.
    Request,
    /// A connection came, and [`HttpServer::verify_request`](crate::HttpServer::verify_request) did not want it.
    Refused,
    /// No connection came in time. Python's `handle_timeout` (contract row SS08).
    TimedOut,
    /// A [`Stopper`] or a signal ended the wait.
    Stopped,
}

/// A poll, and how a run on it is ended.
pub(crate) struct LoopCore {
    poll: Poll,
    mailbox: Arc<Mailbox>,
    stop: Arc<StopFlag>,
    signals: Option<Signals>,
}

impl LoopCore {
    pub(crate) fn new() -> io::Result<LoopCore> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), Mailbox::TOKEN)?;
        // It fails only if the poll is gone, and then there is nothing to wake.
        let mailbox = Arc::new(Mailbox::new(move || _ = waker.wake()));
        Ok(LoopCore { poll, stop: Arc::new(StopFlag::new(Arc::clone(&mailbox))), mailbox, signals: None })
    }

    pub(crate) fn stopper(&self) -> Stopper {
        Stopper::new(Arc::clone(&self.stop))
    }

    pub(crate) fn stop_on_signals(&mut self, actions: &[(i32, SignalAction)]) -> io::Result<()> {
        self.signals = Some(Signals::new(actions)?);
        Ok(())
    }

    pub(crate) fn stop_on_termination(&mut self) -> io::Result<()> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        self.stop_on_signals(&[(SIGINT, SignalAction::Drain), (SIGTERM, SignalAction::Drain)])
    }

    pub(crate) fn serve_forever<'s>(
        &'s mut self,
        parts: Vec<Registration<'s>>,
        actions: Actions<'_>,
    ) -> io::Result<Stopped> {
        match self.run(RunMode::UntilStopped, parts, actions)? {
            RunEnd::Signal(signal) => Ok(Stopped::BySignal(signal)),
            _ => Ok(Stopped::ByStopper),
        }
    }

    pub(crate) fn handle_request<'s>(
        &'s mut self,
        timeout: Option<Duration>,
        part: Registration<'s>,
        actions: Actions<'_>,
    ) -> io::Result<Served> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Ok(match self.run(RunMode::OneSession(deadline), vec![part], actions)? {
            RunEnd::Served => Served::Request,
            RunEnd::Refused => Served::Refused,
            RunEnd::TimedOut => Served::TimedOut,
            RunEnd::Stopped | RunEnd::Signal(_) => Served::Stopped,
        })
    }

    fn run<'s>(&'s mut self, until: RunMode, parts: Vec<Registration<'s>>, actions: Actions<'_>) -> io::Result<RunEnd> {
        let _running = self.stop.begin();
        let told: Vec<Told<'_>> = parts.iter().map(|part| Told { log: part.log, site: part.site }).collect();
        let RunLimits { capacity, grace } = bounds(&told);
        let acceptors = parts.into_iter().flat_map(|part| part.acceptors).collect();
        let mailbox = Arc::clone(&self.mailbox);
        let mut reactor = Reactor::new(&mut self.poll, mailbox, self.signals.as_mut(), acceptors, capacity)?;
        let ended = reactor.run(&self.stop, until, grace, &mut Between { told: &told, actions });
        // The sessions that are left end here, before the logs are written for the last time.
        drop(reactor);
        told.iter().for_each(|told| told.after_run(until));
        ended
    }
}

/// Who is told about the turns of a loop.
struct Told<'s> {
    log: &'s RefCell<AccessLog>,
    site: Option<&'s ServerState>,
}

/// How long what is in flight may take once the end was asked for, where a server does not speak HTTP.
const RAW_GRACE: Duration = Duration::from_secs(5);

/// The bounds of a run for these servers together: the tightest cap, so that no server has more connections than it
/// allows, and the longest grace, so that no answer is cut sooner than its server allows.
fn bounds(told: &[Told<'_>]) -> RunLimits {
    let limits = || told.iter().map(|told| told.site.map(ServerState::limits));
    let most = limits().filter_map(|limits| limits?.connections).min();
    let most = most.unwrap_or_else(crate::listen::room_for_connections);
    let short = limits().map(|limits| limits.unwrap_or_default().before_short(most)).min().unwrap_or(most);
    let grace = limits().map(|limits| limits.map_or(RAW_GRACE, |limits| limits.grace)).max();
    RunLimits { capacity: Capacity { most, short }, grace: grace.unwrap_or_default() }
}

impl Told<'_> {
    fn after_turn(&self, clock: TurnClock) -> Option<Duration> {
        let mut note = |peer, text: &str| self.log.borrow_mut().message(peer, text, clock.wall);
        let ask = |site: &ServerState| site.with_service(|service| service.after_turn(clock.now, &mut note));
        let service = self.site.and_then(ask);
        self.log.borrow_mut().flush().into_iter().chain(service).min()
    }

    fn after_run(&self, until: RunMode) {
        let mut note = |peer, text: &str| self.log.borrow_mut().message(peer, text, SystemTime::now());
        if let Some(site) = self.site {
            site.with_service(|service| service.after_run(&mut note));
        }
        let mut log = self.log.borrow_mut();
        // Whoever serves one connection after the other comes back to its log.
        match until {
            RunMode::UntilStopped => log.finish(),
            RunMode::OneSession(_) => _ = log.flush(),
        }
    }
}

/// What a program has done between two turns, beside what its servers do.
#[derive(Default)]
pub(crate) struct Actions<'a> {
    /// Called at the end of every turn.
    pub(crate) call: Option<&'a mut (dyn FnMut() + Send + 'static)>,
    /// How often that is to be at least.
    pub(crate) interval: Option<Duration>,
    /// Called when a signal asks for [`SignalAction::Reload`].
    pub(crate) reload: Option<Box<dyn FnMut() + 'a>>,
}

/// What happens between two turns: services do what no client waits for, the program its own, and logs are written.
struct Between<'b> {
    told: &'b [Told<'b>],
    actions: Actions<'b>,
}

impl TurnHooks for Between<'_> {
    fn reload(&mut self) -> Option<RunLimits> {
        if let Some(reload) = &mut self.actions.reload {
            reload();
        }
        for Told { log, .. } in self.told {
            let mut log = log.borrow_mut();
            if let Err(error) = log.reopen() {
                log.message(None, &format!("cannot open the log again: {error}"), SystemTime::now());
            }
        }
        Some(bounds(self.told))
    }

    fn after_turn(&mut self, clock: TurnClock) -> Option<Duration> {
        let soonest = self.told.iter().filter_map(|told| told.after_turn(clock)).min();
        // Last, so that whoever is told sees the turn's work done: children reaped, lines written.
        if let Some(call) = &mut self.actions.call {
            call();
        }
        soonest.into_iter().chain(self.actions.interval).min()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::http::Request;
    use crate::limits::Limits;
    use crate::service::Response;

    /// The bounds of a loop of HTTP servers with these limits, in either order, and a raw server if `raw` says so: the cap,
    /// from how many sessions on room is short, and the grace in seconds.
    fn bounds_of(http: &[Limits], raw: bool) -> (usize, usize, u64) {
        let log = RefCell::new(AccessLog::off());
        let site = |limits: &Limits| {
            let site = ServerState::new(|_: &Request| Response::text(""), SocketAddr::from((Ipv4Addr::LOCALHOST, 80)));
            site.set_limits(limits.clone());
            site
        };
        let sites: Vec<ServerState> = http.iter().map(site).collect();
        let mut told: Vec<_> = sites.iter().map(|site| Told { log: &site.log, site: Some(site) }).collect();
        told.extend(raw.then_some(Told { log: &log, site: None }));
        let bound = bounds(&told);
        told.reverse();
        assert_eq!(bounds(&told), bound, "the order of the servers does not matter");
        (bound.capacity.most, bound.capacity.short, bound.grace.as_secs())
    }

    #[test]
    fn several_servers_have_the_tightest_cap_and_the_longest_grace() {
        let limits = |connections, short, grace| Limits {
            connections,
            short,
            grace: Duration::from_secs(grace),
            ..Limits::default()
        };
        let room = crate::listen::room_for_connections();
        assert_eq!(bounds_of(&[limits(Some(100), 50, 1), limits(Some(10), 100, 20)], false), (10, 5, 20));
        assert_eq!(bounds_of(&[limits(Some(10), 100, 20), limits(None, 30, 1)], false), (10, 3, 20));
        assert_eq!(bounds_of(&[limits(None, 100, 1), limits(None, 100, 3)], false), (room, room, 3));
        let (most, _, grace) = bounds_of(&[limits(Some(10), 100, 1)], true);
        assert_eq!((most, grace), (10, 5), "a raw server has its own grace, and no cap");
        assert_eq!(bounds_of(&[limits(Some(10), 100, 20)], true).2, 20);
    }
}
