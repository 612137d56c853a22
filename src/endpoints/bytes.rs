//! Endpoints whose response bodies are arbitrary bytes: random bytes, with a length or in chunks, and a body that is
//! held in memory until it is sent.

use std::io;

use super::generator;
use super::params::number;
use super::replies::{EndpointError, octets};
use super::routes::EndpointCall;
use crate::http::Status;
use crate::service::{Body, Reply, Response, Source};

/// The maximum size of a body that is generated while it is being sent: 1 GiB.
pub(super) const MOST_BYTES: u64 = 1 << 30;

/// The maximum size of a body that is held in memory: 64 MiB.
const MOST_HELD: u64 = 64 << 20;

/// The largest chunk size that can be requested: 1 MiB.
const MOST_CHUNK: u64 = 1 << 20;

/// Bodies up to this size are generated in advance and sent in the same packet as their head.
const AT_ONCE: u64 = 4096;

/// `/bytes/{n}?seed=`: n bytes from the generator, with a `Content-Length`.
pub(super) fn bytes(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let length = number("the number of bytes", &call.text(), 0..=MOST_BYTES)?;
    let seed = call.params.seed()?;
    if length <= AT_ONCE {
        let mut body = vec![0; length as usize];
        generator::fill(seed, 0, &mut body);
        return Ok(octets(body).into());
    }
    let mut response = stream(RandomBytes { seed, at: 0, end: length, piece: usize::MAX });
    response.head.put("Content-Length", length);
    Ok(response.into())
}

/// `/stream-bytes/{n}?seed=&chunk_size=`: the bytes of `/bytes/{n}` without a `Content-Length`, in chunks.
pub(super) fn stream_bytes(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let length = number("the number of bytes", &call.text(), 0..=MOST_BYTES)?;
    let piece = call.params.number("chunk_size", 10_240, 1..=MOST_CHUNK)? as usize;
    Ok(stream(RandomBytes { seed: call.params.seed()?, at: 0, end: length, piece }).into())
}

/// `/allocate/{n}`: n bytes, all `x`, in one allocation, which is freed when the last byte has been sent.
pub(super) fn allocate(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let length = number("the number of bytes", &call.text(), 0..=MOST_HELD)?;
    Ok(octets(vec![b'x'; length as usize]).into())
}

fn stream(source: RandomBytes) -> Response {
    let mut response = Response::new(Status::OK);
    response.head.put("Content-Type", "application/octet-stream");
    response.body = Body::Stream(Box::new(source));
    response
}

/// A body source that yields the generator's bytes from `at` to `end`.
struct RandomBytes {
    seed: u64,
    at: u64,
    end: u64,
    /// The maximum number of bytes per read. If the response is chunked, each read becomes one chunk.
    piece: usize,
}

impl Source for RandomBytes {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let count = buf.len().min(self.piece).min(left);
        generator::fill(self.seed, self.at, &mut buf[..count]);
        self.at += count as u64;
        Ok(count)
    }
}
