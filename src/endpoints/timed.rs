//! Endpoints whose responses are delayed or spread over time: `/delay`, `/drip` and `/sse`.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::body::BodyCollector;
use super::bytes::MOST_BYTES;
use super::echo::{MOST_BODY, echo};
use super::paced::{PacedResponse, Schedule};
use super::params::{MOST_TIME, time};
use super::replies::EndpointError;
use super::routes::EndpointCall;
use super::status::final_status;
use crate::http::Status;
use crate::service::{Body, Reply, Response, Source};

/// `/delay/{s}`: responds with the request as JSON, like `/anything`, after a delay.
pub(super) fn delay(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let at = call.request.arrived() + time("the delay", &call.text())?;
    let request = call.request.clone();
    Ok(BodyCollector::reply(MOST_BODY, Some(at), move |body| Ok(echo(&request, Some(body)))))
}

/// `/drip?numbytes=&duration=&delay=&code=`: sends the head after a delay, and then `*` bytes, spread over the
/// duration.
pub(super) fn drip(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let params = &call.params;
    let length = params.number("numbytes", 10, 1..=MOST_BYTES)?;
    let duration = params.time("duration", Duration::from_secs(2))?;
    let delay = params.time("delay", Duration::ZERO)?;
    if delay + duration > MOST_TIME {
        return Err(EndpointError::bad_request("delay and duration must be at most 60s together"));
    }
    let status = params.get("code").map_or(Ok(Status::OK), final_status)?;
    if status.is_bodiless() {
        return Err(EndpointError::bad_request(format!("a response with the status {status} has no body")));
    }
    let at = call.request.arrived() + delay;
    let schedule = Rc::new(Schedule::new(at, duration, length));
    let mut response = Response::new(status);
    response.head.put("Content-Type", "application/octet-stream");
    response.head.put("Content-Length", length);
    response.body = Body::Stream(Box::new(Stars { sent: 0, length, schedule: Rc::clone(&schedule) }));
    Ok(PacedResponse::reply(response, at, schedule))
}

/// `/sse?count=&duration=`: sends numbered events, spread over the duration.
pub(super) fn events(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let count = call.params.number("count", 10, 1..=100_000)?;
    let duration = call.params.time("duration", Duration::from_secs(5))?;
    let schedule = Rc::new(Schedule::new(call.request.arrived(), duration, count));
    let mut response = Response::new(Status::OK);
    response.head.put("Content-Type", "text/event-stream");
    response.head.put("Cache-Control", "no-cache");
    response.body = Body::Stream(Box::new(Events { next: 0, count, schedule: Rc::clone(&schedule) }));
    Ok(PacedResponse::reply(response, call.request.arrived(), schedule))
}

/// The body of `/drip`. Each piece is one byte.
struct Stars {
    sent: u64,
    length: u64,
    schedule: Rc<Schedule>,
}

impl Source for Stars {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let due = self.schedule.due() - self.sent;
        if due == 0 && self.sent < self.length {
            return Err(self.schedule.wait());
        }
        let count = buf.len().min(usize::try_from(due).unwrap_or(usize::MAX));
        buf[..count].fill(b'*');
        self.sent += count as u64;
        Ok(count)
    }
}

/// The body of `/sse`. Each read returns one event, so each chunk contains one event.
struct Events {
    next: u64,
    count: u64,
    schedule: Rc<Schedule>,
}

impl Source for Events {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.next == self.count {
            return Ok(0);
        }
        if self.schedule.due() <= self.next {
            return Err(self.schedule.wait());
        }
        let event = format!("id: {0}\nevent: ping\ndata: {{\"id\":{0}}}\n\n", self.next);
        // The buffer of a connection is always large enough for one event.
        buf[..event.len()].copy_from_slice(event.as_bytes());
        self.next += 1;
        Ok(event.len())
    }
}
