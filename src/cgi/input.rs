//! The pipe to a script's standard input.
//!
//! The framing and the end of the request body are handled in `run`.

use std::io::{self, Write};

use mio::unix::pipe::Sender;

use crate::http::BodyLength;

/// The default capacity of a pipe on Linux, in bytes. If more than this remains of a body, the remainder cannot fit
/// into the pipe.
const LONG: u64 = 64 * 1024;

/// The server's end of the pipe to a script's standard input, which carries the request body.
pub(super) struct ScriptInput {
    pipe: Sender,
    /// The number of bytes that have been written to the pipe so far.
    written: u64,
    /// True if the last write found the pipe full.
    is_full: bool,
}

impl ScriptInput {
    pub(super) fn new(pipe: Sender) -> ScriptInput {
        ScriptInput { pipe, written: 0, is_full: false }
    }

    /// Writes as many bytes as fit into the pipe. Returns the number of bytes written.
    ///
    /// # Errors
    /// Returns an error if the script has closed its end of the pipe.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        self.is_full = false;
        while taken < bytes.len() && !self.is_full {
            match self.pipe.write(&bytes[taken..]) {
                Ok(count) => taken += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The pipe becomes writable when the script has read some bytes; the loop then runs the session again.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_full = true,
                Err(error) => return Err(error),
            }
        }
        self.written += taken as u64;
        Ok(taken)
    }

    /// True if the script has read no byte of the body yet, and the rest of the body does not fit into the pipe. The
    /// rest of a chunked body is assumed to fit until the pipe is full, because the client may wait for the response
    /// before it sends the rest.
    pub(super) fn may_be_ignored(&self, length: BodyLength) -> bool {
        let is_long = match length {
            BodyLength::Known(length) => length - self.written > LONG,
            BodyLength::Chunked | BodyLength::None => self.is_full,
        };
        is_long && self.unread() == self.written
    }

    /// The number of bytes that are still in the pipe. If the kernel cannot report this number, returns the total
    /// number of bytes written.
    fn unread(&self) -> u64 {
        rustix::io::ioctl_fionread(&self.pipe).unwrap_or(self.written)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_long_body_may_be_ignored_until_its_first_byte_is_read() {
        let (sender, mut receiver) = mio::unix::pipe::new().unwrap();
        let mut input = ScriptInput::new(sender);
        let (short, long) = (BodyLength::Known(LONG), BodyLength::Known(2 << 20));
        let ignored = |input: &ScriptInput| [short, long, BodyLength::Chunked].map(|body| input.may_be_ignored(body));
        assert_eq!(ignored(&input), [false, true, false]);
        assert_eq!(input.write(b"some").unwrap(), 4);
        assert_eq!(ignored(&input), [false, true, false]);
        let more = input.write(&[b'x'; 1 << 20]).unwrap();
        assert!(more < 1 << 20);
        let rest = BodyLength::Known(4 + more as u64 + LONG + 1);
        assert_eq!((input.may_be_ignored(rest), input.may_be_ignored(BodyLength::Chunked)), (true, true));
        receiver.read_exact(&mut [0]).unwrap();
        assert_eq!((input.may_be_ignored(rest), input.may_be_ignored(BodyLength::Chunked)), (false, false));
        drop(receiver);
        assert!(input.write(b"more").is_err());
    }
}
