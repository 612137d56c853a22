//! A datagram that is being served, up to its reply.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use super::Address;
use super::stream_session::{log_failure, log_notes};
use crate::handler::{Pipe, Run, Wait};
use crate::log::AccessLog;
use crate::session::{CloseReason, Next, Ready, Session, StepContext};
use crate::transport::NoSource;

/// A socket that gives and takes datagrams.
pub trait DatagramSocket: AsRawFd + Send {
    /// Takes a datagram that is waiting: as much of it as fits, and how much that was.
    #[doc(hidden)]
    fn receive(&self, buf: &mut [u8]) -> io::Result<(usize, Address)>;

    /// Sends one.
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

/// One datagram of a [`DatagramServer`](super::DatagramServer).
pub(super) struct DatagramSession<'s, S> {
    socket: &'s S,
    run: Run,
    pipe: Rc<Pipe>,
    /// The sender as the socket named it: a dual-stack socket takes no other form of an IPv4 address back.
    peer: Address,
    log: &'s RefCell<AccessLog>,
    no_source: NoSource,
}

/// How long a reply waits that the system has no room for.
const RETRY: Duration = Duration::from_millis(10);

impl<'s, S> DatagramSession<'s, S> {
    pub(super) fn new(socket: &'s S, run: Run, pipe: Rc<Pipe>, peer: Address, log: &'s RefCell<AccessLog>) -> Self {
        DatagramSession { socket, run, pipe, peer, log, no_source: NoSource }
    }

    /// The sender as the log shows it.
    fn shown(&self) -> Option<SocketAddr> {
        self.peer.unmapped().net()
    }
}

impl<S: DatagramSocket> Session for DatagramSession<'_, S> {
    fn step(&mut self, _: &mut Ready, cx: &mut StepContext<'_>) -> Next {
        if self.run.go(Some(cx.registrar)).is_err() {
            return Next::Close(CloseReason::Memory);
        }
        log_notes(&self.pipe, self.log, self.shown(), cx.clock.wall);
        if !self.run.is_over() {
            return Next::Wait(match self.pipe.0.borrow().wait {
                Wait::Until(time) => Some(time),
                _ => None,
            });
        }
        if log_failure(&self.pipe, self.log, self.shown(), cx.clock.wall) {
            return Next::Close(CloseReason::OutputCut);
        }
        let reply = &self.pipe.0.borrow().outbox;
        // A datagram may be lost anywhere, so one that cannot be sent is lost too; an empty one says nothing.
        match if reply.is_empty() { Ok(0) } else { self.socket.send(reply, &self.peer) } {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Next::Wait(cx.clock.now.checked_add(RETRY)),
            _ => Next::Close(CloseReason::Complete),
        }
    }

    /// The socket belongs to all datagrams; none of them has one to register.
    fn source(&mut self) -> &mut dyn mio::event::Source {
        &mut self.no_source
    }
}

impl<S> Drop for DatagramSession<'_, S> {
    fn drop(&mut self) {
        self.run.cancel();
        log_notes(&self.pipe, self.log, self.shown(), SystemTime::now());
    }
}
