//! A request: its request line, target, header fields and addresses. It can also be built without a connection.
//!
//! `http1` parses the head. The body is not part of the request.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use super::{
    Expect, Field, Fields, HttpError, Method, RequestFields, ResponseConstraints, Span, UrlPath, Version, is_token,
    latin1, list_elements, query_pairs,
};
use crate::tls_info::TlsInfo;

/// A request: its request line, its header fields, the addresses of client and server, and the time of its arrival.
///
/// A `Request` owns a copy of its head, so it can outlive the input buffer. A connection reuses one `Request`, so that
/// further requests on a persistent connection need no allocation. The body is not part of the request: a service gets
/// it through [`Upstream::feed`](crate::service::Upstream::feed).
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) head: Vec<u8>,
    pub(crate) line: Span,
    pub(crate) target: Span,
    pub(crate) path: Span,
    pub(crate) query: Option<Span>,
    pub(crate) authority: Option<Span>,
    pub(crate) fields: Fields,
    pub(crate) body: BodyLength,
    /// The constraints on the response. `None` if the head is not complete or not valid.
    pub(crate) constraints: Option<ResponseConstraints>,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) arrived: Instant,
    pub(crate) tls: Option<Arc<TlsInfo>>,
}

/// The length of a request body according to its framing fields (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyLength {
    /// The request has neither `Content-Length` nor `Transfer-Encoding`, and therefore no body.
    #[default]
    None,
    /// The request has a `Content-Length`, which may be 0.
    Known(u64),
    /// The request has `Transfer-Encoding: chunked`, so the length is not known before the last chunk.
    Chunked,
}

impl BodyLength {
    /// True if there is no body, or a body of length 0.
    pub fn is_empty(self) -> bool {
        matches!(self, BodyLength::None | BodyLength::Known(0))
    }
}

impl Default for Request {
    /// Creates an empty request, which a connection then fills. The addresses are unspecified, and the arrival time is
    /// the current time.
    fn default() -> Self {
        let unspecified = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Request {
            method: Method::Get,
            version: Version::Http11,
            head: Vec::new(),
            line: Span::default(),
            target: Span::default(),
            path: Span::default(),
            query: None,
            authority: None,
            fields: Fields::default(),
            body: BodyLength::None,
            constraints: None,
            peer: unspecified,
            local: unspecified,
            arrived: Instant::now(),
            tls: None,
        }
    }
}

impl Request {
    /// Returns a builder for a request, for tests and for services that are called without a connection.
    pub fn builder(method: &str, target: &str) -> RequestBuilder {
        RequestBuilder { method: method.to_owned(), target: target.to_owned(), head: Vec::new() }
    }

    /// The method, like Python's `command`.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The HTTP version that applies to this request and its response.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The request line without its CRLF, as the client sent it, like Python's `requestline`.
    ///
    /// It is empty if the client's line was longer than [`Limits::request_line`](crate::Limits::request_line).
    pub fn request_line(&self) -> &[u8] {
        self.line.slice(&self.head)
    }

    /// The request target as the client sent it: not decoded, and including the query. This is Python's `path`.
    pub fn target(&self) -> &[u8] {
        self.target.slice(&self.head)
    }

    /// The path of the target, not decoded and without the query. It is `*` for the target `*`, and empty for CONNECT.
    /// For an absolute-form target it is the path of the URI (RFC 9112 section 3.2.2), or `/` if that path is empty.
    ///
    /// Many different paths can name the same resource: `/private`, `/%70rivate`, `//private` and `/x/../private`. An
    /// access check of this path could therefore be bypassed. [`Request::url_path`] is the same for all of these.
    pub fn path(&self) -> &[u8] {
        let path = self.path.slice(&self.head);
        if path.is_empty() && self.method != Method::Connect { b"/" } else { path }
    }

    /// The target in origin form (RFC 9112 section 3.2.1), as a proxy sends it to a server. It consists of the path and
    /// the query, not decoded. The scheme and the authority of an absolute-form target are left out. The proxy must
    /// then send [`authority`](Request::authority) as `Host`, and not the client's `Host` (section 3.2.2).
    ///
    /// ```
    /// use serve_forever::{http::Request, service::Response, testing};
    ///
    /// let service = |request: &Request| Response::text(request.origin_form());
    /// for (target, origin_form) in [("/a%20b?c", "/a%20b?c"), ("http://localhost?c", "/?c"), ("http://localhost/", "/")] {
    ///     let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ///     let response = testing::answer(service, request.as_bytes());
    ///     assert!(response.ends_with(format!("\r\n\r\n{origin_form}").as_bytes()), "{target}");
    /// }
    /// ```
    pub fn origin_form(&self) -> String {
        let mut target = latin1(self.path()).into_owned();
        if let Some(query) = self.query() {
            target.push('?');
            target.push_str(&latin1(query));
        }
        target
    }

    /// The path of the target, decoded and normalised. Use this path to select a resource and to check access.
    ///
    /// ```
    /// use serve_forever::http::Request;
    /// for target in ["/private/a", "/%70rivate/a?b", "//private/./a", "/x/../private/a"] {
    ///     let path = Request::builder("GET", target).build().url_path()?;
    ///     assert!(path.starts_with("/private"));
    ///     assert_eq!(path.to_string(), "/private/a");
    /// }
    /// # Ok::<(), serve_forever::http::HttpError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error with status 400 if an escape is malformed, or if the decoded path contains NUL.
    pub fn url_path(&self) -> Result<UrlPath, HttpError> {
        Ok(UrlPath::parse(self.path())?)
    }

    /// The part of the target after the first `?`, not decoded.
    pub fn query(&self) -> Option<&[u8]> {
        self.query.map(|span| span.slice(&self.head))
    }

    /// The pairs of the query in order, decoded like a form: `+` is a space, `%XX` is a byte, and invalid UTF-8 is
    /// replaced. A name can occur several times. This is Python's `urllib.parse.parse_qsl` with `keep_blank_values`.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        query_pairs(self.query().unwrap_or_default())
    }

    /// The first value with this name in the query, decoded as in [`query_pairs`](Request::query_pairs).
    ///
    /// ```
    /// use serve_forever::http::Request;
    /// let request = Request::builder("GET", "/?q=one+two&page=2").build();
    /// assert_eq!(request.param("q").as_deref(), Some("one two"));
    /// assert_eq!(request.param("page").and_then(|page| page.parse().ok()), Some(2));
    /// assert_eq!(request.param("none"), None);
    /// ```
    pub fn param(&self, name: &str) -> Option<String> {
        self.query_pairs().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The host and port of the request. They come from an absolute-form target or, if the target has another form,
    /// from the `Host` field.
    pub fn authority(&self) -> Option<&[u8]> {
        self.authority.map(|span| span.slice(&self.head))
    }

    /// The header fields of the request, in the order in which the client sent them.
    pub fn headers(&self) -> RequestFields<'_> {
        RequestFields { head: &self.head, fields: &self.fields }
    }

    /// True if the client requests another protocol on this connection (RFC 9110 section 7.8), such as `websocket`: the
    /// `Upgrade` field contains the protocol, and the `Connection` field has the `upgrade` option. Both are ignored in
    /// HTTP/1.0, in a request with a body, and in a HEAD request.
    pub fn asks_for_upgrade(&self, protocol: &str) -> bool {
        let has = |field: &str, word: &str| {
            list_elements(self.headers().get_all(field)).any(|element| element.eq_ignore_ascii_case(word.as_bytes()))
        };
        let may_switch = self.version == Version::Http11 && self.method != Method::Head && self.body.is_empty();
        may_switch && has("Upgrade", protocol) && has("Connection", "upgrade")
    }

    /// The length of the request body, as far as the head determines it.
    pub fn body_length(&self) -> BodyLength {
        self.body
    }

    /// The method and target, which identify the request in log messages.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, String::from_utf8_lossy(self.target()))
    }

    /// True if the client waits for `100 Continue` before it sends its body (RFC 9110 section 10.1.1).
    pub(crate) fn expects_continue(&self) -> bool {
        !self.body.is_empty() && self.constraints.is_some_and(|constraints| constraints.expect == Expect::Continue)
    }

    /// The address of the client, like Python's `client_address`.
    pub fn client_address(&self) -> SocketAddr {
        self.peer
    }

    /// The address of the listener. The IP address is unspecified if the listener is bound to all addresses.
    pub fn server_address(&self) -> SocketAddr {
        self.local
    }

    /// The arrival time of the request, which is the beginning of the turn of the loop in which it was read. It is the
    /// same for all requests of a turn, so a service can compare it to perform a check only once per turn.
    pub fn arrived(&self) -> Instant {
        self.arrived
    }

    /// The scheme of the resource: `https` if the connection is encrypted, otherwise `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The result of the connection's TLS handshake. `None` if the connection is not encrypted.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_deref()
    }

    /// Creates the request that follows a local redirect to `target`, a path and query (RFC 3875 section 6.2.2). The
    /// new request is a HEAD if this request is a HEAD, and otherwise a GET. It has no body, no fields that describe a
    /// body, and no request for another protocol. It keeps the client's request line, for the log.
    #[cfg_attr(not(any(feature = "cgi", test)), expect(dead_code, reason = "only scripts redirect within the server"))]
    pub(crate) fn redirected(&self, target: &[u8]) -> Request {
        let mut request = self.retargeted(target);
        if request.method != Method::Head {
            request.method = Method::Get;
        }
        request.body = BodyLength::None;
        request.fields.retain(|field| {
            let name = field.name.slice(&self.head).to_ascii_lowercase();
            let other = [&b"transfer-encoding"[..], b"expect", b"upgrade", b"connection"];
            !name.starts_with(b"content-") && !other.contains(&&name[..])
        });
        request
    }

    /// Creates a copy of this request for `target`, another path and query. The copy keeps the client's request line,
    /// for the log.
    pub(crate) fn retargeted(&self, target: &[u8]) -> Request {
        let mut request = self.clone();
        // The new target is appended to the head, so that the spans of the fields stay valid.
        let start = request.head.len();
        request.head.extend_from_slice(target);
        request.target = Span::new(start, request.head.len());
        request.split_path(start, start + target.len());
        request
    }

    /// Makes `self` a copy of `other`, without allocating if the capacity is large enough.
    pub(crate) fn copy_from(&mut self, other: &Request) {
        // The pattern names all fields, so that a field that is added later and not copied here causes a compile error.
        let Request {
            method,
            version,
            head,
            line,
            target,
            path,
            query,
            authority,
            fields,
            body,
            constraints,
            peer,
            local,
            arrived,
            tls,
        } = other;
        // Cloning an unknown method allocates, so an equal method is kept.
        if self.method != *method {
            self.method = method.clone();
        }
        self.head.clear();
        self.head.extend_from_slice(head);
        self.fields.copy_from(fields);
        (self.version, self.body, self.constraints, self.arrived) = (*version, *body, *constraints, *arrived);
        (self.line, self.target, self.path) = (*line, *target, *path);
        (self.query, self.authority) = (*query, *authority);
        (self.peer, self.local) = (*peer, *local);
        self.tls.clone_from(tls);
    }

    /// Clears the request, but keeps the capacity of its buffers. The addresses and the result of the TLS handshake are
    /// kept too, because they belong to the connection.
    pub(crate) fn clear(&mut self) {
        self.method = Method::Get;
        self.version = Version::Http11;
        self.head.clear();
        self.fields.clear();
        self.line = Span::default();
        self.target = Span::default();
        self.path = Span::default();
        self.query = None;
        self.authority = None;
        self.body = BodyLength::None;
        self.constraints = None;
    }

    /// Sets `path` and `query` from the part of the head between `start` and `end`.
    pub(crate) fn split_path(&mut self, start: usize, end: usize) {
        let question = memchr::memchr(b'?', &self.head[start..end]).map(|at| start + at);
        self.path = Span::new(start, question.unwrap_or(end));
        self.query = question.map(|at| Span::new(at + 1, end));
    }
}

/// Builds a [`Request`] without a connection.
///
/// ```
/// use serve_forever::http::Request;
/// let request = Request::builder("GET", "/a?b").header("Host", "localhost").build();
/// assert_eq!(request.path(), b"/a");
/// assert_eq!(request.query(), Some(&b"b"[..]));
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder makes its request by `build`"]
pub struct RequestBuilder {
    method: String,
    target: String,
    head: Vec<(String, Vec<u8>)>,
}

impl RequestBuilder {
    /// Adds a header field.
    ///
    /// # Panics
    /// [`RequestBuilder::build`] panics if the name is not a token.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> RequestBuilder {
        self.head.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Builds the request. It has no body, and its addresses are unspecified.
    ///
    /// # Panics
    /// Panics if the method or a field name is not a token.
    pub fn build(self) -> Request {
        assert!(is_token(self.method.as_bytes()), "{:?} is not a method", self.method);
        let mut request = Request { method: Method::from_token(&self.method), ..Request::default() };
        request.head = format!("{} {} HTTP/1.1", self.method, self.target).into_bytes();
        let target = self.method.len() + 1;
        request.target = Span::new(target, target + self.target.len());
        request.line = Span::new(0, request.head.len());
        request.split_path(target, target + self.target.len());
        request.head.extend_from_slice(b"\r\n");
        for (name, value) in self.head {
            assert!(is_token(name.as_bytes()), "{name:?} is not a field name");
            let start = request.head.len();
            request.head.extend_from_slice(name.as_bytes());
            request.head.extend_from_slice(b": ");
            request.head.extend_from_slice(&value);
            let end = request.head.len();
            let field =
                Field { name: Span::new(start, start + name.len()), value: Span::new(start + name.len() + 2, end) };
            if name.eq_ignore_ascii_case("host") {
                request.authority = Some(field.value);
            }
            request.fields.push(name.as_bytes(), field);
            request.head.extend_from_slice(b"\r\n");
        }
        request.head.extend_from_slice(b"\r\n");
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_equal_in_every_field() {
        let mut copy = Request::builder("PUT", "/old?query").header("Host", "old").header("Old", "field").build();
        (copy.body, copy.constraints) = (BodyLength::Known(1), Some(ResponseConstraints::default()));
        let mut other = Request::builder("RICKROLL", "/new/path").header("New", "field").build();
        (other.version, other.body, other.constraints) = (Version::Http10, BodyLength::Chunked, None);
        other.peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        other.local = SocketAddr::from((Ipv4Addr::LOCALHOST, 2));
        other.tls = Some(Arc::new(TlsInfo { version: "TLSv1.3", ..TlsInfo::default() }));
        other.arrived = copy.arrived + std::time::Duration::from_secs(1);
        let old = copy.clone();
        copy.copy_from(&other);
        assert_eq!(format!("{copy:?}"), format!("{other:?}"));
        copy.copy_from(&old);
        assert_eq!(format!("{copy:?}"), format!("{old:?}"));
    }

    #[test]
    fn a_redirected_request_has_neither_a_body_nor_an_upgrade() {
        let request = Request::builder("POST", "/a?b")
            .header("Host", "x")
            .header("Content-Length", "3")
            .header("Connection", "upgrade")
            .header("Upgrade", "websocket")
            .header("Cookie", "c")
            .build();
        let other = request.redirected(b"/d%20e?f");
        assert_eq!((other.method(), other.path(), other.query()), (&Method::Get, &b"/d%20e"[..], Some(&b"f"[..])));
        assert_eq!(other.headers().iter().map(|(name, _)| name).collect::<Vec<_>>(), ["Host", "Cookie"]);
        assert_eq!(other.request_line(), b"POST /a?b HTTP/1.1");
        assert_eq!(Request::builder("HEAD", "/").build().redirected(b"/x").method(), &Method::Head);
    }
}
