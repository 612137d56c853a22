//! A form that stores files: `upload_form ADDRESS DIRECTORY`, then open it in a browser.

#[path = "support/multipart.rs"]
mod multipart;

use std::io::{self, Write};
use std::path::PathBuf;

use multipart::{Multipart, malformed, parameter};
use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, RequestHandler};

const FORM: &[u8] = b"<!DOCTYPE html><title>Upload</title><form method=\"post\" enctype=\"multipart/form-data\">\
    <input type=\"file\" name=\"file\" multiple><button>Upload</button></form>\n";

struct Upload(PathBuf);

impl RequestHandler for Upload {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        if x.request().path() != b"/" {
            return x.send_error(404, None, None);
        }
        x.send_response(200)?;
        x.send_header("Content-Type", "text/html; charset=utf-8")?;
        x.end_headers()?;
        x.wfile().write_all(FORM)
    }

    fn do_post(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        x.limit_body(16 << 30)?;
        let mut form = Multipart::new(x.headers().get_str("Content-Type").unwrap_or_default(), x.rfile())?;
        let mut files = Vec::new();
        while let Some(disposition) = form.next()? {
            match parameter(&disposition, "filename").filter(|name| !name.is_empty()) {
                None => form.copy(&mut io::sink())?,
                Some(name) => {
                    // A file has its name only once all of the form is there.
                    let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
                    form.copy(&mut file)?;
                    files.push((file, last_component(&name)?));
                }
            }
        }
        let stored = files.len();
        for (file, name) in files {
            file.persist(self.0.join(name))?;
        }
        x.send_response(200)?;
        x.send_header("Content-Type", "text/plain")?;
        x.end_headers()?;
        writeln!(x.wfile(), "stored {stored} files")
    }
}

/// What a browser calls a file may be a path, of any system.
fn last_component(name: &str) -> io::Result<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = !matches!(last, "" | "." | "..") && !last.contains(char::is_control);
    if plain { Ok(last.to_owned()) } else { Err(malformed()) }
}

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let directory = PathBuf::from(args.next().unwrap_or_else(|| ".".to_owned()));
    let mut server = HttpServer::bind(address)?.handler(move || Upload(directory.clone())).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
