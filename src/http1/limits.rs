//! The size limits of one message. Time limits and all other limits on a server's clients are in `src/limits.rs`.

/// The size limits of one message. They apply to requests and to responses.
///
/// A server copies them from its [`Limits`](crate::Limits), whose documentation explains the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLimits {
    /// The maximum length of the start line in bytes, including its CRLF.
    pub start_line: usize,
    /// The maximum length of one field line in bytes, including its CRLF.
    pub field_line: usize,
    /// The maximum length of the whole head in bytes, from the start line to the empty line that ends it.
    pub head: usize,
    /// The maximum number of field lines in the head.
    pub fields: usize,
    /// The maximum length of the body in bytes, without chunk framing.
    pub body: u64,
    /// The maximum total length of chunk extensions and trailer fields in one body, in bytes (RFC 9112 section 7.1.1).
    pub chunk_overhead: usize,
}

impl MessageLimits {
    /// True if a body of `length` bytes is within the limit. A length above `i64::MAX` always exceeds the limit,
    /// because some programs that receive the length cannot represent it.
    pub(super) fn allow_body(&self, length: u64) -> bool {
        length <= self.longest_body()
    }

    /// The number of bytes that a body may still have after the first `taken` bytes.
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
