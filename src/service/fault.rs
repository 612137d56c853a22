//! How a response breaks HTTP on purpose, for tests of clients. A fault is data: `connection/` executes it.
//!
//! Not here: the decision which response has a fault (`faults`).

use std::time::Duration;

/// The kinds of faults, which logs and counters name.
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
    /// A chunk has no size.
    BadChunk,
    /// Random bytes instead of a response.
    Garbage,
    /// A few bytes at a time.
    Drip,
    /// A number of bytes a second.
    Rate,
    /// A wait before the head.
    Latency,
    /// An error instead of the response.
    Status,
    /// A wrong `Content-Length`.
    Length,
    /// Two heads.
    DuplicateHead,
    /// An interim response with hints (RFC 8297). It is valid, and some clients take it for the response.
    EarlyHints,
    /// `100 Continue` after the response.
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
    /// How the bytes of the response are changed. `None` if they are sent as they are: the fault is then in the response
    /// itself, or in its time.
    pub(crate) effect: Option<WireEffect>,
}

/// A change of the bytes of a response, or of the times at which they leave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WireEffect {
    /// The response ends at a point.
    Cut(CutPoint, CutEnd),
    /// At most `bytes` bytes leave at a time, and the next ones after `every`.
    Paced { bytes: u64, every: Duration },
    /// The bytes replace the response, and then the connection ends.
    Garbage(Vec<u8>),
    /// The last chunk, which ends the body, is replaced by one whose size is no number; then the end.
    BadChunk,
    /// `Content-Length` differs from the length by this number; the end after the body.
    Length(i64),
    /// The head twice, the body once, and then the end.
    DuplicateHead,
    /// `100 Continue` after the body, and then the end.
    Late100,
}

/// The point at which a response is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutPoint {
    /// After this number of bytes of the response, its head included.
    Response(u64),
    /// After the head and this number of bytes of the body as it is on the wire.
    Body(u64),
}

/// How a connection ends after a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutEnd {
    /// The connection is reset.
    Reset,
    /// The sending side is closed.
    Close,
    /// The connection stays open until the client closes it.
    Stall,
}
