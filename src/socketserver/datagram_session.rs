//! The session of one datagram, from its arrival to the reply, and the operations of datagram sockets that it needs.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::address::Address;
use super::raw_handler::RawHandler;
use crate::session::{CloseReason, Next, Ready, Session, StepContext};
use crate::transport::NoSource;

/// A UDP socket or a Unix datagram socket.
pub trait DatagramSocket: AsRawFd + Send {
    /// Receives a datagram into `buf`, truncated to the length of `buf`. Returns the number of bytes and the address of
    /// the sender.
    #[doc(hidden)]
    fn receive(&self, buf: &mut [u8]) -> io::Result<(usize, Address)>;

    /// Sends a datagram. Returns 0 without sending it if the client's socket has no address.
    #[doc(hidden)]
    fn send(&self, bytes: &[u8], to: &Address) -> io::Result<usize>;
}

impl DatagramSocket for UdpSocket {
    fn receive(&self, buf: &mut [u8]) -> io::Result<(usize, Address)> {
        self.recv_from(buf).map(|(count, peer)| (count, Address::Net(peer)))
    }

    fn send(&self, bytes: &[u8], to: &Address) -> io::Result<usize> {
        to.net().map_or(Ok(0), |to| self.send_to(bytes, to))
    }
}

impl DatagramSocket for UnixDatagram {
    fn receive(&self, buf: &mut [u8]) -> io::Result<(usize, Address)> {
        let (count, peer) = self.recv_from(buf)?;
        Ok((count, Address::Unix(peer.as_pathname().map(Into::into))))
    }

    fn send(&self, bytes: &[u8], to: &Address) -> io::Result<usize> {
        match to {
            Address::Unix(Some(path)) => self.send_to(bytes, path),
            _ => Ok(0),
        }
    }
}

/// The session for one datagram of a [`DatagramServer`](super::DatagramServer).
pub(super) struct DatagramSession<'s, S> {
    socket: &'s S,
    handler: RawHandler<'s>,
    /// The address of the sender as reported by the socket. For an IPv4 sender, a dual-stack socket reports an
    /// IPv4-mapped IPv6 address, and can send a reply only to an address in that form.
    peer: Address,
    no_source: NoSource,
}

/// The time after which a session retries sending a reply that did not fit into the socket's buffer.
const RETRY: Duration = Duration::from_millis(10);

impl<'s, S> DatagramSession<'s, S> {
    pub(super) fn new(socket: &'s S, handler: RawHandler<'s>, peer: Address) -> Self {
        DatagramSession { socket, handler, peer, no_source: NoSource }
    }
}

impl<S: DatagramSocket> Session for DatagramSession<'_, S> {
    fn step(&mut self, _: &mut Ready, cx: &mut StepContext<'_>) -> Next {
        if let Err(reason) = self.handler.run(cx) {
            return Next::Close(reason);
        }
        if !self.handler.is_over() {
            return Next::Wait(self.handler.state().wait.deadline());
        }
        if self.handler.log_failure(cx.clock.wall) {
            return Next::Close(CloseReason::OutputCut);
        }
        let reply = &self.handler.state().output;
        // If the handler has written nothing, no datagram is sent, not even an empty one.
        match if reply.is_empty() { Ok(0) } else { self.socket.send(reply, &self.peer) } {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Next::Wait(cx.clock.now.checked_add(RETRY)),
            // After any other error the reply is dropped, because any datagram can also be lost in the network.
            _ => Next::Close(CloseReason::Complete),
        }
    }

    /// Returns a source without events. A session has no socket of its own to register, because all datagrams use that
    /// of the server.
    fn source(&mut self) -> &mut dyn mio::event::Source {
        &mut self.no_source
    }
}
