//! The constraints that a request imposes on its response and on the persistence of the connection.
//!
//! The fields that the constraints are derived from are parsed in `http1/head/`.

/// The properties of a request that determine how its response is framed and whether the connection persists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ResponseConstraints {
    /// True if the method is HEAD, so that the response has no body.
    pub(crate) is_head: bool,
    /// True if the version is HTTP/1.0, in which case the response must not be chunked or preceded by a 1xx response.
    pub(crate) is_http10: bool,
    /// The fate of the connection after the response: it may persist, or it is closed.
    pub(crate) persistence: Persistence,
    /// The expectation in the `Expect` field.
    pub(crate) expect: Expect,
}

impl ResponseConstraints {
    /// True if the connection may persist after the response.
    pub(crate) fn keep_alive(&self) -> bool {
        self.persistence == Persistence::KeepAlive
    }

    /// Makes the connection close after the response, unless it closes anyway. The reason is not a `Connection: close`
    /// from the client, so the client may still send bytes.
    pub(crate) fn forbid_keep_alive(&mut self) {
        if self.keep_alive() {
            self.persistence = Persistence::Close;
        }
    }
}

/// The state of a connection after the response to a request (RFC 9112 sections 9.3 and 9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Persistence {
    /// The connection closes, but the client may still send bytes: the rest of a body, or a pipelined request.
    #[default]
    Close,
    /// The connection closes, and the client sends nothing more, because the request has `Connection: close` and no
    /// body.
    LastRequest,
    /// The connection may persist.
    KeepAlive,
}

/// The value of `Expect` (RFC 9110 section 10.1.1). The field is ignored in HTTP/1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    /// The request has no `Expect` field.
    #[default]
    None,
    /// The value is `100-continue`: the client does not send its body until it receives 100 or a final response.
    Continue,
    /// Any other value. The server cannot meet it, so the response is 417.
    Unknown,
}
