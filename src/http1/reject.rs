use std::borrow::Cow;

use crate::http::Status;

/// Why a request was refused by the protocol: always the client's fault, always answered with a whole response,
/// after which the connection is closed, because where the next request would begin is not known any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reject {
    /// More than a few empty lines before the request line (RFC 9112 section 2.2).
    EmptyLines,
    /// The request line is not method SP target SP version; holds the line (RFC 9112 section 3).
    RequestLine(String),
    /// The version is not `HTTP/` digit `.` digit; holds it (RFC 9112 section 2.3).
    Version(String),
    /// A major version other than 1; holds the two digits (RFC 9110 section 15.6.6).
    UnsupportedVersion(String),
    /// The request line is longer than its limit (RFC 9112 section 3).
    LongRequestLine,
    /// A line of the head ends in LF without CR (RFC 9112 section 2.2).
    BareLf,
    /// A field line that is none: no colon, white space before it, a bare CR, a control character, a folded line
    /// (RFC 9112 section 5).
    Field,
    /// One field line is longer than its limit (RFC 6585 section 5); holds the limit.
    LongField(usize),
    /// More header fields than the limit (RFC 6585 section 5); holds the limit.
    ManyFields(usize),
    /// The whole head is longer than its limit (RFC 6585 section 5); holds the limit.
    LongHead(usize),
    /// Not exactly one `Host` in HTTP/1.1, or more than one in HTTP/1.0 (RFC 9112 section 3.2).
    HostCount,
    /// A `Host`, or the authority of a target, that is not host and optional port (RFC 9110 section 7.2).
    Host,
    /// A target of the wrong form for its method, or none that this server knows (RFC 9112 section 3.2).
    Target,
    /// An `https` target on a connection that is not TLS (RFC 9110 section 7.4).
    Misdirected,
    /// `Content-Length` is not one plain number (RFC 9112 section 6.3).
    ContentLength,
    /// `Content-Length` together with `Transfer-Encoding` (RFC 9112 section 6.1).
    TwoFramings,
    /// `Transfer-Encoding` in an HTTP/1.0 request (RFC 9112 section 6.1).
    TransferEncodingInHttp10,
    /// `Transfer-Encoding` that does not end in a single, plain `chunked` (RFC 9112 section 6.3).
    TransferEncoding,
    /// A transfer coding that this server does not know (RFC 9112 section 6.1).
    UnknownCoding,
    /// The body is longer than the limit (RFC 9110 section 15.5.14).
    LargeBody,
    /// The chunked coding of the body is broken (RFC 9112 section 7.1).
    Chunk,
    /// Chunk extensions or trailer fields beyond their limit (RFC 9112 section 7.1.1).
    ChunkOverhead,
    /// The client took too long with the rest of its request (RFC 9110 section 15.5.9).
    Timeout,
}

impl Reject {
    /// The status that it is answered with.
    pub fn status(&self) -> Status {
        match self {
            Reject::UnsupportedVersion(_) => Status::HTTP_VERSION_NOT_SUPPORTED,
            Reject::LongRequestLine => Status::URI_TOO_LONG,
            Reject::LongField(_) | Reject::ManyFields(_) | Reject::LongHead(_) => {
                Status::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Reject::Misdirected => Status::MISDIRECTED_REQUEST,
            Reject::UnknownCoding => Status::NOT_IMPLEMENTED,
            Reject::LargeBody => Status::CONTENT_TOO_LARGE,
            Reject::Timeout => Status::REQUEST_TIMEOUT,
            _ => Status::BAD_REQUEST,
        }
    }

    /// The short text, in CPython's words where it has some (contract rows HB13 to HB16, HB22); `None` is the
    /// status's phrase.
    pub fn message(&self) -> Option<Cow<'static, str>> {
        let fixed = match self {
            Reject::RequestLine(line) => return Some(format!("Bad request syntax ('{line}')").into()),
            Reject::Version(version) => return Some(format!("Bad request version ('{version}')").into()),
            Reject::UnsupportedVersion(version) => return Some(format!("Invalid HTTP version ({version})").into()),
            Reject::LongRequestLine | Reject::LargeBody | Reject::Timeout => return None,
            Reject::EmptyLines => "Empty lines before the request line",
            Reject::BareLf => "Line end without CR",
            Reject::Field => "Bad header line",
            Reject::LongField(_) => "Line too long",
            Reject::ManyFields(_) => "Too many headers",
            Reject::LongHead(_) => "Headers too long",
            Reject::HostCount => "Exactly one Host header is needed",
            Reject::Host => "Bad Host",
            Reject::Target => "Bad request target",
            Reject::Misdirected => "No https on this port",
            Reject::ContentLength => "Bad Content-Length",
            Reject::TwoFramings => "Content-Length with Transfer-Encoding",
            Reject::TransferEncodingInHttp10 => "Transfer-Encoding in HTTP/1.0",
            Reject::TransferEncoding => "Bad Transfer-Encoding",
            Reject::UnknownCoding => "Unknown transfer coding",
            Reject::Chunk => "Bad chunk",
            Reject::ChunkOverhead => "Chunk extensions or trailers too long",
        };
        Some(fixed.into())
    }

    /// The long text of the error page, where it says more than the status's description.
    pub fn explain(&self) -> Option<String> {
        match self {
            Reject::LongField(limit) => Some(format!("got more than {limit} bytes when reading header line")),
            Reject::ManyFields(limit) => Some(format!("got more than {limit} headers")),
            Reject::LongHead(limit) => Some(format!("got more than {limit} bytes of headers")),
            _ => None,
        }
    }

    /// Names a part of a request in a message: at most 100 bytes of it, what is not printable ASCII as `\xNN`.
    pub(super) fn show(bytes: &[u8]) -> String {
        let cut = &bytes[..bytes.len().min(100)];
        let dots = if cut.len() < bytes.len() { "..." } else { "" };
        format!("{}{dots}", cut.escape_ascii())
    }
}
