//! A client, asked by JSON: one request a line on standard input, one response a line on standard output. Tests from outside
//! drive it, in any language:
//!
//! ```text
//! {"op": "new", "host": "www.example", "timeout": 5}
//! {"op": "request", "method": "GET", "url": "/"}
//! {"op": "getresponse"}
//! {"op": "read"}
//! ```
//!
//! Text stands for bytes: the character U+00E9 is the byte 0xE9. With `--in-handler` the client runs in a handler of a server.

mod answers;
mod in_handler;
mod parallel;
mod program;
mod request;

use std::io::{self, BufRead, Write};

use serve_forever::client::ThreadConnector;

use program::Program;

fn main() -> io::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("--in-handler") {
        return in_handler::run();
    }
    let mut program = Program::new(ThreadConnector);
    for line in io::stdin().lock().lines() {
        let response = program.answer_line(&line?);
        let mut output = io::stdout().lock();
        writeln!(output, "{response}")?;
        output.flush()?;
    }
    Ok(())
}
