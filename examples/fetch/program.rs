//! The program: one connection, and responses that have names. It is the same in a thread and in a handler; only the
//! connector differs.

use std::collections::HashMap;
use std::io::{BufRead, Cursor, Read};
use std::net::SocketAddr;

use serde_json::{Value, json};
#[cfg(feature = "client-tls")]
use serve_forever::client::ClientTls;
use serve_forever::client::{
    ClientSettings, ClientStream, Connector, Error, HttpConnection, HttpResponse, Pool, PoolConnector, PoolSettings,
    RequestBody, SkipFields,
};
use serve_forever::http::HeaderList;

use crate::answers::{Failed, crc32, fields, head, text};
use crate::request::{Body, Request, bytes};

type Response = Result<Value, Failed>;

pub struct Program<C: PoolConnector> {
    connector: C,
    pool: Pool<C>,
    pool_settings: PoolSettings,
    connection: Option<HttpConnection<C>>,
    responses: HashMap<String, HttpResponse<C::Stream>>,
}

impl<C: PoolConnector> Program<C> {
    pub fn new(connector: C) -> Program<C> {
        let (pool_settings, responses) = (PoolSettings::default(), HashMap::new());
        let pool = Pool::with_connector(connector.clone(), pool_settings.clone());
        Program { connector, pool, pool_settings, connection: None, responses }
    }

    /// Responds to one line of input.
    pub fn answer_line(&mut self, line: &str) -> Value {
        Request::parse(line).and_then(|request| self.answer(&request)).unwrap_or_else(|Failed(error)| error)
    }

    fn answer(&mut self, request: &Request) -> Response {
        match request.need("op")? {
            "reset" => {
                *self = Program::new(self.connector.clone());
            }
            "pool" => self.new_pool(request),
            "fetch" => return self.fetch(request),
            "parallel" => {
                let urls: Vec<String> = request.texts("urls").into_iter().map(|url| url.to_string()).collect();
                return Ok(json!({ "statuses": crate::parallel::statuses(&urls)? }));
            }
            "new" => return self.new_connection(request),
            "getresponse" => {
                let response = self.connection()?.getresponse()?;
                let told = head(&response);
                self.responses.insert(request.text("as").unwrap_or("r").to_owned(), response);
                return Ok(told);
            }
            "is_open" => return Ok(json!({ "value": self.connection()?.is_open() })),
            "proxy_headers" => return Ok(json!({ "headers": self.connection()?.proxy_headers().map(fields) })),
            "set_tunnel" | "connect" | "putrequest" | "putheader" | "endheaders" | "send" | "request" | "close" => {
                send(self.connection()?, request)?;
            }
            "read" | "read1" | "peek" | "readinto" | "readline" | "drain" | "getheader" | "getheaders" | "trailers"
            | "interim" | "isclosed" | "close_response" => {
                let name = request.text("from").unwrap_or("r");
                return receive(self.responses.get_mut(name).ok_or(Failed::name("NoResponse"))?, request);
            }
            _ => return Err(Failed::name("Unsupported")),
        }
        Ok(json!({}))
    }

    fn connection(&mut self) -> Result<&mut HttpConnection<C>, Failed> {
        self.connection.as_mut().ok_or(Failed::name("NoConnection"))
    }

    fn new_connection(&mut self, request: &Request) -> Response {
        let made =
            HttpConnection::with_connector(self.connector.clone(), request.need("host")?, request.port("port")?)?;
        let connection = self.connection.insert(made.settings(settings(request)?));
        Ok(json!({ "host": connection.host(), "port": connection.port() }))
    }

    fn new_pool(&mut self, request: &Request) {
        let mut settings = PoolSettings::default();
        settings.connection.timeout = request.seconds("timeout");
        if let Some(most) = request.number("max_idle") {
            settings.max_idle = most;
        }
        if let Some(most) = request.number("max_per_host") {
            settings.max_per_host = most;
        }
        if let Some(timeout) = request.seconds("idle_timeout") {
            settings.idle_timeout = timeout;
        }
        self.pool = Pool::with_connector(self.connector.clone(), settings.clone());
        self.pool_settings = settings;
    }

    fn fetch(&mut self, request: &Request) -> Response {
        let mut settings = self.pool_settings.clone();
        settings.connection.timeout = request.seconds("timeout").or(settings.connection.timeout);
        settings.connection.total_timeout = request.seconds("total_timeout");
        let (pool, headers) = (self.pool.with_settings(settings), header_list(request)?);
        let (method, url) = (request.need("method")?, request.need("url")?);
        let mut response = with_body(request.body()?, |body| pool.fetch_with(method, url, body, &headers))?;
        let data = response.read_all()?;
        Ok(json!({
            "status": response.status().code(),
            "headers": fields(response.headers()),
            "data": text(&data),
            "reused": response.was_reused(),
        }))
    }
}

fn header_list(request: &Request) -> Result<HeaderList, Failed> {
    let mut headers = HeaderList::new();
    for (name, value) in request.headers() {
        headers.add(name, value).map_err(Error::from)?;
    }
    Ok(headers)
}

#[cfg(feature = "client-tls")]
fn tls(request: &Request) -> Result<ClientTls, Failed> {
    Ok(request.text("cafile").map_or_else(ClientTls::system_roots, ClientTls::ca_file)?)
}

pub fn settings(request: &Request) -> Result<ClientSettings, Failed> {
    let mut settings = ClientSettings::default();
    if request.flag("tls") == Some(true) {
        #[cfg(feature = "client-tls")]
        {
            settings.tls = Some(tls(request)?);
        }
        #[cfg(not(feature = "client-tls"))]
        return Err(Failed::name("Unsupported"));
    }
    settings.timeout = request.seconds("timeout");
    settings.connect_timeout = request.seconds("connect_timeout");
    settings.total_timeout = request.seconds("total_timeout");
    settings.connect_to = request.place("connect_to");
    settings.auto_open = request.flag("auto_open").unwrap_or(true);
    if let Some(size) = request.number("blocksize") {
        settings.block_size = size;
    }
    if let Some(most) = request.number("max_headers") {
        settings.limits.fields = most;
    }
    if let Some((host, port)) = request.place("source") {
        let address = host.parse().map_err(|_| Failed::name("InvalidInput"))?;
        settings.source = Some(SocketAddr::new(address, port));
    }
    Ok(settings)
}

/// The operations of a connection without a result.
fn send<C: Connector>(connection: &mut HttpConnection<C>, request: &Request) -> Result<(), Failed> {
    match request.need("op")? {
        "set_tunnel" => {
            let (host, port) = (request.need("host")?, request.port("port")?);
            connection.set_tunnel(host, port, &request.headers())?;
        }
        "connect" => connection.connect()?,
        "putrequest" => {
            let skip = SkipFields {
                host: request.flag("skip_host").unwrap_or(false),
                accept_encoding: request.flag("skip_accept_encoding").unwrap_or(false),
            };
            connection.putrequest_with(request.need("method")?, request.need("url")?, skip)?;
        }
        // Several fields of one name are combined into one list (RFC 9110 section 5.2).
        "putheader" => connection.putheader(request.need("name")?, request.texts("values").join(", "))?,
        "send" => connection.send(&bytes(request.need("body")?)?)?,
        "close" => connection.close(),
        op => {
            let encode_chunked = request.flag("encode_chunked").unwrap_or(false);
            let work = |body: RequestBody<'_>| -> Result<(), Failed> {
                match op {
                    "endheaders" => Ok(connection.endheaders(body, encode_chunked)?),
                    _ => {
                        let headers = header_list(request)?;
                        let (method, url) = (request.need("method")?, request.need("url")?);
                        Ok(connection.request_with(method, url, body, &headers, encode_chunked)?)
                    }
                }
            };
            with_body(request.body()?, work)?;
        }
    }
    Ok(())
}

/// Calls `work` with a body that borrows from this one.
pub fn with_body<T>(body: Body, work: impl FnOnce(RequestBody<'_>) -> T) -> T {
    match body {
        Body::None => work(RequestBody::Empty),
        Body::Bytes(bytes) => work(RequestBody::Bytes(&bytes)),
        Body::Reader(bytes) => work(RequestBody::Reader(&mut Cursor::new(bytes))),
        Body::Pieces(pieces) => work(RequestBody::Pieces(&mut pieces.into_iter())),
    }
}

/// The operations of a response.
fn receive<S: ClientStream>(response: &mut HttpResponse<S>, request: &Request) -> Response {
    let count = request.number("n").unwrap_or(usize::MAX);
    let data = match request.need("op")? {
        "read" | "readinto" => response.read_up_to(count)?,
        "read1" => {
            let mut piece = vec![0; count.min(64 * 1024)];
            let length = response.read(&mut piece)?;
            piece.truncate(length);
            piece
        }
        "peek" => response.fill_buf()?.to_vec(),
        "readline" => {
            let mut line = Vec::new();
            response.take(count as u64).read_until(b'\n', &mut line)?;
            line
        }
        "drain" => return drain(response),
        "getheader" => {
            let value = response.header(request.need("name")?);
            return Ok(json!({ "value": value.or(request.text("default").map(str::to_owned)) }));
        }
        "getheaders" => return Ok(json!({ "headers": fields(response.headers()) })),
        "trailers" => return Ok(json!({ "headers": fields(response.trailers()) })),
        "interim" => {
            let statuses: Vec<u16> = response.interim().iter().map(|status| status.code()).collect();
            return Ok(json!({ "statuses": statuses }));
        }
        "isclosed" => return Ok(json!({ "value": response.is_closed() })),
        _ => {
            response.close();
            return Ok(json!({}));
        }
    };
    Ok(json!({ "data": text(&data) }))
}

/// Reads to the end in pieces, and discards them.
fn drain<S: ClientStream>(response: &mut HttpResponse<S>) -> Response {
    let (mut piece, mut count, mut crc) = (vec![0; 64 * 1024], 0, 0);
    loop {
        let length = response.read(&mut piece)?;
        if length == 0 {
            return Ok(json!({ "bytes": count, "crc32": crc }));
        }
        count += length;
        crc = crc32(crc, &piece[..length]);
    }
}
