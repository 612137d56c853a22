use std::time::Duration;

/// Everything that bounds what a client may ask of the server, each with its reason.
///
/// A time of zero is no limit for `head_timeout`, `idle_timeout`, `stall_timeout`, `send_timeout`, `body_timeout`,
/// `answer_timeout` and `half_closed_timeout`. For the others zero is a time: `linger_timeout` closes without waiting,
/// `grace` ends at once, `last_call` waits for no further request.
///
/// ```
/// use serve_forever::Limits;
/// let limits = Limits { fields: 50, ..Limits::default() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request line with its CRLF; more is 414. 65,536, as in CPython (contract row HB09).
    pub request_line: usize,
    /// Bytes of one field line with its CRLF; more is 431. 65,536, as in CPython (row HB22).
    pub field_line: usize,
    /// Bytes of a whole head; more is 431. 128 KiB: room for one line of the longest kind and an ordinary head.
    pub head: usize,
    /// Header fields of a request; more is 431. 100, as CPython means it (row HB22).
    pub fields: usize,
    /// Bytes of a request's body; more is 413. Unlimited by default, because a body is never held in memory.
    pub body: u64,
    /// Bytes of chunk extensions and trailer fields of one body; more is 400. 16 KiB: nobody uses either, and without
    /// a bound they are a body that no body limit sees (RFC 9112 section 7.1.1).
    pub chunk_overhead: usize,
    /// Bytes of an unwanted body that are read and thrown away to keep the connection, or to let the client see the
    /// answer before it is closed. 256 KiB: about what is in flight anyway.
    pub drain: u64,
    /// From the first byte of a head to its last. 10 s, however busily the client drips; then 408.
    pub head_timeout: Duration,
    /// Without a byte of the next request on a connection that persists, and up to an eighth of a second more. 15 s:
    /// browsers come back within that or not at all.
    pub idle_timeout: Duration,
    /// Without progress in a request's body: 30 s, longer than a lost packet's retries; then 408. A client that has taken
    /// nothing of its response for as long is stalled: it is closed if room is short (see [`short`](Limits::short)).
    pub stall_timeout: Duration,
    /// Without progress in sending a response, whether room is short or not. 600 s: a reader that pauses, such as a
    /// process in the background or a laptop that sleeps, costs a descriptor and little memory.
    pub send_timeout: Duration,
    /// Percent of [`connections`](Limits::connections), and of [`buffers`](Limits::buffers), that may be in use before
    /// room is short and stalled readers are closed, those first that have been stalled longest. 90: what is left is
    /// room for the clients that arrive while the first readers are closed.
    pub short: u8,
    /// For the body of a request to come, in all, as far as the server was waiting for it: 30 s, and a second more for
    /// every [`body_rate`](Limits::body_rate) bytes; then 408.
    pub body_timeout: Duration,
    /// Bytes a second that a body has to bring on average once it has been waited for as long as that. 500: less than
    /// the slowest line, and enough that a drip cannot keep a connection for long. 0 for no such limit.
    pub body_rate: u64,
    /// From a whole request to the beginning of its response, where somebody else makes it: a handler, a child process.
    /// 60 s; then 504.
    pub answer_timeout: Duration,
    /// For an upstream or a source to make something once the client has closed its side, which may mean that it waits
    /// for its response or that it is gone: which of them, only sending tells. 3 s; then it is taken for gone.
    pub half_closed_timeout: Duration,
    /// From a response's end to the connection's, while what the client still sends is thrown away. 2 s.
    pub linger_timeout: Duration,
    /// For answers in flight once the server was asked to stop. 5 s.
    pub grace: Duration,
    /// For one more request on an idle connection once the server was asked to stop. 0 s: idle connections are closed
    /// at once. A service that is restarted under load gives its clients a moment, so that none of them sends a
    /// request into a closing connection.
    pub last_call: Duration,
    /// Connections at a time; `None` is the limit of descriptors less a reserve. At the cap the listener rests, and
    /// connections that are idle between two requests are closed, oldest first.
    pub connections: Option<usize>,
    /// Connections of one client address at a time; more are closed without a byte. Unlimited by default, because
    /// many clients may share an address.
    pub connections_per_peer: Option<usize>,
    /// Bytes of unread input and unsent output that all connections together may keep while they wait. 256 MiB, but
    /// whatever is set here no more than a quarter of what `RLIMIT_AS` leaves to the process when the first server is
    /// made, nor of the memory limit of its control group. A connection that would need more is closed.
    pub buffers: usize,
}

impl Limits {
    /// How much of `all` may be in use before room is short.
    pub(crate) fn before_short(&self, all: usize) -> usize {
        (all as u128 * u128::from(self.short.min(100)) / 100) as usize
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            request_line: 64 * 1024,
            field_line: 64 * 1024,
            head: 128 * 1024,
            fields: 100,
            body: u64::MAX,
            chunk_overhead: 16 * 1024,
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
        }
    }
}
