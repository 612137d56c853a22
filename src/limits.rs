//! `Limits`: everything that bounds the clients of a server. The protocol sees only its part, `MessageLimits`.

use std::time::Duration;

use crate::http1::MessageLimits;
use crate::session::before_short;

/// The sizes, times and numbers that bound the clients of a server.
///
/// A time of zero means no limit for `head_timeout`, `idle_timeout`, `stall_timeout`, `send_timeout`, `body_timeout`,
/// `answer_timeout` and `half_closed_timeout`. For the others zero is a time: with `linger_timeout` the server closes
/// without waiting, with `grace` it ends at once, with `last_call` it waits for no further request.
///
/// ```
/// use serve_forever::Limits;
/// let limits = Limits { fields: 50, ..Limits::default() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request line with its CRLF; a longer one is 414. 65,536, as in CPython.
    pub request_line: usize,
    /// Bytes of one field line with its CRLF; a longer one is 431. 65,536, as in CPython.
    pub field_line: usize,
    /// Bytes of a whole head; a longer one is 431. 128 KiB: room for one line of maximum length and an ordinary head.
    pub head: usize,
    /// Header fields of a request; more are 431. 100, as in CPython.
    pub fields: usize,
    /// Bytes of a request's body; a longer one is 413. Unlimited by default, because no body is held in memory.
    pub body: u64,
    /// Bytes of chunk extensions and trailer fields of one body; more are 400. 16 KiB: clients hardly use either, and
    /// without a limit they are a body that the limit on bodies does not count (RFC 9112 section 7.1.1).
    pub chunk_overhead: usize,
    /// Bytes of a body without a reader that are discarded, so that the connection persists or the client receives the
    /// response before it is closed. 256 KiB: about as much as is on its way at any time.
    pub drain: u64,
    /// From the first byte of a head to its last, even if bytes keep arriving. 10 s; then 408.
    pub head_timeout: Duration,
    /// From a response to the first byte of the next request on the same connection. The loop may add up to an eighth of
    /// a second. 15 s: browsers return within that time or not at all.
    pub idle_timeout: Duration,
    /// Without progress in a request's body. 30 s, longer than the retries of a lost packet; then 408. A client that has
    /// taken nothing of its response for as long is stalled: it is closed if room is short (see [`short`](Limits::short)).
    pub stall_timeout: Duration,
    /// Without progress in sending a response, even if room is not short. 600 s: a client that pauses, such as a process in
    /// the background or a laptop that sleeps, costs a descriptor and little memory.
    pub send_timeout: Duration,
    /// Percent of [`connections`](Limits::connections), and of [`buffers`](Limits::buffers), that may be in use before
    /// room is short. The server then closes stalled clients, the one that has been stalled longest first. 90: the rest is
    /// for the clients that arrive while the server closes the stalled ones.
    pub short: u8,
    /// For the whole body of a request, not counting the time in which the server does not read. 30 s, and one second more
    /// for every [`body_rate`](Limits::body_rate) bytes; then 408.
    pub body_timeout: Duration,
    /// Average bytes per second of a body that takes longer than [`body_timeout`](Limits::body_timeout). 500: less than
    /// the slowest line, and enough that a client which sends a byte at a time cannot keep a connection for long. 0 for no
    /// such limit.
    pub body_rate: u64,
    /// From a complete request to the head of its response, if a handler or a child process makes it. 60 s; then 504.
    pub answer_timeout: Duration,
    /// For a response, or more of it, after the client has closed its side. A closed side may mean that the client waits
    /// for its response or that it is gone; only sending shows which. 3 s; then the server closes the connection.
    pub half_closed_timeout: Duration,
    /// From the end of a response to the end of its connection, while the server discards the client's bytes. 2 s.
    pub linger_timeout: Duration,
    /// For unfinished responses once the server is told to stop. 5 s.
    pub grace: Duration,
    /// For one more request on an idle connection once the server is told to stop. 0 s: idle connections are closed
    /// at once. A service that restarts under load sets a longer time, so that no client sends a request into a connection
    /// that is being closed.
    pub last_call: Duration,
    /// Connections at a time. `None` stands for the limit on descriptors less a reserve. At the limit the server stops
    /// accepting, and closes connections that are idle between two requests, the one that has been idle longest first.
    pub connections: Option<usize>,
    /// Connections of one client address at a time; further ones are closed without a byte. Unlimited by default, because
    /// many clients may share an address.
    pub connections_per_peer: Option<usize>,
    /// Bytes of unread input and unsent output that all connections together may keep while they wait. 256 MiB, but at
    /// most a quarter of what `RLIMIT_AS` leaves to the process when the first server is made, and of the memory limit of
    /// its control group. A connection that needs more is closed.
    pub buffers: usize,
    /// TLS handshakes that are computed in one turn of the loop; others wait for the next turn. 4, and at least 1: one takes a
    /// fifth of a millisecond, or more with RSA, which is as long as requests of other clients wait for it.
    pub handshakes: usize,
}

impl Limits {
    /// The part that bounds one message.
    #[inline]
    pub(crate) fn message(&self) -> MessageLimits {
        MessageLimits {
            start_line: self.request_line,
            field_line: self.field_line,
            head: self.head,
            fields: self.fields,
            body: self.body,
            chunk_overhead: self.chunk_overhead,
        }
    }

    /// The part of `all` that may be in use before room is short.
    pub(crate) fn before_short(&self, all: usize) -> usize {
        before_short(all, self.short)
    }
}

impl Default for Limits {
    fn default() -> Self {
        let message = MessageLimits::default();
        Limits {
            request_line: message.start_line,
            field_line: message.field_line,
            head: message.head,
            fields: message.fields,
            body: message.body,
            chunk_overhead: message.chunk_overhead,
            drain: 256 * 1024,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(600),
            short: 90,
            body_timeout: Duration::from_secs(30),
            body_rate: 500,
            linger_timeout: Duration::from_secs(2),
            answer_timeout: Duration::from_secs(60),
            half_closed_timeout: Duration::from_secs(3),
            grace: Duration::from_secs(5),
            last_call: Duration::ZERO,
            connections: None,
            connections_per_peer: None,
            buffers: 256 * 1024 * 1024,
            handshakes: 4,
        }
    }
}
