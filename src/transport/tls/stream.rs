//! `TlsStream`, a transport that adds TLS to another transport. It stores unprocessed and unsent bytes itself, because
//! rustls owns no buffers.

use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use rustls::{PeerIncompatible, ServerConfig};

use super::records::{PlaintextSink, Stop, process};
use super::scratch::{LEAST_READ, MOST_READ, MOST_UNFINISHED, TlsScratch};
use super::side::{FirstLook, ServerSide, TlsSide, info};
use crate::buffer::Buffer;
use crate::session::Ready;
use crate::tls_info::TlsInfo;
use crate::transport::{Handshake, Transport};

/// An unencrypted record that contains the fatal alert protocol_version (RFC 5246 section 7.2).
const PROTOCOL_VERSION_ALERT: [u8; 7] = [21, 3, 1, 0, 2, 2, 70];

/// A TLS connection over another byte stream.
///
/// Invariant: rustls processes nothing after an error or after the peer's `close_notify`. Later input is discarded.
pub struct TlsStream<T, S> {
    pub(super) socket: T,
    pub(super) side: S,
    pub(super) scratch: Rc<TlsScratch>,
    /// Received bytes that rustls has not consumed: an unfinished record or message, or the records that were left over
    /// when the reader's memory was full.
    pub(super) received: Buffer,
    /// Decrypted bytes that did not fit into the reader's memory.
    pub(super) plaintext: Buffer,
    /// Encrypted records that the socket has not accepted yet.
    pub(super) pending: Buffer,
    pub(super) info: Option<Arc<TlsInfo>>,
    pub(super) failure: Option<Box<rustls::Error>>,
    /// True if the peer has sent unencrypted HTTP instead of TLS, so that everything is passed through unchanged.
    pub(super) is_text: bool,
    /// True if `received` may contain complete records.
    pub(super) has_whole_records: bool,
    /// True if the last read emptied the socket, and no plaintext and no complete record is left over from it.
    pub(super) is_drained: bool,
    /// True once the peer has sent `close_notify` or closed its sending side.
    pub(super) at_end: bool,
    pub(super) has_announced_end: bool,
}

impl<T: Transport> TlsStream<T, ServerSide> {
    /// Creates the server side of an accepted connection.
    ///
    /// # Errors
    /// Returns the same errors as [`ServerSide::new`].
    pub fn accept(socket: T, config: Arc<ServerConfig>, scratch: Rc<TlsScratch>) -> Result<Self, rustls::Error> {
        Ok(TlsStream::new(socket, ServerSide::new(config)?, scratch))
    }
}

impl<T: Transport, S: TlsSide> TlsStream<T, S> {
    /// Creates a connection over `socket` whose handshake has not begun. The streams of a thread share `scratch`.
    pub fn new(socket: T, side: S, scratch: Rc<TlsScratch>) -> TlsStream<T, S> {
        TlsStream {
            socket,
            side,
            scratch,
            received: Buffer::default(),
            plaintext: Buffer::default(),
            pending: Buffer::default(),
            info: None,
            failure: None,
            is_text: false,
            has_whole_records: false,
            is_drained: false,
            at_end: false,
            has_announced_end: false,
        }
    }

    /// The inner stream, which carries the records.
    pub fn socket(&mut self) -> &mut T {
        &mut self.socket
    }

    /// Reads once from the socket, unless complete records are left over from an earlier read, and processes the
    /// records. Returns the number of bytes of plaintext written to `buf`, which can be 0.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.is_drained = false;
        let scratch = Rc::clone(&self.scratch);
        let mut input = scratch.input();
        // The bytes that are left over from earlier reads precede the new ones.
        let kept = self.received.len();
        input[..kept].copy_from_slice(self.received.bytes());
        let mut end = kept;
        let mut is_short = false;
        if !self.has_whole_records {
            // rustls accepts no record or handshake message of more than `MOST_UNFINISHED` bytes, so storing more would
            // only use up memory.
            if kept >= MOST_UNFINISHED {
                return Err(self.fail(rustls::Error::PeerSentOversizedRecord));
            }
            // Plaintext is shorter than the records that contain it. If no more bytes are read than fit into `buf`,
            // their plaintext therefore fits too in most cases.
            let room = buf.len().clamp(LEAST_READ, MOST_READ);
            let count = self.socket.recv(&mut input[kept..kept + room])?;
            if count == 0 {
                self.at_end = true;
                return Ok(0);
            }
            // rustls could produce responses to these bytes, but nothing may be sent after `close_notify`.
            if self.has_announced_end {
                return Ok(0);
            }
            end += count;
            // A short read has emptied the socket if the inner transport guarantees this.
            is_short = count < room && self.socket.short_read_is_all();
            // Responding to a ClientHello costs a signature. A second read detects if the client has already closed its
            // side. In that case there is no response, so that a flood of such clients costs little.
            if self.side.awaits_hello() {
                match self.socket.recv(&mut input[end..end + LEAST_READ]) {
                    Ok(0) => return Ok(self.leave(&input[..end])),
                    Ok(count) => end += count,
                    Err(error) => unless_later(Err(error))?,
                }
            }
        }
        self.process(&mut input[..end], buf, is_short)
    }

    /// Handles a client that has closed its sending side before the handshake. Returns the number of bytes of
    /// plaintext, which is always 0.
    fn leave(&mut self, input: &[u8]) -> usize {
        self.at_end = true;
        // A client that has sent unencrypted HTTP still gets a response, because it may have closed its sending side
        // after the request.
        if self.side.look_at(input) == FirstLook::Text {
            self.is_text = true;
            self.keep(input);
        }
        0
    }

    /// Processes received bytes, and stores those that rustls does not consume.
    fn process(&mut self, input: &mut [u8], buf: &mut [u8], is_short: bool) -> io::Result<usize> {
        match self.side.look_at(input) {
            FirstLook::Process => {}
            FirstLook::Wait => {
                self.keep(input);
                return Ok(0);
            }
            FirstLook::Text => {
                self.is_text = true;
                self.keep(input);
                return Ok(0);
            }
            FirstLook::TooOld => {
                // The version is checked before rustls does so, because rustls would first notice a missing extension
                // and send the wrong alert.
                self.pending.extend(&PROTOCOL_VERSION_ALERT);
                return Err(self.fail(PeerIncompatible::Tls12NotOffered.into()));
            }
        }
        let mut sink = PlaintextSink::new(buf, &mut self.plaintext);
        let (used, stop) = process(&mut self.side, input, &mut sink, &mut self.pending, &mut |_| {});
        let filled = sink.filled;
        self.has_whole_records = false;
        match stop {
            // If `is_drained` is true, neither the socket nor this stream has anything to read, so the session can wait
            // for the poll without another read. After any other result, this is not known.
            Ok(Stop::Empty) => self.is_drained = is_short && self.plaintext.is_empty(),
            // The remaining records are no longer in the socket, so no event will report them. The next read processes
            // them before it reads more.
            Ok(Stop::Full) => self.has_whole_records = used < input.len(),
            Ok(Stop::PeerEnded) => self.at_end = true,
            Err(error) => {
                let error = self.fail(error);
                // Plaintext that was received before the error is returned first. The next call returns the error.
                return if filled > 0 { Ok(filled) } else { Err(error) };
            }
        }
        self.keep(if self.at_end { &[] } else { &input[used..] });
        Ok(filled)
    }

    /// Replaces the bytes that are stored for the next read with `rest`.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        // `rest` contains the stored bytes that are still unprocessed, followed by new bytes, so it replaces the stored
        // bytes. It is copied, because it is in shared memory.
        self.received.consume(self.received.len());
        if rest.is_empty() {
            self.received = Buffer::default();
        } else {
            self.received.extend(rest);
        }
    }

    /// Records that the connection has failed with `error`, discards the received bytes, and tries to send the alert.
    /// rustls processes nothing more after this.
    pub(super) fn fail(&mut self, error: rustls::Error) -> io::Error {
        self.keep(&[]);
        // An error is ignored. If the alert cannot be sent now, it stays pending.
        _ = self.flush_pending();
        self.failure = Some(Box::new(error.clone()));
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    pub(super) fn check(&self) -> io::Result<()> {
        match &self.failure {
            Some(error) => Err(io::Error::new(io::ErrorKind::InvalidData, (**error).clone())),
            None => Ok(()),
        }
    }

    /// Continues the handshake until it needs bytes that have not arrived, or has bytes that the socket does not
    /// accept.
    pub(super) fn shake(&mut self, ready: &mut Ready, left: &mut usize) -> io::Result<Handshake> {
        loop {
            if !self.pending.is_empty() {
                // The peer cannot continue until it has received the pending records, so they are sent before more is
                // read.
                if !ready.write {
                    return Ok(Handshake::Waiting);
                }
                self.flush_pending().inspect_err(|error| ready.write = error.kind() != io::ErrorKind::WouldBlock)?;
            }
            if self.is_text {
                return Ok(Handshake::Text);
            }
            if !self.side.common().is_handshaking() {
                self.info = Some(Arc::new(info(&self.side)));
                return Ok(Handshake::Complete);
            }
            if !ready.read {
                return Ok(Handshake::Waiting);
            }
            // No further flight may be computed in this turn, so further bytes are left in the socket.
            if *left == 0 {
                return Ok(Handshake::NextTurn);
            }
            self.read(&mut []).inspect_err(|error| ready.read = error.kind() != io::ErrorKind::WouldBlock)?;
            if self.at_end && !self.is_text {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // If EOF has been reported but not read yet, the socket stays marked as readable even if it is empty,
            // because EOF is not reported twice.
            ready.read &= ready.read_closed || !self.is_drained;
            if !self.pending.is_empty() {
                // rustls has produced a flight, which requires cryptography, such as a signature. A read that produces
                // no flight is cheap and is not counted.
                *left -= 1;
            }
        }
    }
}

/// Converts `WouldBlock` and `Interrupted` to `Ok`, because the call can be repeated later.
pub(super) fn unless_later(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(()),
        other => other,
    }
}

impl<T, S> fmt::Debug for TlsStream<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("info", &self.info).finish_non_exhaustive()
    }
}
