//! `Upgraded::relay`: passes bytes between an upgraded connection and another connection.
//!
//! The caller performs the two handshakes beforehand. The bytes are not interpreted.

use std::io::{self, BufRead};

use super::upgrade::Upgraded;
use crate::buffer::Buffer;
use crate::client::{ClientStream, Readiness};

/// The maximum number of bytes that are read from the other connection at a time.
const PIECE: usize = 16 * 1024;

/// The result of one attempt to pass bytes in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passed {
    /// At least one byte was passed on.
    Some,
    /// No bytes were passed on: none have arrived, or the receiver does not accept any at the moment.
    Nothing,
    /// The sender has ended, and all of its bytes have been passed on.
    End,
}

impl Upgraded<'_> {
    /// Passes bytes between the client and `other`, in both directions at the same time, until `other` closes its
    /// sending side or the server stops. `early` contains bytes that have already been read from `other`; they are sent
    /// to the client first. If one side does not accept bytes, only the direction towards that side stops, and at most
    /// a few buffers of bytes are held for it.
    ///
    /// When the client closes its sending side, `relay` ends the output to `other` ([`ClientStream::end_output`]), but
    /// continues to pass on the bytes that `other` sends. This continues for at most
    /// [`Limits::half_closed_timeout`](crate::Limits::half_closed_timeout) after the last byte that the client
    /// accepted. When `other` closes its sending side, the connection to the client is closed after the last byte has
    /// been sent.
    ///
    /// A proxy calls `relay` after both handshakes, with the connection from
    /// [`HttpResponse::into_upgraded`](crate::client::HttpResponse::into_upgraded). The example `reverse_proxy` shows
    /// how.
    ///
    /// # Errors
    /// Returns any error from `other`, and an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if
    /// the client disconnects.
    pub fn relay<S: ClientStream>(mut self, mut other: S, early: &[u8]) -> io::Result<()> {
        self.set_nonblocking(true);
        let mut held = Buffer::default();
        held.extend(early);
        let mut client_has_ended = false;
        loop {
            let up = if client_has_ended { Passed::Nothing } else { self.pass_up(&mut other)? };
            if up == Passed::End {
                client_has_ended = true;
                match other.end_output() {
                    // If `other` cannot close its sending side alone, both directions end.
                    Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
                    result => result?,
                }
            }
            match (up, self.pass_down(&mut other, &mut held)?) {
                (_, Passed::End) => return Ok(()),
                // When the server stops, the connection also ends the client's input, so `client_has_ended` becomes
                // true.
                _ if client_has_ended && self.io.is_stopping() => return Ok(()),
                (Passed::Nothing, Passed::Nothing) => {
                    if held.is_empty() {
                        held = Buffer::default();
                    }
                    // This wait ends immediately, but makes a TLS stream send the records that it still holds.
                    _ = other.wait(Readiness::Either, Some(other.now()));
                    self.io.wait_for_source(None)?;
                }
                _ => {}
            }
        }
    }

    /// Passes bytes from the client to `other`.
    fn pass_up(&mut self, other: &mut impl ClientStream) -> io::Result<Passed> {
        let bytes = match self.rfile.fill_buf() {
            Ok([]) => return Ok(Passed::End),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Passed::Nothing),
            Err(error) => return Err(error),
        };
        match other.try_write(bytes) {
            Ok(count) => {
                self.rfile.consume(count);
                Ok(Passed::Some)
            }
            Err(error) => later(error),
        }
    }

    /// Passes bytes from `other` to the client. `held` stores bytes that the client has not accepted yet.
    fn pass_down(&self, other: &mut impl ClientStream, held: &mut Buffer) -> io::Result<Passed> {
        if held.is_empty() {
            match held.fill(PIECE, |free| other.try_read(free)) {
                Ok(0) => return Ok(Passed::End),
                Ok(_) => {}
                Err(error) => return later(error),
            }
        }
        let count = self.io.try_write(held.bytes())?;
        held.consume(count);
        Ok(if count > 0 { Passed::Some } else { Passed::Nothing })
    }
}

/// Maps an error of the other connection. `WouldBlock` becomes `Passed::Nothing`. `Interrupted` becomes `Passed::Some`,
/// so that the operation is repeated immediately. Any other error is returned.
fn later(error: io::Error) -> io::Result<Passed> {
    match error.kind() {
        io::ErrorKind::WouldBlock => Ok(Passed::Nothing),
        io::ErrorKind::Interrupted => Ok(Passed::Some),
        _ => Err(error),
    }
}
