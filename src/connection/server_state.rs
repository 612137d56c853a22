//! The state that all connections of one server share. The connections are in `http_session.rs`, and the loop that runs
//! them is in `reactor/`.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::failed_handshakes::FailedHandshakes;
use super::per_peer::PerPeerLimit;
use crate::http::{
    ErrorInfo, ErrorPage, ErrorTemplate, FieldBlock, HttpDate, InvalidHeader, Request, Status, Version, latin1,
};
use crate::http1::CommonHeaders;
use crate::limits::Limits;
use crate::listen::unmapped;
use crate::log::AccessLog;
use crate::memory::room_for_buffers;
#[cfg(feature = "harness")]
use crate::service::FaultKind;
use crate::service::{Body, Service};
use crate::watchdog::Watchdog;

/// The default value of the `Server` field.
pub(crate) const SERVER_NAME: &str = concat!("serve-forever/", env!("CARGO_PKG_VERSION"));

/// The service, the limits, the error page and the log of a server. All of its connections share them.
///
/// The service, the limits and the protocol version can be replaced while connections use them. Replacing the service
/// or the limits moves the limits to a new allocation. A connection that still holds the old allocation adopts the new
/// service and limits with its next request.
pub struct ServerState {
    /// The service that responds to requests. It is borrowed while it handles a call.
    pub(super) service: RefCell<Box<dyn Service + Send>>,
    /// The limits that apply to clients. Replacing the service also moves them to a new allocation.
    limits: RefCell<Arc<Limits>>,
    /// The protocol version in status lines. With HTTP/1.0, the connection closes after each response.
    protocol: Cell<Version>,
    /// The `Server` field line including its CRLF. Empty if the field is omitted.
    server: RefCell<Vec<u8>>,
    /// The field lines that the program has added to all responses.
    common: RefCell<FieldBlock>,
    /// The `Strict-Transport-Security` field line including its CRLF. Empty if the field is omitted.
    hsts: RefCell<Vec<u8>>,
    /// Renders the bodies of error responses.
    pub error_page: Box<dyn ErrorPage>,
    /// The access log.
    pub log: RefCell<AccessLog>,
    /// Reports requests whose service blocks the loop. `None` if such requests are not reported.
    pub(crate) watchdog: Option<Watchdog>,
    /// The address that clients connect to.
    pub local: SocketAddr,
    pub(super) peers: PerPeerLimit,
    /// The `Request` into which heads are read, so that its memory is reused. Connections run one after the other, so a
    /// single `Request` is enough. `None` while a connection uses it.
    request: Cell<Option<Box<Request>>>,
    /// The number of bytes of memory that all connections together own between two steps.
    pub(super) buffered: Cell<usize>,
    /// The maximum number of bytes that all buffers may use under the memory limit of the process.
    room: usize,
    /// The TLS configuration for new connections; `None` if they are not encrypted.
    #[cfg(feature = "tls")]
    tls: RefCell<Option<Arc<rustls::ServerConfig>>>,
    pub(super) failed_handshakes: FailedHandshakes,
    stamp: RefCell<Stamped>,
    error_fields: OnceCell<FieldBlock>,
    last_error: RefCell<Option<MadeError>>,
    /// The number of faults injected so far, by kind.
    #[cfg(feature = "harness")]
    faults: [Cell<u64>; FaultKind::ALL.len()],
}

/// The header fields that all responses sent within the same second share.
#[derive(Default)]
struct Stamped {
    second: Option<Range<SystemTime>>,
    stamp: CommonHeaders,
    /// The same fields and `Strict-Transport-Security`, for responses over TLS.
    secure: CommonHeaders,
}

/// The page of the last error response and the values from which it was rendered. It is kept because identical errors
/// often follow each other.
struct MadeError {
    status: Status,
    message: String,
    explain: String,
    page: Arc<[u8]>,
}

impl ServerState {
    /// Creates the state with the default limits, the default error page, and a log on standard error.
    pub fn new(service: impl Service + Send + 'static, local: SocketAddr) -> ServerState {
        ServerState {
            service: RefCell::new(Box::new(service)),
            limits: RefCell::default(),
            protocol: Cell::new(Version::Http11),
            server: RefCell::new(format!("Server: {SERVER_NAME}\r\n").into()),
            common: RefCell::default(),
            hsts: RefCell::default(),
            error_page: Box::new(ErrorTemplate::default()),
            log: RefCell::new(AccessLog::unless_set()),
            watchdog: None,
            local: unmapped(local),
            peers: PerPeerLimit::default(),
            request: Cell::default(),
            buffered: Cell::new(0),
            room: room_for_buffers(),
            #[cfg(feature = "tls")]
            tls: RefCell::default(),
            failed_handshakes: FailedHandshakes::default(),
            stamp: RefCell::default(),
            error_fields: OnceCell::new(),
            last_error: RefCell::default(),
            #[cfg(feature = "harness")]
            faults: Default::default(),
        }
    }

    /// Counts one more injected fault of this kind.
    #[cfg(feature = "harness")]
    pub(super) fn count_fault(&self, kind: FaultKind) {
        let counter = &self.faults[kind as usize];
        counter.set(counter.get() + 1);
    }

    /// The number of injected faults of each kind, in the order of [`FaultKind::ALL`].
    #[cfg(feature = "harness")]
    pub(crate) fn faults(&self) -> impl Iterator<Item = u64> {
        self.faults.iter().map(Cell::get)
    }

    /// True if the fault rules require that the connection being accepted is never read from.
    #[cfg(feature = "harness")]
    pub(super) fn next_is_deaf(&self) -> bool {
        let is_deaf = self.service.borrow().next_is_deaf(self.local.ip().is_loopback());
        if is_deaf {
            self.count_fault(FaultKind::Deaf);
        }
        is_deaf
    }

    /// Replaces the service for new requests. The old service is dropped, but upstreams and sources that it has already
    /// created continue to run.
    pub fn set_service(&self, service: impl Service + Send + 'static) {
        // `replace` returns the old service, which is dropped only after the borrow has ended, because its `drop` may
        // use this state.
        let _before = self.service.replace(Box::new(service));
        // Moving the limits to a new allocation tells the connections that the service has been replaced.
        let limits = Limits::clone(&self.limits.borrow());
        self.set_limits(limits);
    }

    /// Calls `ask` with the current service, and returns the result of `ask`.
    pub(crate) fn with_service<R>(&self, ask: impl FnOnce(&dyn Service) -> R) -> R {
        ask(&**self.service.borrow())
    }

    /// The limits for new requests.
    pub fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits.borrow())
    }

    /// Mutable access to the limits, for changes before the first connection.
    pub fn limits_mut(&mut self) -> &mut Limits {
        Arc::make_mut(self.limits.get_mut())
    }

    /// Takes the shared `Request`, into which the next head is read. [`ServerState::return_request`] puts it back.
    pub(super) fn borrow_request(&self) -> Box<Request> {
        self.request.take().unwrap_or_default()
    }

    pub(super) fn return_request(&self, request: Box<Request>) {
        self.request.set(Some(request));
    }

    /// The maximum total size of the buffers of all connections, in bytes: [`Limits::buffers`], or less if the process
    /// has a memory limit.
    pub(super) fn room_for_buffers(&self, limits: &Limits) -> usize {
        // `room` is computed once at startup, because a sandbox later prevents reading the files that it is derived
        // from.
        limits.buffers.min(self.room)
    }

    /// Replaces the limits for new requests.
    pub fn set_limits(&self, limits: Limits) {
        self.limits.replace(Arc::new(limits));
    }

    /// The protocol version for new connections.
    pub fn protocol(&self) -> Version {
        self.protocol.get()
    }

    /// Sets the protocol version for new connections.
    pub fn set_protocol(&self, protocol: Version) {
        self.protocol.set(protocol);
    }

    /// The TLS configuration for new connections. `None` if they are not encrypted.
    #[cfg(feature = "tls")]
    pub(crate) fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.tls.borrow().clone()
    }

    /// Encrypts new connections with this configuration. Existing connections keep theirs.
    #[cfg(feature = "tls")]
    pub(crate) fn set_tls(&self, config: Arc<rustls::ServerConfig>) {
        self.tls.replace(Some(config));
    }

    /// True if neither the service nor the limits have been replaced since [`ServerState::limits`] returned `limits`.
    /// While the caller holds `limits`, no later limits can have the same address.
    pub(super) fn is_unchanged_since(&self, limits: &Arc<Limits>) -> bool {
        Arc::ptr_eq(limits, &self.limits.borrow())
    }

    /// Calls `tell` with the value of the `Server` field, which is empty if the field is omitted.
    pub(super) fn with_server_name<R>(&self, tell: impl FnOnce(&str) -> R) -> R {
        let line = self.server.borrow();
        // Only the complete field line is stored, so the name is extracted from it. An empty line has no colon.
        let colon = memchr::memchr(b':', &line);
        tell(&latin1(colon.map_or(&[], |colon| line[colon + 1..].trim_ascii())))
    }

    /// Sets the value of the `Server` field in all further responses. An empty name omits the field.
    ///
    /// # Errors
    /// Returns an error if the name contains a control character or a character above U+00FF, which a field value
    /// cannot contain.
    pub fn set_server_name(&self, name: &str) -> Result<(), InvalidHeader> {
        let mut head = FieldBlock::new();
        if !name.is_empty() {
            head.add("Server", name)?;
        }
        self.server.replace(head.lines().to_vec());
        // Responses in the current second must not keep the old name.
        self.stamp.take();
        Ok(())
    }

    /// Adds a field to all further responses.
    ///
    /// # Errors
    /// Returns an error if `name` and `value` do not form a valid field.
    pub fn add_common_header(&self, name: &str, value: &str) -> Result<(), InvalidHeader> {
        self.common.borrow_mut().add(name, value)?;
        self.stamp.take();
        Ok(())
    }

    /// Sets the time for which browsers must use only HTTPS. All further responses over TLS announce it in
    /// `Strict-Transport-Security`. `None` omits the field.
    #[cfg_attr(not(any(feature = "tls", test)), expect(dead_code, reason = "without TLS all responses are in clear"))]
    pub(crate) fn set_hsts(&self, max_age: Option<Duration>) {
        let line = max_age.map(|age| format!("Strict-Transport-Security: max-age={}\r\n", age.as_secs()));
        self.hsts.replace(line.unwrap_or_default().into());
        self.stamp.take();
    }

    /// The header fields of a response with an error page. The page may quote the request, so the fields prevent
    /// browsers from guessing another type and from running scripts in the page.
    pub(super) fn error_fields(&self) -> &FieldBlock {
        self.error_fields.get_or_init(|| {
            let mut head = FieldBlock::new();
            head.put("Content-Type", self.error_page.content_type());
            head.put("X-Content-Type-Options", "nosniff");
            if let Some(policy) = self.error_page.content_security_policy() {
                head.put("Content-Security-Policy", policy);
            }
            // The page is shared, so that each error response copies a reference instead of the bytes.
            head.share()
        })
    }

    /// The body of an error response. It is rendered once for a series of identical errors, unless it quotes the
    /// request.
    pub(super) fn error_body(&self, error: &ErrorInfo<'_>) -> Body {
        let render = || {
            let mut page = Vec::with_capacity(512);
            self.error_page.render(error, &mut page);
            page
        };
        // A page that quotes the request differs from one request to the next and cannot be reused.
        if !self.error_page.is_same_for_all() {
            return Body::Bytes(Cow::Owned(render()));
        }
        let mut last = self.last_error.borrow_mut();
        // Error responses with the same status, such as 404, are usually identical and share one page.
        let is_this = |made: &&mut MadeError| {
            (made.status, &*made.message, &*made.explain) == (error.status, error.message, error.explain)
        };
        let made = match last.as_mut().filter(is_this) {
            Some(made) => made,
            None => last.insert(MadeError {
                status: error.status,
                message: error.message.to_owned(),
                explain: error.explain.to_owned(),
                page: render().into(),
            }),
        };
        Body::Shared(Arc::clone(&made.page))
    }

    /// The field lines that every response sent at `wall` contains: `Server`, `Date`, the common fields, and over TLS
    /// also `Strict-Transport-Security`, which must not be sent unencrypted (RFC 6797 section 7.2). They are rendered
    /// once per second.
    pub(super) fn common_headers(&self, wall: SystemTime, is_secure: bool) -> Ref<'_, CommonHeaders> {
        // `Date` has a resolution of one second, so all responses within a second share these bytes. Comparing `wall`
        // with the start and the end of that second is cheaper than computing the second for each response.
        if !self.stamp.borrow().second.as_ref().is_some_and(|second| second.contains(&wall)) {
            let date = format!("Date: {}\r\n", HttpDate::from(wall));
            let (server, more) = (self.server.borrow(), self.common.borrow());
            let stamp = CommonHeaders::with_more(&server, more.lines(), date.as_bytes());
            // Both versions are rendered, even without TLS. Doing so once per second is cheaper than finding out which
            // one is needed.
            let secure = [more.lines(), &self.hsts.borrow()].concat();
            let secure = CommonHeaders::with_more(&server, &secure, date.as_bytes());
            *self.stamp.borrow_mut() = Stamped { second: second_of(wall), stamp, secure };
        }
        Ref::map(self.stamp.borrow(), |stamped| if is_secure { &stamped.secure } else { &stamped.stamp })
    }
}

/// The start and the end of the second that contains `wall`. `None` before 1970.
fn second_of(wall: SystemTime) -> Option<Range<SystemTime>> {
    let start = wall - Duration::from_nanos(wall.duration_since(UNIX_EPOCH).ok()?.subsec_nanos().into());
    Some(start..start.checked_add(Duration::from_secs(1))?)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::http::Request;
    use crate::service::Response;

    fn site() -> ServerState {
        ServerState::new(|_: &Request| Response::text(""), SocketAddr::from((Ipv4Addr::LOCALHOST, 1)))
    }

    fn bytes(body: Body) -> Vec<u8> {
        match body {
            Body::Bytes(bytes) => bytes.into_owned(),
            Body::Shared(bytes) => bytes.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_page_is_made_once_and_only_for_the_error_that_it_is_of() {
        let (site, request) = (site(), Request::builder("GET", "/").build());
        let error = ErrorInfo { status: Status::NOT_FOUND, message: "m", explain: "e", request: &request };
        let (Body::Shared(first), Body::Shared(second)) = (site.error_body(&error), site.error_body(&error)) else {
            panic!("the default page is the same for all")
        };
        assert!(Arc::ptr_eq(&first, &second));
        for other in [
            ErrorInfo { status: Status::GONE, ..error },
            ErrorInfo { message: "n", ..error },
            ErrorInfo { explain: "f", ..error },
            error,
        ] {
            let mut expected = Vec::new();
            site.error_page.render(&other, &mut expected);
            assert_eq!(bytes(site.error_body(&other)), expected);
        }
    }

    #[test]
    fn a_page_that_quotes_the_request_is_made_for_each() {
        struct Quotes;
        impl ErrorPage for Quotes {
            fn content_type(&self) -> &str {
                "text/plain"
            }
            fn render(&self, error: &ErrorInfo<'_>, page: &mut Vec<u8>) {
                page.extend_from_slice(error.request.path());
            }
        }
        let site = ServerState { error_page: Box::new(Quotes), ..site() };
        for path in ["/a", "/b"] {
            let request = Request::builder("GET", path).build();
            let error = ErrorInfo { status: Status::NOT_FOUND, message: "m", explain: "e", request: &request };
            assert_eq!(bytes(site.error_body(&error)), path.as_bytes());
        }
    }

    #[test]
    fn a_new_server_name_is_in_the_next_stamp() {
        let site = site();
        let at = |millis| site.common_headers(UNIX_EPOCH + Duration::from_millis(millis), false).clone();
        let date = b"Date: Thu, 01 Jan 1970 00:00:01 GMT\r\n";
        assert_eq!(at(1000), CommonHeaders::new(format!("Server: {SERVER_NAME}\r\n").as_bytes(), date));
        site.set_server_name("mine/1").unwrap();
        assert_eq!(
            (at(1001), site.with_server_name(str::to_owned)),
            (CommonHeaders::new(b"Server: mine/1\r\n", date), "mine/1".to_owned())
        );
        assert!(site.set_server_name("a\nb").is_err());
        site.set_server_name("").unwrap();
        assert_eq!((at(1002), site.with_server_name(str::to_owned)), (CommonHeaders::new(b"", date), String::new()));
    }

    #[test]
    fn a_common_header_is_in_the_next_stamp() {
        let site = site();
        let at = |millis| site.common_headers(UNIX_EPOCH + Duration::from_millis(millis), false).clone();
        _ = at(1000);
        site.add_common_header("X-A", "1").unwrap();
        let (server, date) = (format!("Server: {SERVER_NAME}\r\n"), b"Date: Thu, 01 Jan 1970 00:00:01 GMT\r\n");
        assert_eq!(at(1001), CommonHeaders::with_more(server.as_bytes(), b"X-A: 1\r\n", date));
        assert!(site.add_common_header("X B", "1").is_err());
    }

    #[test]
    fn only_responses_over_tls_ask_for_https() {
        let site = site();
        let at = |is_secure| site.common_headers(UNIX_EPOCH, is_secure).clone();
        let date = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
        site.set_server_name("").unwrap();
        assert_eq!(at(true), CommonHeaders::new(b"", date));
        site.set_hsts(Some(Duration::from_secs(60)));
        assert_eq!(at(false), CommonHeaders::new(b"", date));
        assert_eq!(at(true), CommonHeaders::with_more(b"", b"Strict-Transport-Security: max-age=60\r\n", date));
        site.set_hsts(None);
        assert_eq!(at(true), CommonHeaders::new(b"", date));
    }

    #[test]
    fn every_second_has_its_stamp() {
        let site = site();
        let at = |millis| site.common_headers(UNIX_EPOCH + Duration::from_millis(millis), false).clone();
        let date = |stamp: CommonHeaders| {
            stamp == CommonHeaders::new(&site.server.borrow(), b"Date: Thu, 01 Jan 1970 00:00:01 GMT\r\n")
        };
        assert!(date(at(1000)) && date(at(1999)));
        assert!(!date(at(2000)) && date(at(1000)), "also when the clock is set back");
    }
}
