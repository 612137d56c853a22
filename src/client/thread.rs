//! `ThreadConnector` and `ThreadStream`: connections for a client on an ordinary thread. Waiting blocks the thread.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::{ClientStream, Connector, Error, PoolConnector, PoolQueue, Readiness, ServerAddress};

/// Opens connections whose methods block the calling thread. Names are resolved by the system's resolver, for which no
/// time limit can be set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ThreadConnector;

impl Connector for ThreadConnector {
    type Stream = ThreadStream;

    fn connect(&self, to: &ServerAddress, until: Option<Instant>) -> Result<ThreadStream, Error> {
        let addresses: Vec<SocketAddr> = (&*to.host, to.port).to_socket_addrs().map_err(Error::Resolve)?.collect();
        let mut last = Error::Resolve(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        for (number, address) in addresses.iter().enumerate() {
            // Each address gets an equal share of the remaining time, so that an unreachable address cannot use up all
            // of it.
            let tries_left = (addresses.len() - number) as u32;
            let share = until.map(|until| until.saturating_duration_since(self.now()) / tries_left);
            match connect_to(*address, to.source, share) {
                Ok(stream) => return Ok(ThreadStream(stream)),
                Err(error) => last = Error::Io(error),
            }
        }
        Err(last)
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// A counter and a condition variable that wakes the threads waiting for a connection of a pool.
#[derive(Debug, Default)]
pub struct ThreadQueue {
    number: Mutex<u64>,
    changed: Condvar,
}

impl PoolQueue for ThreadQueue {
    fn number(&self) -> u64 {
        *self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self) {
        *self.number.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }
}

impl PoolConnector for ThreadConnector {
    type Queue = ThreadQueue;
    type Parked = ThreadStream;

    fn park(stream: ThreadStream) -> io::Result<ThreadStream> {
        Ok(stream)
    }

    fn unpark(&self, stream: ThreadStream) -> io::Result<ThreadStream> {
        Ok(stream)
    }

    fn wait_for_change(&self, queue: &ThreadQueue, seen: u64, until: Option<Instant>) -> io::Result<()> {
        let mut number = queue.number.lock().unwrap_or_else(PoisonError::into_inner);
        while *number == seen {
            number = match until.map(|until| until.saturating_duration_since(self.now())) {
                Some(Duration::ZERO) => return Err(io::ErrorKind::TimedOut.into()),
                Some(left) => queue.changed.wait_timeout(number, left).unwrap_or_else(PoisonError::into_inner).0,
                None => queue.changed.wait(number).unwrap_or_else(PoisonError::into_inner),
            };
        }
        Ok(())
    }
}

/// Connects to one address. Fails with `TimedOut` after the time `share`; `None` means no limit.
fn connect_to(address: SocketAddr, source: Option<SocketAddr>, share: Option<Duration>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(source) = source {
        socket.bind(&source.into())?;
    }
    match share {
        // A timeout of zero is handled here, because the system would treat it as no limit.
        Some(share) if share.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
        Some(share) => socket.connect_timeout(&address.into(), share)?,
        None => socket.connect(&address.into())?,
    }
    socket.set_nonblocking(true)?;
    // A request is written in one call, so Nagle's algorithm would only delay its last packet.
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// A TCP connection whose waits block the calling thread.
#[derive(Debug)]
pub struct ThreadStream(TcpStream);

impl ClientStream for ThreadStream {
    fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn wait(&mut self, what: Readiness, until: Option<Instant>) -> io::Result<()> {
        let events = match what {
            Readiness::Input => PollFlags::IN,
            Readiness::Output => PollFlags::OUT,
            Readiness::Either => PollFlags::IN | PollFlags::OUT,
        };
        loop {
            let left = until.map(|until| until.saturating_duration_since(self.now()));
            let timeout = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(&self.0, events)], timeout.as_ref()) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn end_output(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}
