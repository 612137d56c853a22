//! The recorder of a server, and the code that starts a run, with a recorder if there is one. Without the `trace`
//! feature, this module contains empty types in place of recorders.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::event_loop::{LoopCore, Registration, Served, Stopped};
#[cfg(feature = "harness")]
use crate::statistics::LoopMeter;

#[cfg(feature = "trace")]
pub(super) use recorded::{Watch, WatchedServer};
#[cfg(not(feature = "trace"))]
pub(super) use unrecorded::{Watch, WatchedServer};

/// The parts of a server that the loop borrows for one run.
pub(super) struct PreparedRun<'s> {
    pub(super) core: &'s mut LoopCore,
    pub(super) registration: Registration<'s>,
    pub(super) watch: Watch<'s>,
    /// The observer that updates the counters of the loop; `None` if the server has no counters.
    #[cfg(feature = "harness")]
    pub(super) meter: Option<LoopMeter>,
}

/// A run is compiled for each combination of observers, so that a server without observers does not pay for them.
#[cfg(feature = "harness")]
impl PreparedRun<'_> {
    pub(super) fn serve_forever(self) -> io::Result<Stopped> {
        let registrations = vec![self.registration];
        match (self.watch.recorder(), self.meter) {
            (Some(recorder), meter) => self.core.serve_forever_observed(registrations, (recorder, meter)),
            (None, Some(meter)) => self.core.serve_forever_observed(registrations, meter),
            (None, None) => self.core.serve_forever(registrations),
        }
    }

    pub(super) fn handle_request(self, timeout: Option<Duration>) -> io::Result<Served> {
        match (self.watch.recorder(), self.meter) {
            (Some(recorder), meter) => self.core.handle_request_observed(timeout, self.registration, (recorder, meter)),
            (None, Some(meter)) => self.core.handle_request_observed(timeout, self.registration, meter),
            (None, None) => self.core.handle_request(timeout, self.registration),
        }
    }
}

#[cfg(not(feature = "harness"))]
impl PreparedRun<'_> {
    pub(super) fn serve_forever(self) -> io::Result<Stopped> {
        let registrations = vec![self.registration];
        match self.watch.recorder() {
            Some(recorder) => self.core.serve_forever_observed(registrations, recorder),
            None => self.core.serve_forever(registrations),
        }
    }

    pub(super) fn handle_request(self, timeout: Option<Duration>) -> io::Result<Served> {
        match self.watch.recorder() {
            Some(recorder) => self.core.handle_request_observed(timeout, self.registration, recorder),
            None => self.core.handle_request(timeout, self.registration),
        }
    }
}

#[cfg(feature = "trace")]
mod recorded {
    use std::cell::RefCell;
    use std::io::Write;
    use std::time::SystemTime;

    use super::{Duration, Instant, SocketAddr};
    use crate::HttpServer;
    use crate::trace::{ConnectionRecorder, Explain, Recorder};

    /// The recorder of a server; `None` if the server is not watched.
    #[derive(Default)]
    pub(in crate::server) struct WatchedServer(Option<Box<RefCell<Recorder>>>);

    impl WatchedServer {
        fn recorder(&mut self) -> &mut Recorder {
            self.0.get_or_insert_default().get_mut()
        }

        /// Begins a run, and records the addresses of its listeners.
        pub(in crate::server) fn begin_run(&self, addresses: &[SocketAddr]) -> Watch<'_> {
            if let Some(recorder) = &self.0 {
                recorder.borrow_mut().begin_run(addresses, SystemTime::now());
            }
            Watch(self.0.as_deref())
        }
    }

    /// The recorder of a run; `None` if the run is not watched.
    #[derive(Clone, Copy, Default)]
    pub(in crate::server) struct Watch<'s>(Option<&'s RefCell<Recorder>>);

    impl<'s> Watch<'s> {
        pub(in crate::server) fn is_on(self) -> bool {
            self.0.is_some()
        }

        pub(in crate::server) fn recorder(self) -> Option<&'s RefCell<Recorder>> {
            self.0
        }

        /// The observer for a connection that was accepted at `now`. `limit` is the time within which the connection
        /// must send its first byte.
        pub(in crate::server) fn observer(
            self,
            peer: SocketAddr,
            now: Instant,
            limit: Option<Duration>,
        ) -> Option<ConnectionRecorder<'s>> {
            self.0.map(|recorder| ConnectionRecorder::new(recorder, peer, now, limit))
        }
    }

    impl HttpServer {
        /// Writes a trace of the loop and of the first connections to `out`: one JSON event per line.
        /// [Perfetto](https://ui.perfetto.dev) can open the trace, even if it is incomplete.
        /// `docs/watching-the-loop.md` lists the events.
        ///
        /// Events are collected in memory, and written before the loop sleeps. `out` should be a file, because a pipe
        /// with a slow reader would block the server. A server in an [`EventLoop`](crate::EventLoop) is not traced.
        pub fn trace(mut self, out: impl Write + Send + 'static) -> HttpServer {
            self.watch.recorder().trace_to(out);
            self
        }

        /// Sets the maximum number of connections in the trace. The first connections that are accepted are traced.
        /// Default: 64. The loop itself is always traced.
        pub fn trace_connections(mut self, most: u32) -> HttpServer {
            self.watch.recorder().set_connections(most);
            self
        }

        /// Sets the maximum size of the trace in bytes. Default: 64 MiB. If this size is reached, the last event of the
        /// trace says so.
        pub fn trace_limit(mut self, bytes: u64) -> HttpServer {
            self.watch.recorder().set_limit(bytes);
            self
        }

        /// Writes one sentence to `out` for each event of these connections, as soon as the event occurs.
        pub fn explain(mut self, which: Explain, out: impl Write + Send + 'static) -> HttpServer {
            self.watch.recorder().explain_to(which, out);
            self
        }
    }
}

#[cfg(not(feature = "trace"))]
mod unrecorded {
    use std::marker::PhantomData;

    use super::{Duration, Instant, SocketAddr};
    use crate::observer::Unobserved;

    /// Stands in for the recorder of a server in a build without recorders.
    #[derive(Default)]
    pub(in crate::server) struct WatchedServer(());

    impl WatchedServer {
        pub(in crate::server) fn begin_run(&self, _: &[SocketAddr]) -> Watch<'_> {
            Watch::default()
        }
    }

    /// Stands in for the recorder of a run in a build without recorders.
    #[derive(Clone, Copy, Default)]
    pub(in crate::server) struct Watch<'s>(PhantomData<&'s ()>);

    impl Watch<'_> {
        pub(in crate::server) fn is_on(self) -> bool {
            false
        }

        pub(in crate::server) fn recorder(self) -> Option<Unobserved> {
            None
        }

        pub(in crate::server) fn observer(self, _: SocketAddr, _: Instant, _: Option<Duration>) -> Unobserved {
            Unobserved
        }
    }
}
