//! Serves files that need a password, and a folder that needs another one: `basic_auth ADDRESS DIRECTORY`, then
//! `curl -u admin:se:cret 127.0.0.1:8000` and `curl -u ann:sesame 127.0.0.1:8000/sub/`.

use std::io;

use serve_forever::HttpServer;
use serve_forever::files::{Account, FileService};

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let directory = args.next().unwrap_or_else(|| ".".to_owned());
    let files = FileService::builder(directory)
        .auth(Account::new("admin", "se:cret"))
        .auth_under("/sub", Account::new("ann", "sesame"))
        .realm("files")
        .build()?;
    let mut server = HttpServer::bind(address)?.service(files).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
