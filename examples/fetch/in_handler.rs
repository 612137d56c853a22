//! The program inside a handler: another thread passes the lines through a shared queue, and every wait of the client
//! suspends the handler.

use std::collections::VecDeque;
use std::io::{self, BufRead, Write};
use std::net::TcpStream;
use std::thread;

use serve_forever::Stopper;
use serve_forever::handler::Shared;
use serve_forever::socketserver::{StreamRequest, StreamRequestHandler, TcpServer};

use crate::program::Program;

/// The lines of standard input. `None` represents its end.
type Lines = Shared<VecDeque<Option<String>>>;

struct Answers {
    lines: Lines,
    stopper: Stopper,
}

impl StreamRequestHandler for Answers {
    fn handle(&mut self, x: &mut StreamRequest<'_>) -> io::Result<()> {
        let mut program = Program::new(x.connector());
        while let Some(Some(line)) = x.wait_until(&self.lines, None, VecDeque::pop_front)? {
            writeln!(io::stdout(), "{}", program.answer_line(&line))?;
        }
        self.stopper.stop();
        Ok(())
    }
}

pub fn run() -> io::Result<()> {
    let lines = Lines::default();
    let server = TcpServer::bind("127.0.0.1:0")?;
    let (address, stopper, queue) = (server.server_address(), server.stopper(), lines.clone());
    let mut server = server.handler(move || Answers { lines: queue.clone(), stopper: stopper.clone() });
    thread::spawn(move || {
        // The only client of the server. The handler runs for this client.
        let client = TcpStream::connect(address);
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            lines.with(|lines| lines.push_back(Some(line)));
        }
        lines.with(|lines| lines.push_back(None));
        drop(client);
    });
    server.serve_forever().map(drop)
}
