//! Request methods, and tokens, which are the syntax of method and field names.
//!
//! A service decides which methods a resource supports.

use std::fmt;

/// A request method (RFC 9110 section 9, RFC 5789 for PATCH). Methods are case-sensitive.
///
/// ```
/// use serve_forever::http::Method;
/// assert_eq!(Method::from_token("GET"), Method::Get);
/// assert_eq!(Method::from_token("get"), Method::Other("get".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// Transfers a current representation of the target.
    #[default]
    Get,
    /// The same as GET, but without the body.
    Head,
    /// Processes the request body in a resource-specific way.
    Post,
    /// Replaces the target with the request body.
    Put,
    /// Removes the target.
    Delete,
    /// Establishes a tunnel. Origin servers do not support this method.
    Connect,
    /// Describes the communication options of the target.
    Options,
    /// Performs a loop-back test: the response contains the request.
    Trace,
    /// Applies a partial modification to the target.
    Patch,
    /// Any other token, such as `RICKROLL`, or `get` in lower case.
    Other(Box<str>),
}

impl Method {
    /// The method with this name. `token` must be a token (see [`is_token`]).
    pub fn from_token(token: &str) -> Method {
        Method::from_bytes(token.as_bytes())
    }

    /// The method with this name. `token` must be a token, and is therefore ASCII.
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

    /// The token that stands for the method in a request line.
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

    /// True for the nine methods that are defined in RFC 9110 and RFC 5789. The response to an unknown method is 501.
    /// The response to a known method that a resource does not support is 405 (RFC 9110 section 9.1).
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

/// True if the byte is allowed in a token (RFC 9110 section 5.6.2). Methods, field names and codings are tokens.
pub const fn is_token_byte(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
}

/// The results of [`is_token_byte`] as a table. Lookups must be fast, because all field names of a request are checked.
const TOKEN_BYTES: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0);
    while byte < 256 {
        table[byte] = is_token_byte(byte as u8);
        byte += 1;
    }
    table
};

/// True if the bytes are a token: one or more bytes for which [`is_token_byte`] is true.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| TOKEN_BYTES[usize::from(*byte)])
}
