//! The constraints that a request puts on its response and on the connection after it.
//!
//! Not here: parsing the fields from which they follow (`http1/head/`).

/// The properties of a request that decide the framing of its response, and whether the connection persists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ResponseConstraints {
    /// The method is HEAD, so the response has no body.
    pub(crate) is_head: bool,
    /// The version is HTTP/1.0, so the response must not be chunked or follow a 1xx response.
    pub(crate) is_http10: bool,
    /// Whether the connection can persist after the response.
    pub(crate) persistence: Persistence,
    /// The value of `Expect`.
    pub(crate) expect: Expect,
}

impl ResponseConstraints {
    /// True if the connection may persist after the response.
    pub(crate) fn keep_alive(&self) -> bool {
        self.persistence == Persistence::KeepAlive
    }

    /// Ends the connection after the response, for a reason other than the client's `Connection: close`.
    pub(crate) fn forbid_keep_alive(&mut self) {
        if self.keep_alive() {
            self.persistence = Persistence::Close;
        }
    }
}

/// Determines how a connection continues after the response to a request (RFC 9112 sections 9.3 and 9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Persistence {
    /// The connection ends, and the client may still send bytes: the rest of a body, or a pipelined request.
    #[default]
    Close,
    /// The connection ends, and the client sends nothing more: the request says `Connection: close` and has no body.
    LastRequest,
    /// The connection may persist.
    KeepAlive,
}

/// The value of `Expect` (RFC 9110 section 10.1.1). The field is ignored in HTTP/1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    /// The request has no such field.
    #[default]
    None,
    /// `100-continue`: the client does not send its body until it receives 100 or a final response.
    Continue,
    /// Any other value. The server cannot meet it, so the response is 417.
    Unknown,
}
