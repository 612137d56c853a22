//! Slow password hashes off the loop: worker threads verify the credentials that the gate does not know yet, and the
//! service is asked once it does.
//!
//! The gate decides; this wrapper only moves its work. Without this wrapper the same credentials are verified on the loop's thread.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::auth::{Credentials, Gate};
use crate::coroutine::{Job, JobHandle, WorkerPool};
use crate::http::{FieldBlock, Request, Status};
use crate::service::{LogCallback, Registrar, Reply, Response, Service, Upstream};

/// How many threads verify at the most. Clients that guess passwords can keep these busy, and no more.
const THREADS: usize = 2;

/// How many requests may wait for their credentials to be verified. More are answered with 503.
const WAITING: usize = 256;

/// A service whose slow password hashes are verified by other threads. A request whose credentials are known, or that
/// has none, is answered at once.
pub(crate) struct AuthOffload {
    gate: Arc<Gate>,
    service: Arc<Mutex<Inner>>,
    workers: Arc<WorkerPool>,
    /// Has a clone for every request that waits.
    waiting: Arc<()>,
}

type Inner = Box<dyn Service + Send>;

impl AuthOffload {
    /// Puts a service that asks this gate behind it. The service must not use [`Service::connect`].
    pub(crate) fn new(gate: Arc<Gate>, service: Inner) -> AuthOffload {
        let workers = Arc::new(WorkerPool::new(THREADS));
        AuthOffload { gate, service: Arc::new(Mutex::new(service)), workers, waiting: Arc::new(()) }
    }

    fn verifying(&self, credentials: Credentials, request: &Request) -> Verification {
        let (gate, client) = (Arc::clone(&self.gate), Arc::new(()));
        let is_there = Arc::downgrade(&client);
        let (job, handle) = self.workers.job(move || {
            // The time of the threads is not for clients that have gone while their request waited.
            if is_there.strong_count() > 0 {
                gate.verify(&credentials);
            }
        });
        Verification {
            request: request.clone(),
            service: Arc::clone(&self.service),
            stage: VerificationStage::Verifying { job, handle },
            ended: false,
            _client: client,
            _place: Arc::clone(&self.waiting),
        }
    }
}

/// A panic of the service is for the connection to deal with, and does not end the service.
fn with<R>(service: &Mutex<Inner>, ask: impl FnOnce(&Inner) -> R) -> R {
    ask(&service.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Service for AuthOffload {
    fn call(&self, request: &Request) -> Reply {
        let Some(credentials) = self.gate.unverified(request.headers()) else {
            return with(&self.service, |service| service.call(request));
        };
        if Arc::strong_count(&self.waiting) > WAITING {
            let mut busy = Response::error(Status::SERVICE_UNAVAILABLE);
            busy.head.put("Retry-After", 1);
            return busy.into();
        }
        Reply::Later(Box::new(self.verifying(credentials, request)))
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
        f.debug_struct("AuthOffload").field("gate", &self.gate).finish_non_exhaustive()
    }
}

/// A request whose credentials are verified, and then the service's answer to it.
struct Verification {
    request: Request,
    service: Arc<Mutex<Inner>>,
    stage: VerificationStage,
    /// The body is complete.
    ended: bool,
    /// Gone with the client.
    _client: Arc<()>,
    /// Among those that wait.
    _place: Arc<()>,
}

enum VerificationStage {
    /// The gate does not know the credentials yet.
    Verifying { job: Job, handle: JobHandle<()> },
    /// The service answers later, too.
    Later(Box<dyn Upstream>),
    /// The response is handed over.
    Answered,
}

impl Verification {
    /// Has the service answer. The gate knows the credentials now, and whether they are right.
    fn ask(&mut self) -> io::Result<Option<Response>> {
        match with(&self.service, |service| service.call(&self.request)) {
            Reply::Now(response) => {
                self.stage = VerificationStage::Answered;
                Ok(Some(response))
            }
            Reply::Later(mut upstream) => {
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
        if let VerificationStage::Verifying { job, handle } = &mut self.stage {
            job.start(&registrar.wake());
            if !job.is_done() {
                return Ok(None);
            }
            handle.take().transpose()?;
            if let Some(response) = self.ask()? {
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
