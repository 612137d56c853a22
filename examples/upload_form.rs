//! Serves a form that stores uploaded files: `upload_form ADDRESS DIRECTORY`, then open it in a browser.

#[path = "support/multipart.rs"]
mod multipart;

use std::io;
use std::path::PathBuf;

use multipart::Multipart;
use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, RequestHandler};
use serve_forever::service::Response;

const FORM: &str = "<!DOCTYPE html><title>Upload</title><form method=\"post\" enctype=\"multipart/form-data\">\
    <input type=\"file\" name=\"file\" multiple><button>Upload</button></form>\n";

struct Upload(PathBuf);

impl RequestHandler for Upload {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        match x.url_path()?.to_string().as_str() {
            "/" => x.respond(Response::html(FORM)),
            _ => x.error(404),
        }
    }

    fn do_post(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        x.limit_body(16 << 30)?;
        let (mut form, mut files) = (Multipart::of(x)?, Vec::new());
        while let Some(part) = form.next()? {
            if let Some(name) = part.file_name()? {
                let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
                form.copy(&mut file)?;
                files.push((file, self.0.join(name)));
            }
        }
        let stored = format!("stored {} files\n", files.len());
        // A file gets its name only when the whole form has arrived.
        for (file, path) in files {
            file.persist(path)?;
        }
        x.respond(Response::text(stored))
    }
}

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let directory = PathBuf::from(args.next().unwrap_or_else(|| ".".to_owned()));
    let mut server = HttpServer::bind(address)?.handler(move || Upload(directory.clone())).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
