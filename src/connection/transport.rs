use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

/// A non-blocking byte stream in both directions, with a way to send a file.
pub trait Transport {
    /// Reads into `buf`; 0 is the end, `WouldBlock` means not now.
    ///
    /// # Errors
    /// Those of the operating system.
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Sends some of the bytes of both parts, in one call. `last` says that the connection is closed once they are all
    /// sent, so that its end may travel with them.
    ///
    /// # Errors
    /// Those of the operating system.
    fn send(&mut self, first: &[u8], second: &[u8], last: bool) -> io::Result<usize>;

    /// Sends some of `length` bytes of the file from `offset` on; 0 means that the file ends there.
    ///
    /// # Errors
    /// `Unsupported` if this transport or this file cannot do it: the caller then reads and sends itself.
    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64>;

    /// Says that no more will be sent.
    ///
    /// # Errors
    /// Those of the operating system; the peer may be gone already.
    fn end(&mut self) -> io::Result<()>;

    /// Whether a read that filled less than its buffer has taken all there was, so that the next one need not be
    /// tried before the poll reports something new. True for Linux's epoll, edge-triggered.
    fn short_read_is_all(&self) -> bool {
        false
    }

    /// What is registered with the poll.
    fn source(&mut self) -> &mut dyn mio::event::Source;
}

impl Transport for mio::net::TcpStream {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(buf)
    }

    fn send(&mut self, first: &[u8], second: &[u8], last: bool) -> io::Result<usize> {
        match (first, second) {
            (only, []) if last => send_last(self, only),
            (only, []) | ([], only) => self.write(only),
            _ => self.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]),
        }
    }

    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64> {
        send_file(self, file, offset, length)
    }

    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn short_read_is_all(&self) -> bool {
        cfg!(target_os = "linux")
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self
    }
}

/// Holds the last packet back for the moment until the close, which then leaves with it: one packet less on the wire.
#[cfg(target_os = "linux")]
fn send_last(stream: &mut mio::net::TcpStream, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::SendFlags;
    Ok(rustix::net::send(&*stream, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
}

#[cfg(not(target_os = "linux"))]
fn send_last(stream: &mut mio::net::TcpStream, bytes: &[u8]) -> io::Result<usize> {
    stream.write(bytes)
}

#[cfg(target_os = "linux")]
fn send_file(stream: &mio::net::TcpStream, file: &File, mut offset: u64, length: u64) -> io::Result<u64> {
    use rustix::io::Errno;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    match rustix::fs::sendfile(stream, file, Some(&mut offset), length) {
        Ok(sent) => Ok(sent as u64),
        // Some file systems, and kernels that filter the call, want it done by hand.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(io::ErrorKind::Unsupported.into()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn send_file(_: &mio::net::TcpStream, _: &File, _: u64, _: u64) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}
