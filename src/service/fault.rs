//! The faults with which a response breaks HTTP on purpose, for tests of clients. A fault is data; `connection/`
//! executes it.
//!
//! Not here: the choice of the responses (`faults`).

use std::time::Duration;

/// The kinds of faults. Logs and counters use their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The connection is reset.
    Reset,
    /// The connection ends before the announced end of the response.
    Close,
    /// The connection ends without a byte.
    Empty,
    /// Nothing more is sent, and the connection stays open.
    Stall,
    /// A chunk has an invalid size.
    BadChunk,
    /// Random bytes are sent instead of a response.
    Garbage,
    /// The response is sent a few bytes at a time.
    Drip,
    /// The response is sent at a number of bytes per second.
    Rate,
    /// The head is delayed.
    Latency,
    /// An error is sent instead of the response.
    Status,
    /// `Content-Length` is wrong.
    Length,
    /// The head is sent twice.
    DuplicateHead,
    /// An interim response with hints is sent first (RFC 8297). It is valid, but some clients mistake it for the final
    /// response.
    EarlyHints,
    /// `100 Continue` is sent after the response.
    Late100,
    /// The connection is accepted and never read.
    Deaf,
}

impl FaultKind {
    /// All kinds, in the order of their numbers.
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

    /// The name in paths, options, logs and `X-Fault`.
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

/// A fault of one response.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub(crate) kind: FaultKind,
    /// The change of the response's bytes. `None` if they are sent unchanged, because the fault is in the response
    /// itself or in its time.
    pub(crate) effect: Option<WireEffect>,
}

/// A change of the bytes of a response, or of the times at which they are sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WireEffect {
    /// The response ends at a point.
    Cut(CutPoint, CutEnd),
    /// At most `bytes` bytes are sent at a time, and the next ones after `every`.
    Paced { bytes: u64, every: Duration },
    /// These bytes replace the response, and then the connection ends.
    Garbage(Vec<u8>),
    /// The last chunk, which ends the body, is replaced with a chunk whose size is not a number. Then the connection
    /// ends.
    BadChunk,
    /// `Content-Length` differs from the length by this number. The connection ends after the body.
    Length(i64),
    /// The head is sent twice and the body once. Then the connection ends.
    DuplicateHead,
    /// `100 Continue` is sent after the body. Then the connection ends.
    Late100,
}

/// The point at which a response is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutPoint {
    /// After this number of bytes of the response, including its head.
    Response(u64),
    /// After the head and this number of bytes of the framed body.
    Body(u64),
}

/// The way in which a connection ends after a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutEnd {
    /// The connection is reset.
    Reset,
    /// The sending side is closed.
    Close,
    /// The connection stays open until the client closes it.
    Stall,
}
