//! The body of a request: its variants, its framing, and the code that sends it.

use std::io::{self, Read};

use super::link::{Link, SendResult};
use super::settings::WaitLimits;
use super::{ClientStream, Error};
use crate::http::HeaderList;
use crate::http1::{Buffer, Encoder};

/// The body of a request.
///
/// `()` converts to [`RequestBody::Empty`], and a byte slice to [`RequestBody::Bytes`]. Text must be encoded by the
/// caller; Python encodes it as Latin-1.
#[derive(Default)]
pub enum RequestBody<'a> {
    /// No body. A POST, PUT or PATCH request without a body is sent with `Content-Length: 0`.
    #[default]
    Empty,
    /// Bytes, sent with a `Content-Length`, even if the slice is empty.
    Bytes(&'a [u8]),
    /// A reader whose length is unknown. Its bytes are sent in chunks.
    Reader(&'a mut dyn Read),
    /// A reader and the exact length of its data in bytes. The length is sent as the `Content-Length`.
    Sized(u64, &'a mut dyn Read),
    /// An iterator over the pieces of the body. Each piece is sent as one chunk. Empty pieces are skipped.
    Pieces(&'a mut dyn Iterator<Item = Vec<u8>>),
}

impl std::fmt::Debug for RequestBody<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RequestBody::Empty => f.write_str("Empty"),
            RequestBody::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            RequestBody::Reader(_) => f.write_str("Reader"),
            RequestBody::Sized(length, _) => write!(f, "Sized({length} bytes)"),
            RequestBody::Pieces(_) => f.write_str("Pieces"),
        }
    }
}

impl From<()> for RequestBody<'_> {
    fn from((): ()) -> Self {
        RequestBody::Empty
    }
}

impl<'a> From<&'a [u8]> for RequestBody<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        RequestBody::Bytes(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for RequestBody<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        RequestBody::Bytes(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for RequestBody<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        RequestBody::Bytes(bytes)
    }
}

/// Returns the header field to add for the framing of the body, and a flag that is true if the body must be sent in
/// chunks. The field is `None` if one of the caller's fields in `given` already frames the body, or if the request
/// needs no framing because it has no body.
pub(super) fn framing(
    method: &str,
    body: &RequestBody<'_>,
    given: &HeaderList,
    encode_chunked: bool,
) -> (Option<(&'static str, String)>, bool) {
    if given.contains("Content-Length") {
        return (None, false);
    }
    if given.contains("Transfer-Encoding") {
        return (None, encode_chunked);
    }
    let length = match body {
        // A server expects a body after one of these methods, so `Content-Length: 0` announces an empty one (RFC 9110
        // section 8.6).
        RequestBody::Empty if ["POST", "PUT", "PATCH"].iter().any(|other| method.eq_ignore_ascii_case(other)) => 0,
        RequestBody::Empty => return (None, false),
        RequestBody::Bytes(bytes) => bytes.len() as u64,
        RequestBody::Sized(length, _) => *length,
        RequestBody::Reader(_) | RequestBody::Pieces(_) => {
            return (Some(("Transfer-Encoding", "chunked".to_owned())), true);
        }
    };
    (Some(("Content-Length", length.to_string())), false)
}

/// The error for a body that is longer or shorter than announced. The server would parse the excess as another request,
/// or wait for the missing bytes.
const WRONG_LENGTH: Error = Error::InvalidBody("the body does not have the length that the request announces");

impl RequestBody<'_> {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, RequestBody::Empty | RequestBody::Bytes([]))
    }

    /// A copy of the body for repeating the request; `None` if the body can be read only once.
    pub(super) fn repeated(&self) -> Option<Self> {
        match self {
            RequestBody::Empty => Some(RequestBody::Empty),
            RequestBody::Bytes(bytes) => Some(RequestBody::Bytes(bytes)),
            _ => None,
        }
    }

    /// Checks the length of an in-memory body against the announced length, before anything is sent.
    pub(super) fn check(&self, encoder: Option<Encoder>) -> Result<(), Error> {
        match (self, encoder) {
            (RequestBody::Bytes(bytes), Some(Encoder::Counted(length))) if bytes.len() as u64 != length => {
                Err(WRONG_LENGTH)
            }
            (RequestBody::Bytes([_, ..]), None) => Err(WRONG_LENGTH),
            _ => Ok(()),
        }
    }
}

impl<S: ClientStream> Link<S> {
    /// Sends `head` and the body. If `listens` is true, stops early when the final response arrives.
    pub(super) fn send_body(
        &mut self,
        head: &mut Buffer,
        body: RequestBody<'_>,
        block_size: usize,
        waits: WaitLimits,
        listens: bool,
    ) -> Result<(), Error> {
        let mut sender = BodySender { link: self, out: head, waits, listens };
        let sent = match body {
            RequestBody::Empty => sender.flush()?,
            RequestBody::Bytes(bytes) => sender.bytes(bytes)?,
            RequestBody::Reader(reader) | RequestBody::Sized(_, reader) => sender.blocks(reader, block_size)?,
            RequestBody::Pieces(pieces) => sender.pieces(pieces)?,
        };
        self.abandon_body_if_stopped(sent);
        Ok(())
    }

    /// Sends body bytes for a request whose head has been sent.
    pub(super) fn send_more(&mut self, bytes: &[u8], waits: WaitLimits) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut out = Buffer::default();
        let taken = self.encoder.as_mut().map_or(0, |encoder| encoder.write(bytes, &mut out));
        if taken < bytes.len() {
            return Err(WRONG_LENGTH);
        }
        self.send_body(&mut out, RequestBody::Empty, 0, waits, true)
    }

    /// Sends bytes that are not part of a request. No request can be sent after them.
    pub(super) fn send_raw(&mut self, bytes: &[u8], waits: WaitLimits) -> Result<(), Error> {
        self.machine.abandon_body();
        self.send(bytes, waits, false).map(drop)
    }

    /// Ends a body that was sent with `send_more`: sends the last chunk of a chunked body. Does nothing if the body is
    /// already complete.
    ///
    /// # Errors
    /// Returns an error if bytes are missing. The server would wait for them and not respond.
    pub(super) fn end_body(&mut self, waits: WaitLimits) -> Result<(), Error> {
        // There is no encoder if the body is complete, or if the caller has framed it.
        if self.encoder.is_none() {
            self.machine.body_sent();
            return Ok(());
        }
        let mut out = Buffer::default();
        let sent = BodySender { link: self, out: &mut out, waits, listens: true }.finish()?;
        self.abandon_body_if_stopped(sent);
        Ok(())
    }

    /// Abandons the rest of a body if the final response has arrived before its end.
    fn abandon_body_if_stopped(&mut self, sent: SendResult) {
        if sent == SendResult::Stopped {
            self.abandon_body();
        }
    }

    /// Records that the rest of the body will not be sent. The connection must be closed after the response, because
    /// the request is incomplete.
    pub(super) fn abandon_body(&mut self) {
        self.machine.abandon_body();
        self.encoder = None;
    }
}

/// The maximum size in bytes of a body that is copied to the end of the buffer with the head, so that both can be sent
/// in one packet. A larger body is sent from the caller's memory.
const COPIED: usize = 16 * 1024;

/// A body that is being framed and sent.
struct BodySender<'a, S: ClientStream> {
    link: &'a mut Link<S>,
    /// Framed bytes that have not been sent yet.
    out: &'a mut Buffer,
    waits: WaitLimits,
    listens: bool,
}

impl<S: ClientStream> BodySender<'_, S> {
    /// Sends a body that is in memory.
    fn bytes(&mut self, bytes: &[u8]) -> Result<SendResult, Error> {
        match &mut self.link.encoder {
            Some(encoder @ (Encoder::Counted(_) | Encoder::UntilClose)) if bytes.len() > COPIED => {
                encoder.sent(bytes.len() as u64);
                if self.flush()? == SendResult::Stopped
                    || self.link.send(bytes, self.waits, self.listens)? == SendResult::Stopped
                {
                    return Ok(SendResult::Stopped);
                }
            }
            _ => self.frame(bytes)?,
        }
        self.finish()
    }

    /// Sends all pieces of the body, and terminates it.
    fn pieces(&mut self, pieces: &mut dyn Iterator<Item = Vec<u8>>) -> Result<SendResult, Error> {
        for piece in pieces {
            if self.piece(&piece)? == SendResult::Stopped {
                return Ok(SendResult::Stopped);
            }
        }
        self.finish()
    }

    /// Sends the bytes from `reader` in blocks, until EOF.
    fn blocks(&mut self, reader: &mut dyn Read, block_size: usize) -> Result<SendResult, Error> {
        let mut block = vec![0; block_size];
        loop {
            self.link.interrupt_reads(self.listens);
            let read = self.read_block(reader, &mut block);
            self.link.interrupt_reads(false);
            let Some(count) = read? else { return Ok(SendResult::Stopped) };
            if count == 0 {
                return self.finish();
            }
            if self.piece(&block[..count])? == SendResult::Stopped {
                return Ok(SendResult::Stopped);
            }
        }
    }

    /// Reads up to `block.len()` bytes with one successful `read`, and returns their number. Returns `None` if the
    /// server responds before `reader` has returned any bytes.
    fn read_block(&mut self, reader: &mut dyn Read, block: &mut [u8]) -> Result<Option<usize>, Error> {
        loop {
            match reader.read(block) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    // Sends the head and the bytes that have been read so far, so that the server can respond to them.
                    if self.flush_and_listen()? == SendResult::Stopped {
                        return Ok(None);
                    }
                }
                result => return Ok(Some(result?)),
            }
        }
    }

    /// Frames and sends a piece of the body.
    fn piece(&mut self, piece: &[u8]) -> Result<SendResult, Error> {
        self.frame(piece)?;
        self.flush_and_listen()
    }

    /// Sends the remaining bytes of `out`. Returns `Stopped` if the final response has arrived.
    fn flush_and_listen(&mut self) -> Result<SendResult, Error> {
        // After the server has responded, the rest of the body is not sent (RFC 9112 section 9.5).
        if self.flush()? == SendResult::Stopped || (self.listens && self.link.has_stopped()?) {
            return Ok(SendResult::Stopped);
        }
        Ok(SendResult::Complete)
    }

    /// Appends a framed piece of the body to `out`. Fails if the body becomes longer than announced.
    fn frame(&mut self, piece: &[u8]) -> Result<(), Error> {
        let taken = self.link.encoder.as_mut().map_or(0, |encoder| encoder.write(piece, self.out));
        if taken < piece.len() { Err(WRONG_LENGTH) } else { Ok(()) }
    }

    /// Terminates the body and sends the remaining bytes of `out`. Fails if the body is shorter than announced.
    fn finish(&mut self) -> Result<SendResult, Error> {
        if self.link.encoder.take().is_some_and(|encoder| !encoder.finish(self.out)) {
            return Err(WRONG_LENGTH);
        }
        let sent = self.flush()?;
        if sent == SendResult::Complete {
            self.link.machine.body_sent();
        }
        Ok(sent)
    }

    fn flush(&mut self) -> Result<SendResult, Error> {
        let sent = self.link.send(self.out.bytes(), self.waits, self.listens)?;
        self.out.consume(self.out.len());
        Ok(sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_framed_unless_the_caller_has_done_it() {
        let none = HeaderList::new();
        let length = |length: &str| (Some(("Content-Length", length.to_owned())), false);
        assert_eq!(framing("GET", &RequestBody::Empty, &none, true), (None, false));
        assert_eq!(framing("patch", &RequestBody::Empty, &none, true), length("0"));
        assert_eq!(framing("GET", &RequestBody::Bytes(b""), &none, true), length("0"));
        assert_eq!(framing("GET", &RequestBody::Bytes(b"abc"), &none, true), length("3"));
        assert_eq!(framing("PUT", &RequestBody::Sized(9, &mut io::empty()), &none, true), length("9"));
        let chunked = (Some(("Transfer-Encoding", "chunked".to_owned())), true);
        assert_eq!(framing("PUT", &RequestBody::Reader(&mut io::empty()), &none, false), chunked);
        for (name, encode_chunked, encoded) in
            [("content-length", true, false), ("Transfer-encoding", true, true), ("Transfer-Encoding", false, false)]
        {
            let mut given = HeaderList::new();
            given.add(name, "x").unwrap();
            assert_eq!(framing("PUT", &RequestBody::Bytes(b"x"), &given, encode_chunked), (None, encoded), "{name}");
        }
    }
}
