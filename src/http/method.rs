use std::fmt;

/// A request method (RFC 9110 section 9, RFC 5789 for PATCH), compared with regard to case.
///
/// ```
/// use serve_forever::http::Method;
/// assert_eq!(Method::from_token("GET"), Method::Get);
/// assert_eq!(Method::from_token("get"), Method::Other("get".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// Transfer a current representation of the target.
    #[default]
    Get,
    /// The same as GET, without the body.
    Head,
    /// Resource-specific processing of the request body.
    Post,
    /// Replace the target with the request body.
    Put,
    /// Remove the target.
    Delete,
    /// Establish a tunnel; an origin server has none to offer.
    Connect,
    /// Describe the communication options of the target.
    Options,
    /// A message loop-back test.
    Trace,
    /// Apply a partial modification.
    Patch,
    /// Any other token, such as `RICKROLL` or (methods have a case) `get`.
    Other(Box<str>),
}

impl Method {
    /// The method that a token names. The caller has checked that it is one (see [`is_token`]).
    pub fn from_token(token: &str) -> Method {
        Method::from_bytes(token.as_bytes())
    }

    /// The same for bytes that were found to be a token, which makes them ASCII.
    pub(crate) fn from_bytes(token: &[u8]) -> Method {
        match token {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"CONNECT" => Method::Connect,
            b"OPTIONS" => Method::Options,
            b"TRACE" => Method::Trace,
            b"PATCH" => Method::Patch,
            other => Method::Other(String::from_utf8_lossy(other).into()),
        }
    }

    /// The token as it stands in the request line.
    pub fn as_str(&self) -> &str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Connect => "CONNECT",
            Method::Options => "OPTIONS",
            Method::Trace => "TRACE",
            Method::Patch => "PATCH",
            Method::Other(token) => token,
        }
    }

    /// Whether this is one of the nine methods that RFC 9110 and RFC 5789 define. An unknown one is answered
    /// with 501, a known one that a resource does not support with 405 (RFC 9110 section 9.1).
    pub fn is_standard(&self) -> bool {
        !matches!(self, Method::Other(_))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<str> for Method {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2): method names, field names, codings.
pub const fn is_token_byte(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
}

/// [`is_token_byte`] by byte.
const TOKEN_BYTES: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0);
    while byte < 256 {
        table[byte] = is_token_byte(byte as u8);
        byte += 1;
    }
    table
};

/// Whether the bytes are a token: one or more of [`is_token_byte`].
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| TOKEN_BYTES[usize::from(*byte)])
}
