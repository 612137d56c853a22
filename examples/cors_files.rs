//! Serves files that scripts of other sites may read: `cors_files ADDRESS DIRECTORY [all]`.

use std::io;

use serve_forever::HttpServer;
use serve_forever::files::FileService;
use serve_forever::http::{Method, Request, Status};
use serve_forever::service::{Reply, Response, Service};

const ORIGIN: (&str, &str) = ("Access-Control-Allow-Origin", "*");

/// The response to a preflight request of a browser, on any path.
fn preflight() -> io::Result<Response> {
    let response = Response::new(Status::NO_CONTENT).header(ORIGIN.0, ORIGIN.1)?;
    Ok(response.header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")?.header("Allow", "GET, HEAD, OPTIONS")?)
}

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let directory = args.next().unwrap_or_else(|| ".".to_owned());
    let everywhere = args.next().is_some_and(|word| word == "all");
    let files = FileService::builder(directory).extra_header(ORIGIN.0, ORIGIN.1).extra_headers_everywhere(everywhere);
    let (files, preflight) = (files.build()?, preflight()?);
    let service = move |request: &Request| match request.method() {
        Method::Options => Reply::Now(Response { head: preflight.head.clone(), ..Response::new(preflight.status) }),
        _ => files.call(request),
    };
    let mut server = HttpServer::bind(address)?.service(service).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
