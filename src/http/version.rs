//! The two supported versions of HTTP/1.
//!
//! The effect of the version on a message is defined in `http1`.

use std::fmt;

/// A version of HTTP/1, from a request line or a status line.
///
/// Every minor version above 1 is treated as [`Version::Http11`] (RFC 9110 section 6.2). There is no `Version` for
/// other major versions; the response to them is 505.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, no 1xx responses, and one request per connection unless both sides agree to keep
    /// the connection open.
    Http10,
    /// HTTP/1.1: connections persist by default, and bodies of unknown length are chunked.
    #[default]
    Http11,
}

impl Version {
    /// The name as it appears in messages: `HTTP/1.0` or `HTTP/1.1`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Version {
    type Err = String;

    /// Parses `HTTP/1.0` or `HTTP/1.1`. For any other input, the error message contains the input.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "HTTP/1.0" => Ok(Version::Http10),
            "HTTP/1.1" => Ok(Version::Http11),
            other => Err(format!("unsupported protocol version '{other}' (HTTP/1.0 or HTTP/1.1)")),
        }
    }
}
