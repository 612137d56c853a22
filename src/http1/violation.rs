//! `Violation`: the fault in a malformed or oversized message, for requests and responses. A server's response to a
//! violation is in `rejection.rs`.

/// A rule of the protocol that a message violates, or a limit that the message exceeds. The recipient cannot know where
/// the next message begins, so it reads nothing more from the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// There are too many empty lines before the start line (RFC 9112 section 2.2).
    EmptyLines,
    /// The request line does not have the form `method SP target SP version` (RFC 9112 section 3). The variant contains
    /// the line.
    RequestLine(String),
    /// The version does not have the form `HTTP/` digit `.` digit (RFC 9112 section 2.3). The variant contains the text
    /// found instead.
    Version(String),
    /// The major version is not 1 (RFC 9110 section 15.6.6). The variant contains the major and minor version.
    UnsupportedVersion(String),
    /// The request line is longer than its limit (RFC 9112 section 3).
    LongRequestLine,
    /// The status line does not have the form `version SP status SP reason`, or is missing (RFC 9112 section 4). The
    /// variant contains the line.
    StatusLine(String),
    /// The status line is longer than its limit (RFC 9112 section 4). The variant contains the limit.
    LongStatusLine(usize),
    /// There are more interim responses before a final one than the limit allows (RFC 9110 section 15.2). The variant
    /// contains the limit.
    ManyInterim(usize),
    /// A line in the head ends in LF without CR (RFC 9112 section 2.2).
    BareLf,
    /// A field line is malformed: it has no colon or has white space before the colon, contains a bare CR or another
    /// control character, or is folded (RFC 9112 section 5).
    Field,
    /// A field line is longer than its limit (RFC 6585 section 5). The variant contains the limit.
    LongField(usize),
    /// There are more header fields than the limit allows (RFC 6585 section 5). The variant contains the limit.
    ManyFields(usize),
    /// The whole head is longer than its limit (RFC 6585 section 5). The variant contains the limit.
    LongHead(usize),
    /// An HTTP/1.1 request has no `Host` field or several, or an HTTP/1.0 request has several (RFC 9112 section 3.2).
    HostCount,
    /// `Host`, or the authority of a target, is not a host with an optional port (RFC 9110 section 7.2).
    Host,
    /// The target has a form that the method does not allow (RFC 9112 section 3.2).
    Target,
    /// The target is an `https` URL, but the connection does not use TLS (RFC 9110 section 7.4).
    Misdirected,
    /// `Content-Length` is not a single decimal number (RFC 9112 section 6.3).
    ContentLength,
    /// The message has both `Content-Length` and `Transfer-Encoding` (RFC 9112 section 6.1).
    TwoFramings,
    /// An HTTP/1.0 message has `Transfer-Encoding` (RFC 9112 section 6.1).
    TransferEncodingInHttp10,
    /// `Transfer-Encoding` does not end in a single `chunked` without parameters (RFC 9112 section 6.3).
    TransferEncoding,
    /// There is a transfer coding other than `chunked` (RFC 9112 section 6.1).
    UnknownCoding,
    /// The body is longer than the limit (RFC 9110 section 15.5.14).
    LargeBody,
    /// A chunk size, a chunk extension or the end of a chunk is malformed (RFC 9112 section 7.1).
    Chunk,
    /// Chunk extensions and trailer fields together exceed their limit (RFC 9112 section 7.1.1).
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
