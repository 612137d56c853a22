//! The constraints that a request puts on its response and on the connection after it.
//!
//! What stays out: parsing the fields that they follow from, which is in `http1/head/`.

/// The properties of a request that decide the framing of its response, and whether the connection persists.
// Aligned so that its five bytes are copied by one instruction: it is copied with every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(align(8))]
pub(crate) struct ResponseConstraints {
    /// The method is HEAD: the response has no body.
    pub(crate) is_head: bool,
    /// The version is HTTP/1.0: the response has neither chunked coding nor a 1xx before it.
    pub(crate) is_http10: bool,
    /// The connection may persist after the response (RFC 9112 section 9.3).
    pub(crate) keep_alive: bool,
    /// The request says `Connection: close` and has no body: the client sends nothing after it (RFC 9112 section 9.6).
    pub(crate) is_last: bool,
    /// The value of `Expect`.
    pub(crate) expect: Expect,
}

/// The value of `Expect` (RFC 9110 section 10.1.1). The field is ignored in HTTP/1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    /// There is no such field.
    #[default]
    None,
    /// `100-continue`: the client does not send its body until it receives 100 or a final response.
    Continue,
    /// Any other value. No server can meet it; the response is 417.
    Unknown,
}
