//! The sizes that bound one message. Times and everything else that bounds a server's clients is in `src/limits.rs`.

/// The most that one message may hold. The protocol checks these limits, for a message of either side.
///
/// A server takes them from its [`Limits`](crate::Limits), which explains the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLimits {
    /// Bytes of the start line with its CRLF: the request line of a request, the status line of a response.
    pub start_line: usize,
    /// Bytes of one field line with its CRLF.
    pub field_line: usize,
    /// Bytes of the whole head, from its start line to the empty line that ends it.
    pub head: usize,
    /// Field lines of the head.
    pub fields: usize,
    /// Bytes of the body, without chunk framing.
    pub body: u64,
    /// Bytes of all chunk extensions and trailer fields of one body (RFC 9112 section 7.1.1).
    pub chunk_overhead: usize,
}

impl MessageLimits {
    /// True if a body of `length` bytes is within the limit. A length above `i64::MAX` is not, whatever the limit: not
    /// every program that the length is passed to can hold it.
    pub(super) fn allow_body(&self, length: u64) -> bool {
        length <= self.longest_body()
    }

    /// Bytes that a body may still have after `taken`.
    pub(super) fn body_left(&self, taken: u64) -> u64 {
        self.longest_body().saturating_sub(taken)
    }

    fn longest_body(&self) -> u64 {
        self.body.min(i64::MAX as u64)
    }
}

impl Default for MessageLimits {
    fn default() -> Self {
        MessageLimits {
            start_line: 64 * 1024,
            field_line: 64 * 1024,
            head: 128 * 1024,
            fields: 100,
            body: u64::MAX,
            chunk_overhead: 16 * 1024,
        }
    }
}
