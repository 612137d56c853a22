//! Runs the loop for one or several servers, and combines their acceptors, limits and hooks. The servers contribute the
//! protocols and the logs in the form of sessions and hooks.

mod periodic;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Poll;

use crate::observer::{LoopObserver, Unobserved};
#[cfg(unix)]
use crate::reactor::InputEnd;
use crate::reactor::{
    Acceptor, Lifetime, Mailbox, Reactor, RunEnd, RunLimits, RunMode, SignalAction, Signals, StopFlag, Stopper,
    TurnHooks,
};
use crate::session::TurnClock;
pub(crate) use periodic::Periodic;

/// Several servers on one loop and one thread: HTTP servers, and raw servers for TCP, UDP and Unix sockets.
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
/// servers.serve_forever()?; // until another thread or a handler calls stopper.stop()
/// # Ok(()) }
/// ```
#[must_use = "a loop serves nothing until it runs"]
pub struct EventLoop {
    core: LoopCore,
    members: Vec<Box<dyn LoopMember>>,
    periodic: Periodic,
}

impl EventLoop {
    /// Creates a loop that has no servers yet.
    ///
    /// # Errors
    /// Returns an error if the system cannot create the poll.
    pub fn new() -> io::Result<EventLoop> {
        Ok(EventLoop { core: LoopCore::new()?, members: Vec::new(), periodic: Periodic::default() })
    }

    /// Adds a server. The server keeps its address, its handlers, its log and its callbacks, such as
    /// [`service_actions`](crate::HttpServer::service_actions), [`every`](crate::HttpServer::every) and
    /// [`on_reload`](crate::HttpServer::on_reload). The loop handles the signals of the first added server that has
    /// any, unless signals were set for the loop itself. The server's own [`Stopper`] and its
    /// [`lifetime`](crate::HttpServer::lifetime) do not stop the loop.
    ///
    /// The loop has one limit for the connections of all servers together: the smallest
    /// [`connections`](crate::Limits::connections), so that no server exceeds its own limit. When the loop drains, it
    /// waits for the longest [`grace`](crate::Limits::grace), so that no response is cut short earlier than its server
    /// allows. For a server that does not speak HTTP, this time is 5 seconds.
    pub fn add(&mut self, server: impl LoopMember + 'static) {
        let mut server = server;
        if let Some(signals) = server.take_signals() {
            self.core.signals.get_or_insert(signals);
        }
        self.members.push(Box::new(server));
    }

    /// Calls `work` once per `interval` while the loop runs, like [`HttpServer::every`](crate::HttpServer::every).
    pub fn every(&mut self, interval: Duration, work: impl FnMut() + Send + 'static) {
        self.periodic.add(interval, work);
    }

    /// Registers an action for each signal in `actions`. The loop performs the action if the signal arrives during a
    /// run.
    ///
    /// # Errors
    /// Returns an error if a handler for one of the signals cannot be installed.
    pub fn stop_on_signals(&mut self, actions: &[(i32, SignalAction)]) -> io::Result<()> {
        self.core.stop_on_signals(actions)
    }

    /// Turns off the logs of servers for which the program has not set a log.
    pub(crate) fn quieten(&mut self) {
        self.members.iter_mut().for_each(|member| member.quieten());
    }

    /// Makes SIGINT and SIGTERM end the loop in the way that
    /// [`HttpServer::stop_on_termination`](crate::HttpServer::stop_on_termination) describes.
    ///
    /// # Errors
    /// Returns an error if a handler for one of the signals cannot be installed.
    pub fn stop_on_termination(&mut self) -> io::Result<()> {
        self.core.stop_on_termination()
    }

    /// A handle through which another thread or a handler can stop the loop.
    pub fn stopper(&self) -> Stopper {
        self.core.stopper()
    }

    /// Runs all servers until a [`Stopper`] or a signal stops the loop.
    ///
    /// # Errors
    /// Returns an error if the operating system's selector fails. Clients cannot cause this error.
    pub fn serve_forever(&mut self) -> io::Result<Stopped> {
        let mut registrations: Vec<_> = self.members.iter_mut().map(|member| member.register()).collect();
        registrations.push(Registration::new(Vec::new(), periodic::PeriodicHooks(&mut self.periodic)));
        self.core.serve_forever(registrations)
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventLoop of {} servers", self.members.len())
    }
}

/// A server that can be added to an [`EventLoop`]. The servers of this crate implement it.
pub trait LoopMember: Send {
    /// Returns the acceptors and hooks of this server for one run.
    #[doc(hidden)]
    fn register(&mut self) -> Registration<'_>;

    /// Takes the server's signal handlers, so that the loop can use them. `None` if the server has none.
    #[doc(hidden)]
    fn take_signals(&mut self) -> Option<Signals>;

    /// Turns off the log of this server, unless the program has set one.
    #[doc(hidden)]
    fn quieten(&mut self);
}

/// One server's acceptors and hooks, borrowed for one run of the loop.
pub struct Registration<'s> {
    acceptors: Vec<Acceptor<'s>>,
    hooks: Box<dyn TurnHooks + 's>,
}

impl<'s> Registration<'s> {
    pub(crate) fn new(acceptors: Vec<Acceptor<'s>>, hooks: impl TurnHooks + 's) -> Registration<'s> {
        Registration { acceptors, hooks: Box::new(hooks) }
    }

    /// Combines the acceptors and hooks of two servers for a run on one loop.
    pub(crate) fn and(mut self, other: Registration<'s>) -> Registration<'s> {
        self.acceptors.extend(other.acceptors);
        Registration { acceptors: self.acceptors, hooks: Box::new(AllHooks(vec![self.hooks, other.hooks])) }
    }
}

impl fmt::Debug for Registration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration of {} acceptors", self.acceptors.len())
    }
}

/// The reason why [`HttpServer::serve_forever`](crate::HttpServer::serve_forever) returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stopped {
    /// A [`Stopper`] stopped the server, or the input that is watched for EOF has ended.
    ByStopper,
    /// This signal stopped the server; see [`HttpServer::stop_on_signals`](crate::HttpServer::stop_on_signals).
    BySignal(i32),
    /// A time limit that was set with [`HttpServer::lifetime`](crate::HttpServer::lifetime) has passed.
    ByLifetime,
}

/// The outcome of [`HttpServer::handle_request`](crate::HttpServer::handle_request).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Served {
    /// A connection was accepted, its first request was served, and the connection has ended.
    Request,
    /// [`HttpServer::verify_request`](crate::HttpServer::verify_request) refused a connection.
    Refused,
    /// No connection arrived in time. Python calls `handle_timeout` in this case.
    TimedOut,
    /// A [`Stopper`] or a signal ended the wait.
    Stopped,
}

/// The parts of a server or an [`EventLoop`] that outlive a run, so that another run can follow: the poll, the stop
/// flag, the signals and the lifetime.
pub(crate) struct LoopCore {
    poll: Poll,
    stop: Arc<StopFlag>,
    signals: Option<Signals>,
    lifetime: Lifetime,
    #[cfg(unix)]
    input_end: Option<InputEnd>,
    /// The number of responses that were cut short by the end of the last run.
    cut_responses: usize,
}

impl LoopCore {
    pub(crate) fn new() -> io::Result<LoopCore> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), Mailbox::TOKEN)?;
        // An error is ignored, because waking fails only if the poll has been closed, in which case no loop can be
        // waiting for it.
        let mailbox = Arc::new(Mailbox::new(move || _ = waker.wake()));
        Ok(LoopCore {
            poll,
            stop: Arc::new(StopFlag::new(mailbox)),
            signals: None,
            lifetime: Lifetime::default(),
            #[cfg(unix)]
            input_end: None,
            cut_responses: 0,
        })
    }

    pub(crate) fn stopper(&self) -> Stopper {
        Stopper::new(Arc::clone(&self.stop))
    }

    pub(crate) fn take_signals(&mut self) -> Option<Signals> {
        self.signals.take()
    }

    pub(crate) fn stop_on_signals(&mut self, actions: &[(i32, SignalAction)]) -> io::Result<()> {
        self.signals = Some(Signals::new(actions)?);
        Ok(())
    }

    pub(crate) fn set_lifetime(&mut self, lifetime: Lifetime) {
        self.lifetime = lifetime;
    }

    #[cfg(unix)]
    pub(crate) fn stop_at_end_of(&mut self, input: std::os::fd::OwnedFd) {
        self.input_end = Some(InputEnd::new(input));
    }

    pub(crate) fn cut_responses(&self) -> usize {
        self.cut_responses
    }

    pub(crate) fn stop_on_termination(&mut self) -> io::Result<()> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        self.stop_on_signals(&[(SIGINT, SignalAction::Drain), (SIGTERM, SignalAction::Drain)])
    }

    pub(crate) fn serve_forever<'s>(&'s mut self, registrations: Vec<Registration<'s>>) -> io::Result<Stopped> {
        self.serve_forever_observed(registrations, Unobserved)
    }

    pub(crate) fn serve_forever_observed<'s>(
        &'s mut self,
        registrations: Vec<Registration<'s>>,
        observer: impl LoopObserver,
    ) -> io::Result<Stopped> {
        match self.run(RunMode::UntilStopped, registrations, observer)? {
            RunEnd::Signal(signal) => Ok(Stopped::BySignal(signal)),
            RunEnd::Expired => Ok(Stopped::ByLifetime),
            _ => Ok(Stopped::ByStopper),
        }
    }

    pub(crate) fn handle_request<'s>(
        &'s mut self,
        timeout: Option<Duration>,
        registration: Registration<'s>,
    ) -> io::Result<Served> {
        self.handle_request_observed(timeout, registration, Unobserved)
    }

    pub(crate) fn handle_request_observed<'s>(
        &'s mut self,
        timeout: Option<Duration>,
        registration: Registration<'s>,
        observer: impl LoopObserver,
    ) -> io::Result<Served> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Ok(match self.run(RunMode::OneSession(deadline), vec![registration], observer)? {
            RunEnd::Served => Served::Request,
            RunEnd::Refused => Served::Refused,
            RunEnd::TimedOut => Served::TimedOut,
            RunEnd::Stopped | RunEnd::Signal(_) | RunEnd::Expired => Served::Stopped,
        })
    }

    fn run<'s>(
        &'s mut self,
        mode: RunMode,
        registrations: Vec<Registration<'s>>,
        observer: impl LoopObserver,
    ) -> io::Result<RunEnd> {
        let _running = self.stop.begin();
        let (mut acceptors, mut hooks) = (Vec::new(), AllHooks(Vec::new()));
        for registration in registrations {
            acceptors.extend(registration.acceptors);
            hooks.0.push(registration.hooks);
        }
        let (limits, signals) = (hooks.limits(), self.signals.as_mut());
        let mut reactor = Reactor::observed(&mut self.poll, &self.stop, signals, acceptors, limits, observer)?;
        reactor.set_lifetime(self.lifetime);
        #[cfg(unix)]
        if let Some(input) = &mut self.input_end {
            reactor.drain_at_end_of(input)?;
        }
        let end = reactor.run(mode, &mut hooks);
        self.cut_responses = reactor.responding();
        // After an immediate stop, some sessions can be left. They are dropped before `after_run` finishes the logs,
        // because dropping a session may write log lines.
        drop(reactor);
        hooks.after_run(mode);
        end
    }
}

/// Combines the hooks of all servers in a run.
pub(crate) struct AllHooks<'s>(pub(crate) Vec<Box<dyn TurnHooks + 's>>);

impl TurnHooks for AllHooks<'_> {
    fn limits(&self) -> RunLimits {
        self.0.iter().map(|hooks| hooks.limits()).reduce(RunLimits::and).unwrap_or_default()
    }

    fn after_turn(&mut self, clock: TurnClock) -> Option<Duration> {
        self.0.iter_mut().filter_map(|hooks| hooks.after_turn(clock)).min()
    }

    fn reload(&mut self) {
        self.0.iter_mut().for_each(|hooks| hooks.reload());
    }

    fn stopping(&mut self) {
        self.0.iter_mut().for_each(|hooks| hooks.stopping());
    }

    fn after_run(&mut self, mode: RunMode) {
        self.0.iter_mut().for_each(|hooks| hooks.after_run(mode));
    }
}
