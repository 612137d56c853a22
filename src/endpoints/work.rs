//! Endpoints that use CPU time or another thread: `/burn`, `/offload` and `/wake`.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::late::LateResponse;
use super::params::MOST_TIME;
use super::replies::EndpointError;
use super::routes::EndpointCall;
use super::service::EndpointState;
use crate::coroutine::{Job, JobHandle, WorkerPool};
use crate::service::{Registrar, Reply, Response};

/// The maximum time for which one request keeps a thread busy, in microseconds.
const MOST_BURNT: u64 = 1_000_000;

/// `/burn?us=`: keeps the loop's thread busy for this time. All other clients wait.
pub(super) fn burn(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let micros = call.params.number("us", 0, 0..=MOST_BURNT)?;
    keep_busy(micros);
    Ok(Response::text(micros.to_string()).into())
}

/// `/offload?us=`: keeps a worker thread busy for this time. The loop still serves other clients.
pub(super) fn offload(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let micros = call.params.number("us", 0, 0..=MOST_BURNT)?;
    Ok(JobResponse::reply(call.state.workers(), micros, move || keep_busy(micros)))
}

/// `/wake?us=`: responds after this time, when another thread wakes the connection.
pub(super) fn wake(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let micros = call.params.number("us", 0, 0..=MOST_TIME.as_micros() as u64)?;
    let at = call.request.arrived() + Duration::from_micros(micros);
    Ok(WakeResponse { state: Arc::clone(call.state), micros, at, is_set: false }.into_reply())
}

fn keep_busy(micros: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(micros) {
        std::hint::spin_loop();
    }
}

/// Responds with `micros` once a job on a worker thread has finished.
struct JobResponse {
    job: Job,
    handle: JobHandle<()>,
    micros: u64,
}

impl JobResponse {
    fn reply(workers: &Arc<WorkerPool>, micros: u64, work: impl FnOnce() + Send + 'static) -> Reply {
        let (job, handle) = workers.job(work);
        JobResponse { job, handle, micros }.into_reply()
    }
}

impl LateResponse for JobResponse {
    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        self.job.start(&registrar.wake());
        let ended = self.handle.take().transpose()?;
        Ok(ended.map(|()| Response::text(self.micros.to_string())))
    }
}

/// Responds with `micros` at the time `at`, when the alarm thread wakes the connection.
struct WakeResponse {
    state: Arc<EndpointState>,
    micros: u64,
    at: Instant,
    /// True once the alarm has been set.
    is_set: bool,
}

impl LateResponse for WakeResponse {
    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        if registrar.now() >= self.at {
            return Ok(Some(Response::text(self.micros.to_string())));
        }
        // This upstream has no deadline, so only the wake-up from the alarm thread runs the session again. This is the
        // purpose of the endpoint.
        if !std::mem::replace(&mut self.is_set, true) {
            self.state.alarms().add(self.at, registrar.wake());
        }
        Ok(None)
    }
}
