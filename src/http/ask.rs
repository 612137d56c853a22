/// What a request asks of the connection that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ask {
    /// The response has no body.
    pub(crate) is_head: bool,
    /// No chunked coding and no 1xx to this client.
    pub(crate) is_http10: bool,
    /// The client means to send another request.
    pub(crate) keep_alive: bool,
    /// The client has said `close` and sends no body: this request is the last that it sends (RFC 9112 section 9.6).
    pub(crate) is_last: bool,
    /// `Expect` was there.
    pub(crate) expect: Expect,
}

/// What `Expect` says (RFC 9110 section 10.1.1). It is ignored in HTTP/1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    /// Nothing.
    #[default]
    None,
    /// The client waits with the body until it is told to go on, or gets its answer.
    Continue,
    /// Something that nobody can meet: 417.
    Unknown,
}
