//! `RegisteredSocket` is a socket that is registered with the poll, together with the readiness that its events have
//! reported. `ParkedStream` is a registered socket without a handler.
//!
//! Nothing in this file suspends a handler. That is done by [`OutgoingStream`](super::OutgoingStream).

use std::io;
#[cfg(feature = "client")]
use std::time::Instant;

use mio::Interest;

#[cfg(feature = "client")]
use super::clock::now;
use super::outgoing_socket::OutgoingSocket;
use crate::session::{MovableSource, SessionHandle};

/// A connection that is registered with the poll. Its methods never wait.
#[derive(Debug)]
pub(super) struct RegisteredSocket {
    /// Declared before `source`, so that the socket is closed before its registration is dropped. Events of an open
    /// socket contain the index of the registration, so the index must not be reused while the socket is open.
    socket: OutgoingSocket,
    source: MovableSource,
}

impl RegisteredSocket {
    /// Registers a socket. The socket's events then run the session that `handle` belongs to.
    pub(super) fn new(mut socket: OutgoingSocket, handle: &dyn SessionHandle) -> io::Result<RegisteredSocket> {
        let source = handle.register(socket.source(), Interest::READABLE | Interest::WRITABLE)?;
        Ok(RegisteredSocket { socket, source })
    }

    pub(super) fn get_ref(&self) -> &OutgoingSocket {
        &self.socket
    }

    /// Reads without waiting. If the last read emptied the socket, this method returns `WouldBlock` without a system
    /// call until an event reports input.
    pub(super) fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.source.can_read() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = self.socket.read(into);
        match &result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.source.read_blocked(),
            // A read that did not fill `into` has emptied the socket. Only epoll guarantees another event for bytes
            // that arrive afterwards.
            Ok(count) if *count < into.len() && cfg!(target_os = "linux") => self.source.read_emptied(),
            _ => {}
        }
        result
    }

    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.socket.write(bytes);
        if matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.source.write_blocked();
        }
        result
    }

    /// True if, since the last call that returned `WouldBlock`, an event has reported input (if `input` is true) or
    /// space for output (if `output` is true).
    #[cfg(feature = "client")]
    pub(super) fn is_ready(&self, input: bool, output: bool) -> bool {
        (input && self.source.can_read()) || (output && self.source.can_write())
    }

    /// Makes the next read perform a system call even if no event has reported input.
    #[cfg(feature = "client")]
    pub(super) fn expect_input(&self) {
        self.source.expect_input();
    }
}

/// An idle connection that one handler has opened and another handler can use. It stays registered with the poll, so
/// that an event is reported if the other server sends bytes or closes the connection.
#[cfg(feature = "client")]
#[derive(Debug)]
pub struct ParkedStream(RegisteredSocket);

#[cfg(feature = "client")]
impl ParkedStream {
    /// Detaches a connection from the session of its handler.
    pub(super) fn new(socket: RegisteredSocket) -> ParkedStream {
        // If the socket kept its session, its events would run a later session that reuses the session's key.
        socket.source.set_session(None);
        ParkedStream(socket)
    }

    /// Attaches the connection to the session of `handle`. The registration is kept, so this makes no system call.
    pub(super) fn give_to(self, handle: &dyn SessionHandle) -> io::Result<RegisteredSocket> {
        handle.adopt(&self.0.source)?;
        Ok(self.0)
    }

    /// Reads like [`OutgoingStream`](super::OutgoingStream), but never suspends a handler.
    pub(crate) fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }

    /// Writes like [`OutgoingStream`](super::OutgoingStream), but never suspends a handler.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    /// The current time on the handlers' clock, which may be simulated.
    pub(crate) fn time(&self) -> Instant {
        now()
    }
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::Arc;

    use mio::net::TcpStream;

    use super::*;
    use crate::session::{Ready, SourceTable, Waker};

    /// A handle for session 0 that has no poll. The test generates the events.
    struct EventsByHand(Arc<SourceTable>);

    impl SessionHandle for EventsByHand {
        fn register(&self, _: &mut dyn mio::event::Source, _: Interest) -> io::Result<MovableSource> {
            Ok(self.0.add(0))
        }

        fn adopt(&self, source: &MovableSource) -> io::Result<()> {
            source.set_session(Some(0));
            Ok(())
        }

        fn wake(&self) -> Waker {
            Waker::new(|| {})
        }

        fn is_stopping(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_read_asks_the_system_only_after_an_event_or_if_it_is_told_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let handle = EventsByHand(Arc::default());
        let socket = OutgoingSocket::Tcp(TcpStream::from_std(socket));
        let mut socket = RegisteredSocket::new(socket, &handle).unwrap();
        let event = || handle.0.mark(0, Ready { write: false, ..Ready::FRESH });

        peer.write_all(b"one").unwrap();
        let would_block = |read: io::Result<usize>| read.unwrap_err().kind() == io::ErrorKind::WouldBlock;
        assert!(would_block(socket.try_read(&mut [0; 8])), "no event has announced the bytes");
        assert_eq!(event(), Some(0));
        assert_eq!(socket.try_read(&mut [0; 8]).unwrap(), 3);

        let mut parked = ParkedStream::new(socket);
        peer.write_all(b"two").unwrap();
        assert!(would_block(parked.try_read(&mut [0; 8])));
        let mut socket = parked.give_to(&handle).unwrap();
        socket.expect_input();
        assert_eq!(socket.try_read(&mut [0; 8]).unwrap(), 3, "there are bytes without an event");

        let mut parked = ParkedStream::new(socket);
        drop(peer);
        assert_eq!(event(), None, "a parked connection runs no session");
        assert_eq!(parked.try_read(&mut [0; 8]).unwrap(), 0, "the event has announced the end");
    }
}
