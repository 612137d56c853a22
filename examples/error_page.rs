//! Sends a custom error page, for the server's own errors too: `curl 127.0.0.1:8000/nowhere`.

use std::io::{self, Write};

use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, RequestHandler};
use serve_forever::http::{ErrorInfo, ErrorPage, escape_html};

struct Page;

impl ErrorPage for Page {
    fn content_type(&self) -> &str {
        "application/xhtml+xml; charset=utf-8"
    }

    fn render(&self, error: &ErrorInfo<'_>, page: &mut Vec<u8>) {
        let path = String::from_utf8_lossy(error.request.target());
        let (path, message) = (escape_html(&path, true), escape_html(error.message, true));
        _ = writeln!(
            page,
            "<html xmlns=\"http://www.w3.org/1999/xhtml\"><head><title>{code}</title></head>\
             <body><h1>custom error page</h1><p>{code} {message}: {path}</p></body></html>",
            code = error.status,
        );
    }
}

struct Errors;

impl RequestHandler for Errors {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        let path = x.url_path()?.to_string();
        match path.strip_prefix("/status/").and_then(|code| code.parse::<u16>().ok()) {
            Some(code @ 200..=999) => x.error(code),
            _ if path == "/panic" => panic!("as asked"),
            _ if path == "/" => {
                x.send_response(200)?;
                x.end_headers()?;
                x.wfile().write_all(b"fine\n")
            }
            _ => x.error(404),
        }
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let mut server = HttpServer::bind(address)?.handler(|| Errors).error_page(Page).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
