//! `Violation`: the fault of a message, for requests and responses. Not here: the response of a server
//! (`rejection.rs`).

/// A rule of the protocol that a message breaks, or a limit that it exceeds. The reader of the message cannot know where the
/// next one begins, so it reads nothing more from the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// Too many empty lines before the start line (RFC 9112 section 2.2).
    EmptyLines,
    /// The request line is not method SP target SP version; contains the line (RFC 9112 section 3).
    RequestLine(String),
    /// The version is not `HTTP/` digit `.` digit; contains the text in its place (RFC 9112 section 2.3).
    Version(String),
    /// A major version other than 1; contains the two numbers (RFC 9110 section 15.6.6).
    UnsupportedVersion(String),
    /// The request line is longer than its limit (RFC 9112 section 3).
    LongRequestLine,
    /// The status line is not version SP status SP reason, or is missing; contains the line (RFC 9112 section 4).
    StatusLine(String),
    /// The status line is longer than its limit (RFC 9112 section 4); contains the limit.
    LongStatusLine(usize),
    /// More interim responses before a final one than the limit (RFC 9110 section 15.2); contains the limit.
    ManyInterim(usize),
    /// A line of the head ends in LF without CR (RFC 9112 section 2.2).
    BareLf,
    /// A malformed field line: without a colon, with white space before it, with a bare CR or another control character,
    /// or folded (RFC 9112 section 5).
    Field,
    /// One field line is longer than its limit (RFC 6585 section 5); contains the limit.
    LongField(usize),
    /// More header fields than the limit (RFC 6585 section 5); contains the limit.
    ManyFields(usize),
    /// The whole head is longer than its limit (RFC 6585 section 5); contains the limit.
    LongHead(usize),
    /// No `Host` or several in HTTP/1.1, or several in HTTP/1.0 (RFC 9112 section 3.2).
    HostCount,
    /// A `Host`, or the authority of a target, that is not a host with an optional port (RFC 9110 section 7.2).
    Host,
    /// A target whose form its method does not allow (RFC 9112 section 3.2).
    Target,
    /// An `https` target on a connection that is not TLS (RFC 9110 section 7.4).
    Misdirected,
    /// `Content-Length` is not a single decimal number (RFC 9112 section 6.3).
    ContentLength,
    /// `Content-Length` together with `Transfer-Encoding` (RFC 9112 section 6.1).
    TwoFramings,
    /// `Transfer-Encoding` in an HTTP/1.0 message (RFC 9112 section 6.1).
    TransferEncodingInHttp10,
    /// `Transfer-Encoding` that does not end in a single, plain `chunked` (RFC 9112 section 6.3).
    TransferEncoding,
    /// A transfer coding other than `chunked` (RFC 9112 section 6.1).
    UnknownCoding,
    /// The body is longer than the limit (RFC 9110 section 15.5.14).
    LargeBody,
    /// A malformed chunk size, chunk extension or end of a chunk (RFC 9112 section 7.1).
    Chunk,
    /// Chunk extensions or trailer fields beyond their limit (RFC 9112 section 7.1.1).
    ChunkOverhead,
}

impl Violation {
    /// Quotes a part of the message for a variant that contains it: at most 100 bytes, with `\xNN` for each byte that
    /// is not printable ASCII.
    pub(super) fn quote(bytes: &[u8]) -> String {
        let cut = &bytes[..bytes.len().min(100)];
        let dots = if cut.len() < bytes.len() { "..." } else { "" };
        format!("{}{dots}", cut.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_ends_in_dots_if_it_is_not_the_whole_text() {
        assert_eq!(Violation::quote(b"a\n\xff"), "a\\n\\xff");
        assert_eq!(Violation::quote(&[b'x'; 100]), "x".repeat(100));
        assert_eq!(Violation::quote(&[b'x'; 101]), "x".repeat(100) + "...");
    }
}
