//! `Limits`: all limits on the clients of a server. The protocol code receives only some of them, as `MessageLimits`.

use std::time::Duration;

use crate::http1::MessageLimits;
use crate::session::before_short;

/// The limits on the clients of a server: sizes, durations and counts.
///
/// A duration of zero means no limit for `head_timeout`, `idle_timeout`, `stall_timeout`, `send_timeout`,
/// `body_timeout`, `answer_timeout` and `half_closed_timeout`. For the other durations, zero is taken literally: a zero
/// `linger_timeout` makes the server close without waiting, a zero `grace` makes it stop immediately, and a zero
/// `last_call` means that it does not wait for further requests.
///
/// ```
/// use serve_forever::Limits;
/// let limits = Limits { fields: 50, ..Limits::default() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The maximum length of a request line in bytes, including its CRLF. The response to a longer line is 414.
    /// Default: 65,536, as in CPython.
    pub request_line: usize,
    /// The maximum length of one field line in bytes, including its CRLF. The response to a longer line is 431.
    /// Default: 65,536, as in CPython.
    pub field_line: usize,
    /// The maximum length of a whole head in bytes. The response to a longer head is 431. Default: 128 KiB, which is
    /// enough for one line of the maximum length and an ordinary head.
    pub head: usize,
    /// The maximum number of header fields in a request. A request with more fields gets a 431 response. Default: 100,
    /// as in CPython.
    pub fields: usize,
    /// The maximum length of a request's body in bytes. The response to a longer body is 413. Default: no limit,
    /// because bodies are not kept in memory.
    pub body: u64,
    /// The maximum total length of chunk extensions and trailer fields in one body, in bytes. A body that exceeds it
    /// gets a 400 response. Default: 16 KiB. Clients rarely use either, and without this limit such bytes would not
    /// count towards any size limit (RFC 9112 section 7.1.1).
    pub chunk_overhead: usize,
    /// The maximum number of bytes that the server discards from a body that no service reads. Discarding them lets the
    /// connection persist, or lets the client receive the response before the close. Default: 256 KiB, which is about
    /// the amount of data that can be in transit on a connection.
    pub drain: u64,
    /// The maximum time from the first byte of a head to its last, even if bytes keep arriving. When it expires, the
    /// response is 408. The same limit applies to the TLS handshake, measured from the time at which the connection was
    /// accepted. Default: 10 s.
    pub head_timeout: Duration,
    /// The maximum time from a response to the first byte of the next request on the same connection. The loop may
    /// close the connection up to an eighth of a second later. Default: 15 s, because browsers usually return within
    /// that time or not at all.
    pub idle_timeout: Duration,
    /// The maximum time without progress in a request's body. When it expires, the response is 408. A client that
    /// accepts none of its response for this time counts as stalled. Its connection is closed if the percentage
    /// [`short`](Limits::short) is exceeded. Default: 30 s, which leaves time for the retransmission of lost packets.
    pub stall_timeout: Duration,
    /// The maximum time without progress in sending a response, even if the percentage [`short`](Limits::short) is not
    /// exceeded. Default: 600 s, because a client that pauses, such as a background process or a sleeping laptop, costs
    /// only a descriptor and little memory.
    pub send_timeout: Duration,
    /// The percentage of [`connections`](Limits::connections) or of [`buffers`](Limits::buffers) in use above which the
    /// server closes the connections of stalled clients, starting with the client that has been stalled longest.
    /// Default: 90. The rest is reserved for clients that arrive in the meantime.
    pub short: u8,
    /// The maximum time for the whole body of a request, not counting time during which the server does not read. Every
    /// [`body_rate`](Limits::body_rate) bytes extend it by one second. When it expires, the response is 408. Default:
    /// 30 s.
    pub body_timeout: Duration,
    /// The minimum average rate, in bytes per second, of a body that takes longer than
    /// [`body_timeout`](Limits::body_timeout). With 0, a body may take any amount of time. Default: 500, which even the
    /// slowest network links exceed. This limit prevents a client that sends one byte at a time from occupying a
    /// connection for long.
    pub body_rate: u64,
    /// The maximum time from a complete request to the head of its response, if a handler or a child process produces
    /// the response. When it expires, the response is 504. Default: 60 s.
    pub answer_timeout: Duration,
    /// The maximum time between parts of the response once the client has closed its sending side. When it expires, the
    /// server closes the connection, and a waiting handler is cancelled. If the response has not begun, it is 504, so
    /// the log contains a 504 for a client that disconnects during a long poll. A closed sending side can mean that the
    /// client is waiting for its response or that it has disconnected, and only sending shows which. Default: 3 s.
    pub half_closed_timeout: Duration,
    /// The maximum time from the end of the last response to the close of its connection. During this time, the server
    /// discards the bytes that the client still sends. Default: 2 s.
    pub linger_timeout: Duration,
    /// The maximum time that unfinished responses are given after the server has been told to stop. Default: 5 s.
    pub grace: Duration,
    /// How long a client can still send a request on an idle connection after the server has been told to stop. Set
    /// this for a service that is restarted under load, so that clients do not send requests on connections that are
    /// being closed. Default: 0 s, which closes idle connections immediately.
    pub last_call: Duration,
    /// The maximum number of connections at the same time. At the limit, the server stops accepting, and closes
    /// connections that are idle between two requests, starting with the one that has been idle longest. Default:
    /// `None`, which means the number of descriptors of the process minus a reserve.
    pub connections: Option<usize>,
    /// The maximum number of connections per client address at the same time. Further connections are closed without
    /// sending a byte. Default: no limit, because many clients can share an address.
    pub connections_per_peer: Option<usize>,
    /// The maximum number of bytes of unread input and unsent output that all connections together hold while they
    /// wait. A connection that needs more is closed. Default: 256 MiB. The limit is never more than a quarter of the
    /// memory limit of the process's control group, or a quarter of the address space that `RLIMIT_AS` leaves to the
    /// process when the first server is created.
    pub buffers: usize,
    /// The maximum number of TLS handshakes that are computed in one turn of the loop; other handshakes wait for the
    /// next turn. 0 has the same effect as 1. Default: 4. A handshake takes a fifth of a millisecond, or more with RSA,
    /// and the requests of other clients wait for it.
    pub handshakes: usize,
}

impl Limits {
    /// The size limits of one message, for the protocol code.
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

    /// The largest part of `all` that can be in use without exceeding the percentage [`Limits::short`].
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
