//! `/range/{n}`: a body of letters, each of which depends only on its position. Supports range requests. The body is
//! sent immediately or spread over a duration.

use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use super::bytes::MOST_BYTES;
use super::paced::{PacedResponse, Schedule};
use super::params::number;
use super::replies::EndpointError;
use super::routes::EndpointCall;
use crate::files::{PreconditionResult, Selection, Validators, evaluate, if_range, select};
use crate::http::{HttpDate, Method, Status};
use crate::service::{Body, Reply, Response, Source};

/// The maximum number of pieces into which a body with a `duration` is divided.
const PIECES: u64 = 10;

/// `/range/{n}?duration=`: responds with n letters, which repeat the alphabet. The response to a request for several
/// ranges is the whole body.
pub(super) fn range(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let length = number("the number of bytes", &call.text(), 0..=MOST_BYTES)?;
    let duration = call.params.time("duration", Duration::ZERO)?;
    let headers = call.request.headers();
    let etag = format!("\"range{length}\"");
    let validators = Validators { etag: &etag, modified: None };
    let mut response = match evaluate(headers, validators) {
        PreconditionResult::Failed => EndpointError::new(Status::PRECONDITION_FAILED, "the ETag differs").response(),
        PreconditionResult::NotModified => Response::new(Status::NOT_MODIFIED),
        PreconditionResult::Proceed => Response::new(Status::OK),
    };
    response.head.put("ETag", &etag);
    response.head.put("Accept-Ranges", "bytes");
    if response.status != Status::OK {
        return Ok(response.into());
    }
    // Ranges are defined only for GET (RFC 9110 section 14.2). The response has no `Last-Modified`, so a date in
    // `If-Range` never matches, and `if_range` does not call the closure for the current time.
    let is_get = *call.request.method() == Method::Get;
    let asked = is_get && if_range(headers, validators, || HttpDate::from_unix(0));
    let part = match asked.then(|| select(headers, length)) {
        Some(Selection::Part(part)) => {
            response.status = Status::PARTIAL_CONTENT;
            let last = part.end - 1;
            response.head.put("Content-Range", format_args!("bytes {}-{last}/{length}", part.start));
            part
        }
        Some(Selection::Unsatisfiable) => return Ok(unsatisfiable(&etag, length).into()),
        _ => 0..length,
    };
    response.head.put("Content-Type", "text/plain; charset=utf-8");
    response.head.put("Content-Length", part.end - part.start);
    let pieces = PIECES.min(part.end - part.start);
    let schedule = Rc::new(Schedule::new(call.request.arrived(), duration, pieces));
    let letters = Letters { part: part.clone(), whole: part, schedule: Rc::clone(&schedule) };
    response.body = Body::Stream(Box::new(letters));
    Ok(PacedResponse::reply(response, call.request.arrived(), schedule))
}

fn unsatisfiable(etag: &str, length: u64) -> Response {
    let why = "no byte of the range exists";
    let mut response = EndpointError::new(Status::RANGE_NOT_SATISFIABLE, why).response();
    response.head.put("ETag", etag);
    response.head.put("Content-Range", format_args!("bytes */{length}"));
    response
}

/// The letters of the selected range. They become readable piece by piece, according to the schedule.
struct Letters {
    whole: Range<u64>,
    /// The positions of the letters that have not been read yet.
    part: Range<u64>,
    schedule: Rc<Schedule>,
}

impl Source for Letters {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let length = self.whole.end - self.whole.start;
        let due = self.whole.start + self.schedule.due_of(length);
        if due <= self.part.start && self.part.start < self.whole.end {
            return Err(self.schedule.wait());
        }
        let count = buf.len().min(usize::try_from(due - self.part.start).unwrap_or(usize::MAX));
        for (at, byte) in (self.part.start..).zip(&mut buf[..count]) {
            *byte = b'a' + (at % 26) as u8;
        }
        self.part.start += count as u64;
        Ok(count)
    }
}
