//! Sends many requests at the same time, each in its own handler. All handlers run on the thread of one server.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;

use serve_forever::client::{Pool, PoolSettings};
use serve_forever::log::AccessLog;
use serve_forever::socketserver::{StreamRequest, StreamRequestHandler, TcpServer};

/// Receives a URL, and sends the status of its response.
struct Fetches;

impl StreamRequestHandler for Fetches {
    fn handle(&mut self, x: &mut StreamRequest<'_>) -> io::Result<()> {
        let mut url = String::new();
        x.rfile().read_line(&mut url)?;
        let pool = Pool::with_connector(x.connector(), PoolSettings::default());
        let status = pool.fetch("GET", url.trim_end(), (), &[]).and_then(|mut response| {
            response.read_all()?;
            Ok(response.status().code())
        });
        // 0 represents an error.
        writeln!(x.wfile(), "{}", status.unwrap_or(0))
    }
}

/// The statuses of the responses to GET, in the order of the URLs; 0 for each that failed.
pub fn statuses(urls: &[String]) -> io::Result<Vec<u16>> {
    let mut server = TcpServer::bind("127.0.0.1:0")?.handler(|| Fetches).log(AccessLog::off());
    let (address, stopper) = (server.server_address(), server.stopper());
    let thread = thread::spawn(move || server.serve_forever());
    let send = |url: &String| -> io::Result<TcpStream> {
        let mut client = TcpStream::connect(address)?;
        writeln!(client, "{url}")?;
        Ok(client)
    };
    let receive = |client: TcpStream| -> io::Result<u16> {
        let mut line = String::new();
        BufReader::new(client).read_line(&mut line)?;
        line.trim_end().parse().map_err(io::Error::other)
    };
    // All requests are sent before the first response is read.
    let clients: io::Result<Vec<_>> = urls.iter().map(send).collect();
    let statuses = clients.and_then(|clients| clients.into_iter().map(receive).collect());
    stopper.shutdown();
    _ = thread.join();
    statuses
}
