//! The minimum work of one thread with one epoll instance for a request: the response to every input is the same
//! prepared text. Nothing is parsed, looked up, checked, limited or logged, so this is not a real server. It shows the
//! cost of a keep-alive request in the kernel, and `benches/compare` compares servers with it.
//!
//! ```sh
//! cargo run --release --example raw-epoll -- 8000 README.md
//! ```

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("epoll is Linux's");
}

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(port), Some(file)) = (arguments.next().and_then(|port| port.parse().ok()), arguments.next()) else {
        eprintln!("usage: raw-epoll PORT FILE");
        std::process::exit(2);
    };
    linux::serve(port, &std::fs::read(file)?)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;
    use std::io::{self, ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

    /// The descriptor that represents the listener. It is that of standard input, so no connection has it.
    const LISTENER: u64 = 0;

    pub fn serve(port: u16, body: &[u8]) -> io::Result<()> {
        let answer = answer(body);
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        listener.set_nonblocking(true)?;
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let mut connections: HashMap<u64, TcpStream> = HashMap::new();
        let (mut events, mut buffer) = (Vec::<Event>::with_capacity(1024), [0; 64 * 1024]);
        loop {
            epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
            for event in events.drain(..) {
                let token = event.data.u64();
                if token == LISTENER {
                    while let Some(stream) = accept(&listener)? {
                        let token = stream.as_raw_fd() as u64;
                        epoll::add(&poll, &stream, EventData::new_u64(token), EventFlags::IN)?;
                        connections.insert(token, stream);
                    }
                } else if !connections.get_mut(&token).is_some_and(|stream| is_answered(stream, &mut buffer, &answer)) {
                    connections.remove(&token);
                }
            }
        }
    }

    /// The response has about as many bytes as that of a real server, so that the kernel has the same work.
    fn answer(body: &[u8]) -> Vec<u8> {
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: raw-epoll\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\n\
             Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\nETag: \"0000000000000000\"\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                Ok(Some(stream))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Receives once and sends once. A connection that does not accept a whole response is closed.
    fn is_answered(stream: &mut TcpStream, buffer: &mut [u8], answer: &[u8]) -> bool {
        stream.read(buffer).is_ok_and(|count| count > 0)
            && stream.write(answer).is_ok_and(|count| count == answer.len())
    }
}
