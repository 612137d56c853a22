//! The surroundings of a loop in a test: another thread with results, hooks without work, and a file in memory.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serve_forever::reactor::TurnHooks;
use serve_forever::service::{Registrar, Response, Upstream, Waker};
use serve_forever::session::TurnClock;

/// The connections that wait for a result, each with the flag of its result.
type Waiting = Vec<(Waker, Arc<AtomicBool>)>;

/// Another thread, which completes the results for its upstreams at a time that a script sets.
#[derive(Clone, Default)]
pub struct OtherThread(Arc<Mutex<Waiting>>);

impl OtherThread {
    /// Returns an upstream that responds when this thread has finished its work.
    pub fn upstream(&self) -> impl Upstream + use<> {
        Woken { thread: self.clone(), has_result: None }
    }

    /// Finishes the work for all upstreams, and wakes their connections.
    pub fn work(&self) {
        for (waker, has_result) in self.0.lock().unwrap().drain(..) {
            has_result.store(true, Ordering::Relaxed);
            waker.wake();
        }
    }
}

struct Woken {
    thread: OtherThread,
    /// Set by the thread. `None` before the thread has the work.
    has_result: Option<Arc<AtomicBool>>,
}

impl Upstream for Woken {
    fn wants_body(&self) -> bool {
        false
    }

    fn feed(&mut self, _: &[u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        let has_result = self.has_result.get_or_insert_with(|| {
            let has_result = Arc::<AtomicBool>::default();
            self.thread.0.lock().unwrap().push((registrar.wake(), Arc::clone(&has_result)));
            has_result
        });
        Ok(has_result.load(Ordering::Relaxed).then(|| Response::text("woken\n")))
    }
}

/// The hooks of a server that has no work between two turns.
pub struct NoHooks;

impl TurnHooks for NoHooks {
    fn after_turn(&mut self, _: TurnClock) -> Option<Duration> {
        None
    }
}

/// A file in memory.
#[derive(Clone, Default)]
pub struct SharedText(Arc<Mutex<Vec<u8>>>);

impl SharedText {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for SharedText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
