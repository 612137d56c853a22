//! Verifies slow password hashes on worker threads, so that they do not block the loop. A request is passed to the
//! service once the result for its credentials is in the gate's cache.
//!
//! The credentials are compared in `auth`. Without [`AuthOffload`], the gate verifies them on the loop's thread.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::auth::{Credentials, Gate};
use super::gates::Gates;
use crate::coroutine::{Job, JobHandle, WorkerPool};
use crate::http::{FieldBlock, Request, Status};
use crate::service::{LogCallback, Registrar, Reply, Response, Service, Upstream};
use crate::watchdog::Watchdog;

/// The maximum number of worker threads. Clients that guess passwords can occupy only these threads.
const THREADS: usize = 2;

/// The maximum number of requests that wait for a verification. Further requests receive a 503 response.
const WAITING: usize = 256;

/// Wraps a service and verifies slow password hashes for it on worker threads. A request without credentials, or with
/// credentials whose result is in the gate's cache, is passed to the service immediately.
pub(crate) struct AuthOffload {
    gates: Gates,
    service: SharedService,
    workers: Arc<WorkerPool>,
    /// Each waiting request holds a clone of this `Arc`, so the reference count is one more than the number of waiting
    /// requests.
    waiting: Arc<()>,
}

/// The wrapped service, shared with the waiting requests. The mutex is never contended, because only the loop's thread
/// calls the service.
type SharedService = Arc<Mutex<Box<dyn Service + Send>>>;

impl AuthOffload {
    /// Wraps a service that already uses these gates. The service must not implement [`Service::connect`], which is not
    /// forwarded.
    pub(crate) fn new(gates: Gates, service: Box<dyn Service + Send>) -> AuthOffload {
        let workers = Arc::new(WorkerPool::new(THREADS));
        AuthOffload { gates, service: Arc::new(Mutex::new(service)), workers, waiting: Arc::new(()) }
    }

    fn verification(&self, gate: Arc<Gate>, credentials: Credentials, request: &Request) -> Verification {
        let client = Arc::new(());
        let is_there = Arc::downgrade(&client);
        let (job, handle) = self.workers.job(move || {
            // If the client has disconnected, its request no longer needs a verification.
            if is_there.strong_count() > 0 {
                gate.verify(&credentials);
            }
        });
        Verification {
            request: request.clone(),
            service: Arc::clone(&self.service),
            stage: VerificationStage::Verifying { job, handle, _place: Arc::clone(&self.waiting) },
            ended: false,
            _client: client,
        }
    }
}

/// Locks the service and passes it to `call`. If the service panics, the connection handles the panic, and later calls
/// ignore the poisoning of the mutex.
fn with<R>(service: &SharedService, call: impl FnOnce(&dyn Service) -> R) -> R {
    call(&**service.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Service for AuthOffload {
    fn call(&self, request: &Request) -> Reply {
        let unverified = self.gates.of(request).and_then(|gate| Some((gate, gate.unverified(request.headers())?)));
        let Some((gate, credentials)) = unverified else {
            return with(&self.service, |service| service.call(request));
        };
        if Arc::strong_count(&self.waiting) > WAITING {
            let mut busy = Response::error(Status::SERVICE_UNAVAILABLE);
            busy.head.put("Retry-After", 1);
            return busy.into();
        }
        Reply::Later(Box::new(self.verification(Arc::clone(gate), credentials, request)))
    }

    fn call_watched(&self, request: &Request, _: Option<&Watchdog>) -> Reply {
        // The watchdog, which reports calls that block the loop, is not passed on. The service only serves files or
        // starts scripts, and neither blocks the loop for long.
        self.call(request)
    }

    fn after_turn(&self, now: Instant, note: &mut LogCallback<'_>) -> Option<Duration> {
        with(&self.service, |service| service.after_turn(now, note))
    }

    fn after_run(&self, note: &mut LogCallback<'_>) {
        with(&self.service, |service| service.after_run(note));
    }
}

impl fmt::Debug for AuthOffload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthOffload").field("gates", &self.gates).finish_non_exhaustive()
    }
}

/// The upstream of a request whose credentials must be verified first. Once they are verified, it calls the
/// service and, if the service returns an upstream, forwards to it.
struct Verification {
    request: Request,
    service: SharedService,
    stage: VerificationStage,
    /// True once the request body is complete.
    ended: bool,
    /// The job has a weak reference to this `Arc`. When the client disconnects, this `Arc` is dropped together with the
    /// upstream, and the job then skips the verification.
    _client: Arc<()>,
}

enum VerificationStage {
    /// A worker thread is verifying the credentials. `_place` is a clone of `AuthOffload::waiting`. While it exists, the
    /// request counts as waiting.
    Verifying { job: Job, handle: JobHandle<()>, _place: Arc<()> },
    /// The credentials have been verified, and the service has returned its own upstream.
    Later(Box<dyn Upstream>),
    /// The service has returned its response without an upstream.
    Done,
}

impl Verification {
    /// Calls the service. The gate then finds the result of the verification in its cache.
    fn call_service(&mut self) -> io::Result<Option<Response>> {
        match with(&self.service, |service| service.call(&self.request)) {
            Reply::Now(response) => {
                self.stage = VerificationStage::Done;
                Ok(Some(response))
            }
            Reply::Later(mut upstream) => {
                // If the request body was complete before the service's upstream was created, that upstream has not
                // been notified yet.
                if self.ended {
                    upstream.end()?;
                }
                self.stage = VerificationStage::Later(upstream);
                Ok(None)
            }
        }
    }
}

impl Upstream for Verification {
    fn wants_body(&self) -> bool {
        matches!(&self.stage, VerificationStage::Later(upstream) if upstream.wants_body())
    }

    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        match &mut self.stage {
            VerificationStage::Later(upstream) => upstream.feed(body),
            _ => Ok(0),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.ended = true;
        match &mut self.stage {
            VerificationStage::Later(upstream) => upstream.end(),
            _ => Ok(()),
        }
    }

    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        if let VerificationStage::Verifying { job, handle, .. } = &mut self.stage {
            job.start(&registrar.wake());
            if !job.is_done() {
                return Ok(None);
            }
            // If the job has panicked, the panic is reported as an error of this upstream.
            handle.take().transpose()?;
            if let Some(response) = self.call_service()? {
                return Ok(Some(response));
            }
        }
        match &mut self.stage {
            VerificationStage::Later(upstream) => upstream.poll(registrar),
            _ => Ok(None),
        }
    }

    fn take_interim(&mut self) -> Option<(Status, FieldBlock)> {
        match &mut self.stage {
            VerificationStage::Later(upstream) => upstream.take_interim(),
            _ => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            VerificationStage::Later(upstream) => upstream.deadline(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::service::Waker;

    /// Passes wake-ups to a channel.
    struct WakesChannel(mpsc::Sender<()>);

    impl Registrar for WakesChannel {
        fn register(&mut self, _: &mut dyn mio::event::Source, _: u8, _: mio::Interest) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn wake(&self) -> Waker {
            let sender = self.0.clone();
            Waker::new(move || _ = sender.send(()))
        }

        fn now(&self) -> Instant {
            Instant::now()
        }
    }

    /// An upstream that never responds.
    struct Never;

    impl Upstream for Never {
        fn feed(&mut self, _: &[u8]) -> io::Result<usize> {
            Ok(0)
        }

        fn end(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
            Ok(None)
        }
    }

    #[test]
    fn a_request_counts_as_waiting_only_until_its_credentials_are_verified() {
        let account = "ann:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW".parse().unwrap();
        let gates = Gates::everywhere(Some(Arc::new(Gate::new("site", &[account]))));
        let service = AuthOffload::new(gates, Box::new(|_: &Request| Reply::Later(Box::new(Never))));
        // The Base64 form of "ann:secret".
        let request = Request::builder("GET", "/").header("Authorization", "Basic YW5uOnNlY3JldA==").build();
        let Reply::Later(mut upstream) = service.call(&request) else { panic!("the hash is not slow") };
        assert_eq!(Arc::strong_count(&service.waiting), 2);
        let (sender, wakes) = mpsc::channel();
        let mut registrar = WakesChannel(sender);
        assert!(upstream.poll(&mut registrar).unwrap().is_none());
        wakes.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(upstream.poll(&mut registrar).unwrap().is_none());
        assert_eq!(Arc::strong_count(&service.waiting), 1, "the upstream of the service runs");
    }
}
