//! Serves a folder whose pages are reloaded in the browser when a file changes: `live_reload ADDRESS DIRECTORY`.
//!
//! A thread compares the times and sizes of all files several times a second. A script that this server adds to each
//! page receives changes as server-sent events.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serve_forever::HttpServer;
use serve_forever::files::FileService;
use serve_forever::handler::{Exchange, RequestHandler, Shared};
use serve_forever::service::{Body, Response};

const SCRIPT: &[u8] = b"<script>new EventSource('/_changes').onmessage = () => location.reload()</script>\n";

struct LiveReload {
    /// All connections share one service, with one cache.
    files: Shared<FileService>,
    /// Changes whenever a file changes.
    version: Shared<u64>,
}

impl RequestHandler for LiveReload {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        if x.url_path()?.to_string() == "/_changes" { self.changes(x) } else { self.file(x) }
    }

    fn do_head(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        self.file(x)
    }
}

impl LiveReload {
    /// One event for each change, until the browser leaves the page.
    fn changes(&self, x: &Exchange<'_>) -> io::Result<()> {
        x.send_response(200)?;
        x.send_header("Content-Type", "text/event-stream")?;
        x.send_header("Cache-Control", "no-store")?;
        x.end_headers()?;
        let mut seen = self.version.with(|version| *version);
        x.wfile().write_all(b"retry: 300\n\n")?;
        while !x.is_stopping() {
            let differs = |version: &mut u64| (*version != seen).then_some(*version);
            match x.wait_until(&self.version, Some(Duration::from_secs(15)), differs)? {
                Some(version) => seen = version,
                None => {
                    // This is a comment of the event stream. Writing it fails if the client has disconnected.
                    x.wfile().write_all(b":\n\n")?;
                    continue;
                }
            }
            x.wfile().write_all(b"data: changed\n\n")?;
        }
        Ok(())
    }

    /// Responds with a file, to which the script is added if the file is a page.
    fn file(&self, x: &Exchange<'_>) -> io::Result<()> {
        let response = self.files.with(|files| files.respond(x.request()));
        let is_page = |content_type: &[u8]| content_type.starts_with(b"text/html");
        match &response.body {
            Body::Shared(bytes) if response.status == 200 && response.head.get("Content-Type").is_some_and(is_page) => {
                x.respond(Response::bytes("text/html; charset=utf-8", [&bytes[..], SCRIPT].concat()))
            }
            _ => x.respond(response),
        }
    }
}

/// A number that changes when a file below the folder is written, created or removed.
fn fingerprint(folder: &Path) -> u64 {
    let mut hash = DefaultHasher::new();
    hash_files(folder, &mut hash);
    hash.finish()
}

fn hash_files(folder: &Path, hash: &mut DefaultHasher) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut entries: Vec<_> = entries.map(|entry| (entry.path(), entry.metadata())).collect();
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (path, metadata) in entries {
        let Ok(metadata) = metadata else { continue };
        (&path, metadata.len(), metadata.modified().ok()).hash(hash);
        if metadata.is_dir() {
            hash_files(&path, hash);
        }
    }
}

fn watch(folder: &Path, version: &Shared<u64>) {
    // Each access to `version` wakes every handler that waits, so the last value is also kept here.
    let mut last = fingerprint(folder);
    version.with(|version| *version = last);
    loop {
        let found = fingerprint(folder);
        if found != last {
            last = found;
            version.with(|version| *version = found);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let folder = PathBuf::from(args.next().unwrap_or_else(|| ".".to_owned()));
    // The pages must not be cached.
    let files = Shared::new(FileService::builder(&folder).extra_header("Cache-Control", "no-store").build()?);
    let version = Shared::new(fingerprint(&folder));
    let watched_version = version.clone();
    std::thread::spawn(move || watch(&folder, &watched_version));
    let handler = move || LiveReload { files: files.clone(), version: version.clone() };
    let mut server = HttpServer::bind(address)?.handler(handler).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
