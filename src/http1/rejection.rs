//! `Rejection`: the reason why a server stops reading, and the error response for it.

use std::borrow::Cow;

use super::Violation;
use crate::http::Status;

/// The reason why the server stops reading a client's request. The server sends an error response and then closes the
/// connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The request violates the protocol or exceeds a limit.
    Violation(Violation),
    /// The rest of the request did not arrive in time (RFC 9110 section 15.5.9).
    Timeout,
}

impl From<Violation> for Rejection {
    fn from(violation: Violation) -> Self {
        Rejection::Violation(violation)
    }
}

impl Rejection {
    /// The status of the error response.
    pub fn status(&self) -> Status {
        match self {
            Rejection::Violation(violation) => status(violation),
            Rejection::Timeout => Status::REQUEST_TIMEOUT,
        }
    }

    /// The reason phrase and short text of the error response, with CPython's wording if CPython also rejects the
    /// request. `None` means the standard phrase of the status.
    pub fn message(&self) -> Option<Cow<'static, str>> {
        match self {
            Rejection::Violation(violation) => message(violation),
            Rejection::Timeout => None,
        }
    }

    /// The long text of the error page. `None` means the standard description of the status.
    pub fn explanation(&self) -> Option<String> {
        match self {
            // The first two texts are those of CPython's `http.client`, which parses the fields for `http.server`.
            Rejection::Violation(Violation::LongField(limit)) => {
                Some(format!("got more than {limit} bytes when reading header line"))
            }
            Rejection::Violation(Violation::ManyFields(limit)) => Some(format!("got more than {limit} headers")),
            Rejection::Violation(Violation::LongHead(limit)) => Some(format!("got more than {limit} bytes of headers")),
            _ => None,
        }
    }
}

fn status(violation: &Violation) -> Status {
    match violation {
        Violation::UnsupportedVersion(_) => Status::HTTP_VERSION_NOT_SUPPORTED,
        Violation::LongRequestLine => Status::URI_TOO_LONG,
        Violation::LongField(_) | Violation::ManyFields(_) | Violation::LongHead(_) => {
            Status::REQUEST_HEADER_FIELDS_TOO_LARGE
        }
        Violation::Misdirected => Status::MISDIRECTED_REQUEST,
        Violation::UnknownCoding => Status::NOT_IMPLEMENTED,
        Violation::LargeBody => Status::CONTENT_TOO_LARGE,
        // All other violations are malformed requests (RFC 9110 section 15.5.1).
        _ => Status::BAD_REQUEST,
    }
}

fn message(violation: &Violation) -> Option<Cow<'static, str>> {
    let fixed = match violation {
        // These texts match CPython's verbatim.
        Violation::RequestLine(line) => return Some(format!("Bad request syntax ('{line}')").into()),
        Violation::Version(version) => return Some(format!("Bad request version ('{version}')").into()),
        Violation::UnsupportedVersion(version) => return Some(format!("Invalid HTTP version ({version})").into()),
        Violation::LongField(_) => "Line too long",
        Violation::ManyFields(_) => "Too many headers",
        // CPython sends 414 with the standard phrase, and never sends 413.
        Violation::LongRequestLine | Violation::LargeBody => return None,
        // CPython accepts requests with the following faults. These texts follow the style of CPython's messages.
        Violation::EmptyLines => "Empty lines before the request line",
        // These three violations occur only in responses, which only a client parses.
        Violation::StatusLine(_) | Violation::LongStatusLine(_) | Violation::ManyInterim(_) => return None,
        Violation::BareLf => "Line end without CR",
        Violation::Field => "Bad header line",
        Violation::LongHead(_) => "Headers too long",
        Violation::HostCount => "Exactly one Host header is needed",
        Violation::Host => "Bad Host",
        Violation::Target => "Bad request target",
        Violation::Misdirected => "No https on this port",
        Violation::ContentLength => "Bad Content-Length",
        Violation::TwoFramings => "Content-Length with Transfer-Encoding",
        Violation::TransferEncodingInHttp10 => "Transfer-Encoding in HTTP/1.0",
        Violation::TransferEncoding => "Bad Transfer-Encoding",
        Violation::UnknownCoding => "Unknown transfer coding",
        Violation::Chunk => "Bad chunk",
        Violation::ChunkOverhead => "Chunk extensions or trailers too long",
    };
    Some(fixed.into())
}
