//! TCP streams: the kernel's socket, with `sendfile`, `MSG_MORE` and `TCP_CORK` on systems that have them.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use super::Transport;

impl Transport for mio::net::TcpStream {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(buf)
    }

    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
        match (first, second) {
            // `more` is ignored if there is a second part, which is the body of a response. No file follows such a
            // body, so its last packet need not be held back.
            (only, []) if more => send_more(self, only),
            // `write` is cheaper than `writev`, and suffices for a single part.
            (only, []) | ([], only) => self.write(only),
            _ => self.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]),
        }
    }

    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64> {
        send_file(self, file, offset, length)
    }

    #[cfg(target_os = "linux")]
    fn cork(&mut self, on: bool) {
        // An error can be ignored, because the option only saves packets. If the socket is broken, the next send
        // returns an error.
        let _ = rustix::net::sockopt::set_tcp_cork(&*self, on);
    }

    fn end(&mut self) -> io::Result<()> {
        // Only the sending side is shut down, because the session continues to read and discard input.
        self.shutdown(Shutdown::Write)
    }

    fn short_read_is_all(&self) -> bool {
        // Only epoll guarantees an event for bytes that arrive after a short read. kqueue and Windows do not.
        cfg!(target_os = "linux")
    }

    #[cfg(all(feature = "harness", target_os = "linux"))]
    fn unacknowledged(&self) -> Option<u64> {
        // The write queue holds bytes until they are acknowledged. The memory that it uses exceeds the number of bytes
        // in it, but is 0 if the queue is empty.
        let memory = nix::sys::socket::getsockopt(self, option::SocketMemory).ok()?;
        Some(u64::from(memory[option::WRITE_QUEUE]))
    }

    #[cfg(feature = "harness")]
    fn reset_on_drop(&mut self) {
        // An error is ignored, because its only effect is that the connection ends with a FIN instead of a reset.
        _ = socket2::SockRef::from(&*self).set_linger(Some(std::time::Duration::ZERO));
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self
    }
}

#[cfg(all(feature = "harness", target_os = "linux"))]
mod option {
    use nix::{getsockopt_impl, libc, sockopt_impl};

    /// The index in [`SocketMemory`] of the memory of the write queue: `SK_MEMINFO_WMEM_QUEUED` in `linux/sock_diag.h`.
    pub(super) const WRITE_QUEUE: usize = 5;

    sockopt_impl!(
        /// The socket option `SO_MEMINFO`, which returns the memory that a socket uses. Only the values up to
        /// `WRITE_QUEUE` are read.
        SocketMemory,
        GetOnly,
        libc::SOL_SOCKET,
        libc::SO_MEMINFO,
        [u32; WRITE_QUEUE + 1]
    );
}

/// Sends bytes that a file or the end of the connection will follow immediately. To save a packet, the kernel may hold
/// back the last bytes until then.
#[cfg(target_os = "linux")]
fn send_more(stream: &mut mio::net::TcpStream, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::SendFlags;
    // With `MSG_NOSIGNAL`, sending to a disconnected peer returns an error instead of raising SIGPIPE.
    Ok(rustix::net::send(&*stream, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
}

#[cfg(not(target_os = "linux"))]
fn send_more(stream: &mut mio::net::TcpStream, bytes: &[u8]) -> io::Result<usize> {
    stream.write(bytes)
}

#[cfg(target_os = "linux")]
fn send_file(stream: &mio::net::TcpStream, file: &File, mut offset: u64, length: u64) -> io::Result<u64> {
    use rustix::io::Errno;
    // On a 32-bit system, later calls send the rest of a larger file.
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    match rustix::fs::sendfile(stream, file, Some(&mut offset), length) {
        Ok(sent) => Ok(sent as u64),
        // Some file systems do not support the call, and some sandboxes block it. The caller then copies the bytes
        // itself.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(io::ErrorKind::Unsupported.into()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn send_file(_: &mio::net::TcpStream, _: &File, _: u64, _: u64) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_corked_socket_holds_back_until_it_is_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = mio::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        for on in [true, false] {
            stream.cork(on);
            assert_eq!(rustix::net::sockopt::tcp_cork(&stream).unwrap(), on);
        }
    }
}
