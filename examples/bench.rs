//! The server for public benchmark suites, with one loop for each thread: `bench 0.0.0.0:8080 4 /data`.
//!
//! The arguments are the address, the number of threads (by default one for each processor), and a folder with
//! `dataset.json` and `static/`. It implements HttpArena's class `engine` and the routes of the-benchmarker;
//! `examples/suites/` contains the files of an entry.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use serve_forever::endpoints::EndpointService;
use serve_forever::files::FileService;
use serve_forever::http::{Request, Status};
use serve_forever::log::AccessLog;
use serve_forever::service::{Response, Service};
use serve_forever::{HttpServer, Limits, ListenOptions};

/// The path below which files are served.
const STATIC: &str = "/static";

/// The endpoints, in front of the files of the folder.
fn service(data: Option<&Path>) -> io::Result<Box<dyn Service + Send>> {
    let Some(data) = data else {
        return Ok(Box::new(EndpointService::new(|_: &Request| Response::error(Status::NOT_FOUND))));
    };
    let files =
        FileService::builder(data.join("static")).base_path(STATIC).precompressed(true).listing(false).build()?;
    let dataset = std::fs::read_to_string(data.join("dataset.json"))?;
    Ok(Box::new(EndpointService::new(files).dataset(&dataset).map_err(io::Error::other)?))
}

/// A listener that shares its port with the others, so that the system distributes the connections.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    ListenOptions { reuse_port: true, ..ListenOptions::http() }.bind(address)
}

fn server(listener: TcpListener, data: Option<&Path>) -> io::Result<HttpServer> {
    HttpServer::from_listeners(vec![listener])?
        .service(service(data)?)
        .log(AccessLog::off())
        // The suites upload up to 20 MB. A body that is only counted needs no memory.
        .limits(Limits { body: 1 << 30, ..Limits::default() })
        .stop_on_termination()
}

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let threads = match args.next() {
        Some(count) => count.parse().map_err(io::Error::other)?,
        None => thread::available_parallelism()?.get(),
    };
    let data = args.next().map(PathBuf::from);
    let first = listen(address.parse().map_err(io::Error::other)?)?;
    // With port 0, the system has chosen a port for the first listener, which the other listeners share.
    let address = first.local_addr()?;
    let more = (1..threads).map(|_| listen(address)).collect::<io::Result<Vec<_>>>()?;
    let servers: Vec<HttpServer> = std::iter::once(first)
        .chain(more)
        .map(|listener| server(listener, data.as_deref()))
        .collect::<io::Result<_>>()?;
    println!("listening on {address}");
    let run = |mut server: HttpServer| thread::spawn(move || server.serve_forever().map(drop));
    let running: Vec<JoinHandle<io::Result<()>>> = servers.into_iter().map(run).collect();
    running
        .into_iter()
        .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a loop panicked"))))
}
