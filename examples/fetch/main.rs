//! A client that is controlled by JSON: one request per line on standard input, one response per line on standard
//! output. External tests in any language can use it:
//!
//! ```text
//! {"op": "new", "host": "www.example", "timeout": 5}
//! {"op": "request", "method": "GET", "url": "/"}
//! {"op": "getresponse"}
//! {"op": "read"}
//! ```
//!
//! Text represents bytes: the character U+00E9 is the byte 0xE9. With `--in-handler` the client runs in a handler of a
//! server.

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
