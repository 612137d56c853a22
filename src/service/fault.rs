//! Faults, which are deliberate violations of HTTP, to test clients. These types only describe a fault; `connection/`
//! injects it.
//!
//! `faults` chooses the responses that get a fault.

use std::time::Duration;

/// The kinds of faults. Logs and counters use their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The connection is reset.
    Reset,
    /// The connection is closed before the announced end of the response.
    Close,
    /// The connection is closed without sending a byte.
    Empty,
    /// Sending stops, but the connection stays open.
    Stall,
    /// A chunk is sent with an invalid size.
    BadChunk,
    /// Random bytes are sent instead of a response.
    Garbage,
    /// The response is sent a few bytes at a time.
    Drip,
    /// The response is sent at a limited rate.
    Rate,
    /// The head of the response is delayed.
    Latency,
    /// An error response is sent instead of the response.
    Status,
    /// The `Content-Length` does not match the length of the body.
    Length,
    /// The head of the response is sent twice.
    DuplicateHead,
    /// An interim response with early hints is sent first (RFC 8297). It is valid, but some clients mistake it for the
    /// final response.
    EarlyHints,
    /// `100 Continue` is sent after the response.
    Late100,
    /// The connection is accepted, but the server never reads from it.
    Deaf,
}

impl FaultKind {
    /// All kinds, ordered by discriminant.
    pub(crate) const ALL: [FaultKind; 15] = [
        FaultKind::Reset,
        FaultKind::Close,
        FaultKind::Empty,
        FaultKind::Stall,
        FaultKind::BadChunk,
        FaultKind::Garbage,
        FaultKind::Drip,
        FaultKind::Rate,
        FaultKind::Latency,
        FaultKind::Status,
        FaultKind::Length,
        FaultKind::DuplicateHead,
        FaultKind::EarlyHints,
        FaultKind::Late100,
        FaultKind::Deaf,
    ];

    /// The name of the kind in paths, options, logs and `X-Fault`.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Reset => "reset",
            FaultKind::Close => "close",
            FaultKind::Empty => "empty",
            FaultKind::Stall => "stall",
            FaultKind::BadChunk => "bad-chunk",
            FaultKind::Garbage => "garbage",
            FaultKind::Drip => "drip",
            FaultKind::Rate => "rate",
            FaultKind::Latency => "latency",
            FaultKind::Status => "status",
            FaultKind::Length => "length",
            FaultKind::DuplicateHead => "duplicate-head",
            FaultKind::EarlyHints => "early-hints",
            FaultKind::Late100 => "late-100",
            FaultKind::Deaf => "deaf",
        }
    }
}

/// A fault to inject into one response.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub(crate) kind: FaultKind,
    /// The effect on the bytes that are sent. `None` if the response is sent in the normal way, because the fault is in
    /// its content or its delay.
    pub(crate) effect: Option<WireEffect>,
}

/// A change to the bytes of a response, or to the times at which they are sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WireEffect {
    /// The response is truncated at the [`CutPoint`]. The [`CutEnd`] says how the connection ends.
    Cut(CutPoint, CutEnd),
    /// At most `bytes` bytes are sent at a time, followed by a pause of `every`.
    Paced { bytes: u64, every: Duration },
    /// These bytes replace the response, and then the connection is closed.
    Garbage(Vec<u8>),
    /// The last chunk, which marks the end of the body, is replaced with a chunk whose size is not a number. Then the
    /// connection is closed.
    BadChunk,
    /// This number is added to the true length of the body in `Content-Length`. The connection is closed after the
    /// body.
    Length(i64),
    /// The head is sent twice and the body once. Then the connection is closed.
    DuplicateHead,
    /// `100 Continue` is sent after the body. Then the connection is closed.
    Late100,
}

/// The point at which a response is truncated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutPoint {
    /// The response is truncated after this number of bytes, including the head.
    Response(u64),
    /// The response is truncated after the head and this number of bytes of the framed body.
    Body(u64),
}

/// The way in which a connection ends after a truncated response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutEnd {
    /// The connection is reset.
    Reset,
    /// The sending side is shut down.
    Close,
    /// The connection stays open until the client closes it.
    Stall,
}
