//! Runs a story: one client on a real loop, whose clock only the script and the recorder move.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serve_forever::Stopper;
use serve_forever::http::Request;
use serve_forever::reactor::{Acceptor, Reactor, RunLimits, RunMode, StopFlag};
use serve_forever::service::{Reply, Service};
use serve_forever::trace::{Explain, Recorder};
use serve_forever::transport::Memory;

use super::common::dialogue::{SECOND, site};
use super::common::network::line::{Line, SharedLine, Weather};
use super::common::network::surroundings::{NoHooks, OtherThread, SharedText};
use super::common::network::{Clock, Event, Listener, Network, NetworkSelector, Script, unencrypted};
use super::common::service::TestService;

/// An action of the client, or of another thread.
#[derive(Debug, Clone)]
pub enum Action {
    Send(String),
    /// The client accepts this number of further bytes. Before the first of these actions, it accepts everything.
    Take(usize),
    End,
    /// Another thread has the result for the handler.
    Work,
    /// A second client connects, and has already sent a request.
    Second(String),
    /// The server begins to drain.
    Stop,
}

/// The outcome of a story.
pub struct Told {
    pub trace: String,
    pub sentences: String,
}

/// The script of a story: each action with its time.
struct Story {
    line: SharedLine,
    actions: VecDeque<(Duration, Action)>,
    thread: OtherThread,
    stopper: Stopper,
}

impl Story {
    fn play(&mut self, network: &mut Network, action: Action) {
        let mut line = self.line.borrow_mut();
        match action {
            Action::Send(text) => line.arrive(text.as_bytes()),
            Action::Take(bytes) => line.open_window(bytes),
            Action::End => line.end(),
            Action::Work => self.thread.work(),
            Action::Second(text) => network.connect(calm_line(&text)),
            Action::Stop => self.stopper.stop(),
        }
    }

    /// Plays the actions that are due at this time.
    fn play_until(&mut self, network: &mut Network, time: Duration) {
        while self.actions.front().is_some_and(|(at, _)| *at <= time) {
            let (_, action) = self.actions.pop_front().unwrap();
            self.play(network, action);
        }
    }
}

impl Script for Story {
    fn sleep(&mut self, network: &mut Network, timeout: Option<Duration>) -> io::Result<Vec<Event>> {
        let end = timeout.map(|timeout| network.clock.elapsed() + timeout);
        loop {
            let events = network.take_events();
            if !events.is_empty() {
                return Ok(events);
            }
            let next = self.actions.front().map(|(at, _)| *at);
            match (next.into_iter().chain(end).min(), next) {
                (Some(time), next) => {
                    network.clock.pass_until(time);
                    if next != Some(time) {
                        return Ok(events);
                    }
                    self.play_until(network, time);
                }
                // The story is over, and nothing else will end the sleep.
                (None, _) => self.stopper.stop(),
            }
        }
    }
}

/// Responds to `/woken` when another thread has the result, and to everything else as [`TestService`].
struct StoryService(OtherThread);

impl Service for StoryService {
    fn call(&self, request: &Request) -> Reply {
        match request.path() {
            b"/woken" => Reply::Later(Box::new(self.0.upstream())),
            _ => TestService.call(request),
        }
    }
}

/// A connection whose client has sent this text.
fn calm_line(text: &str) -> SharedLine {
    let line = Line::new(Memory { short_read_is_all: true, ..Memory::default() }, Weather::calm());
    line.borrow_mut().arrive(text.as_bytes());
    line
}

/// Plays the actions, and returns the trace and the sentences.
pub fn tell(actions: Vec<(Duration, Action)>) -> Told {
    let clock = Clock::new();
    let (trace, sentences) = (SharedText::default(), SharedText::default());
    let readings = clock.clone();
    let mut recorder = Recorder::with_clock(move || readings.read());
    recorder.trace_to(trace.clone());
    recorder.explain_to(Explain::All, sentences.clone());
    recorder.begin_run(&["192.0.2.80:80".parse().unwrap()], UNIX_EPOCH + Duration::from_secs(SECOND));
    let recorder = RefCell::new(recorder);
    let thread = OtherThread::default();
    let state = site(StoryService(thread.clone()));
    let (mut network, mailbox) = Network::new(clock);
    let stop = Arc::new(StopFlag::new(mailbox));
    let line = calm_line("");
    let stopper = Stopper::new(Arc::clone(&stop));
    let mut story = Story { line: Rc::clone(&line), actions: actions.into(), thread, stopper };
    // These actions precede the acceptance of the connection.
    story.play_until(&mut network, Duration::ZERO);
    network.connect(line);
    let backlog = Rc::clone(&network.backlog);
    let mut selector = NetworkSelector::new(network, story);
    let acceptor =
        Acceptor::new(Listener { state: &state, recorder: Some(&recorder), backlog, make_transport: &unencrypted });
    let limits = RunLimits { sessions: Some(10), ..RunLimits::default() };
    let mut reactor = Reactor::observed(&mut selector, &stop, None, vec![acceptor], limits, &recorder).unwrap();
    reactor.run(RunMode::UntilStopped, &mut NoHooks).unwrap();
    drop(reactor);
    // A release changes the version, but must not change the story.
    let version = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    Told { trace: trace.text().replace(&version, "\"version\":\"0.0.0\""), sentences: sentences.text() }
}
