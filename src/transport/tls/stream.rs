//! `TlsStream`: a transport that speaks TLS over another one. It keeps what rustls does not: the bytes that wait.

use std::fmt;
use std::fs::File;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use rustls::unbuffered::{EncryptError, InsufficientSizeError, WriteTraffic};
use rustls::{PeerIncompatible, ServerConfig};

use super::records::{PlaintextSink, Stop, process};
use super::scratch::{FULL_RECORD, LEAST_READ, MOST_PLAINTEXT, MOST_READ, MOST_UNFINISHED, TlsScratch};
use super::side::{FirstLook, ServerSide, TlsSide, info};
use crate::buffer::Buffer;
use crate::session::Ready;
use crate::tls_info::TlsInfo;
use crate::transport::{Handshake, Transport, read_at};

/// The record of a fatal alert protocol_version (RFC 5246 section 7.2), in clear.
const PROTOCOL_VERSION_ALERT: [u8; 7] = [21, 3, 1, 0, 2, 2, 70];

/// Reads in one call that may give no plaintext, before the other sessions get their turn.
const MOST_READS: usize = 8;

/// A TLS connection over another byte stream.
///
/// Invariant: rustls processes nothing after an error or after the announced end. What the peer still sends then is discarded.
pub struct TlsStream<T, S> {
    socket: T,
    side: S,
    scratch: Rc<TlsScratch>,
    /// Received bytes that rustls has not used up: an unfinished record or message, or the records that follow a full read.
    received: Buffer,
    /// Decrypted bytes that did not fit into the memory of the reader.
    plaintext: Buffer,
    /// Records that the socket did not take.
    pending: Buffer,
    info: Option<Arc<TlsInfo>>,
    failure: Option<Box<rustls::Error>>,
    /// The peer has sent text before any TLS: everything is passed on as it is.
    is_text: bool,
    /// There may be whole records in `received`.
    has_whole_records: bool,
    /// The last read took everything that the socket had, and it was decrypted and returned.
    is_drained: bool,
    /// The peer has announced its end, or closed its side.
    at_end: bool,
    has_announced_end: bool,
}

impl<T: Transport> TlsStream<T, ServerSide> {
    /// The server's side of a connection that was accepted.
    ///
    /// # Errors
    /// As [`ServerSide::new`].
    pub fn accept(socket: T, config: Arc<ServerConfig>, scratch: Rc<TlsScratch>) -> Result<Self, rustls::Error> {
        Ok(TlsStream::new(socket, ServerSide::new(config)?, scratch))
    }
}

impl<T: Transport, S: TlsSide> TlsStream<T, S> {
    /// A new connection over `socket`, whose handshake is still to come. The streams of a thread share `scratch`.
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

    /// The stream that carries the records.
    pub fn socket(&mut self) -> &mut T {
        &mut self.socket
    }

    /// Reads once from the socket, unless records wait, and processes what is there. Returns the number of bytes of plaintext in
    /// `buf`: 0 after a read that gave none.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.is_drained = false;
        let scratch = Rc::clone(&self.scratch);
        let mut input = scratch.input();
        // An unfinished record goes before the bytes that complete it.
        let kept = self.received.len();
        input[..kept].copy_from_slice(self.received.bytes());
        let mut end = kept;
        let mut is_short = false;
        if !self.has_whole_records {
            if kept >= MOST_UNFINISHED {
                return Err(self.fail(rustls::Error::PeerSentOversizedRecord));
            }
            let room = buf.len().clamp(LEAST_READ, MOST_READ);
            let count = self.socket.recv(&mut input[kept..kept + room])?;
            if count == 0 {
                self.at_end = true;
                return Ok(0);
            }
            // rustls could only respond, which nothing may do after the announced end.
            if self.has_announced_end {
                return Ok(0);
            }
            end += count;
            is_short = count < room && self.socket.short_read_is_all();
            // The answer to a hello is costly, and a client that has left does not need it. A flood of them would.
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

    /// Takes note of a client that has closed its side before the handshake. Returns the number of bytes of plaintext.
    fn leave(&mut self, input: &[u8]) -> usize {
        self.at_end = true;
        // Text gets its response all the same: such a client closes its side when it has sent its request.
        if self.side.look_at(input) == FirstLook::Text {
            self.is_text = true;
            self.keep(input);
        }
        0
    }

    /// Processes received bytes, and keeps those that rustls does not use up.
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
                // rustls would miss an extension first, and send the alert for that.
                self.pending.extend(&PROTOCOL_VERSION_ALERT);
                return Err(self.fail(PeerIncompatible::Tls12NotOffered.into()));
            }
        }
        let mut sink = PlaintextSink::new(buf, &mut self.plaintext);
        let (used, stop) = process(&mut self.side, input, &mut sink, &mut self.pending, &mut |_| {});
        let filled = sink.filled;
        self.has_whole_records = false;
        match stop {
            Ok(Stop::Empty) => self.is_drained = is_short && self.plaintext.is_empty(),
            Ok(Stop::Full) => self.has_whole_records = used < input.len(),
            Ok(Stop::PeerEnded) => self.at_end = true,
            Err(error) => {
                let error = self.fail(error);
                // Plaintext that came before the fault is returned first.
                return if filled > 0 { Ok(filled) } else { Err(error) };
            }
        }
        self.keep(if self.at_end { &[] } else { &input[used..] });
        Ok(filled)
    }

    /// Keeps these bytes for the next read, in place of those that were kept before.
    fn keep(&mut self, rest: &[u8]) {
        self.received.consume(self.received.len());
        if rest.is_empty() {
            self.received = Buffer::default();
        } else {
            self.received.extend(rest);
        }
    }

    /// Notes an error, after which rustls processes nothing more, and tries to send its alert.
    fn fail(&mut self, error: rustls::Error) -> io::Error {
        self.keep(&[]);
        // The alert is pending if it cannot leave now.
        _ = self.flush_pending();
        self.failure = Some(Box::new(error.clone()));
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    fn check(&self) -> io::Result<()> {
        match &self.failure {
            Some(error) => Err(io::Error::new(io::ErrorKind::InvalidData, (**error).clone())),
            None => Ok(()),
        }
    }

    /// Writes records to `memory[at..]`, which grows if they do not fit: `write` writes them. Returns their length.
    fn seal(&mut self, memory: &mut Vec<u8>, at: usize, write: &mut SealFn<'_, S::Data>) -> io::Result<usize> {
        self.check()?;
        let mut sealed = None;
        let mut seal = |traffic: &mut WriteTraffic<'_, S::Data>| {
            let mut result = write(traffic, &mut memory[at..]);
            if let Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) = result {
                memory.resize(at + required_size, 0);
                result = write(traffic, &mut memory[at..]);
            }
            sealed = Some(result);
        };
        // Records that were received and not processed come first: rustls takes everything in its order.
        let mut is_blocked = false;
        while !is_blocked {
            let mut sink = PlaintextSink::new(&mut [], &mut self.plaintext);
            let received = self.received.bytes_mut();
            let (used, stop) = process(&mut self.side, received, &mut sink, &mut self.pending, &mut seal);
            self.received.consume(used);
            match stop {
                Ok(Stop::Full) => {}
                Ok(Stop::PeerEnded) => {
                    self.at_end = true;
                    self.keep(&[]);
                }
                Ok(Stop::Empty) => is_blocked = true,
                Err(error) => return Err(self.fail(error)),
            }
        }
        match sealed {
            Some(Ok(length)) => Ok(length),
            // The keys are used up (RFC 8446 section 5.5), which takes hundreds of gigabytes.
            Some(Err(error)) => Err(io::Error::other(error)),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Encrypts plaintext to `memory[at..]`. Returns the length of the records.
    fn encrypt(&mut self, plaintext: &[u8], memory: &mut Vec<u8>, at: usize) -> io::Result<usize> {
        self.seal(memory, at, &mut |traffic, memory| traffic.encrypt(plaintext, memory))
    }

    /// Encrypts some of both parts. Returns how many bytes of them, and the length of the records.
    fn encrypt_parts(&mut self, first: &[u8], second: &[u8], memory: &mut Vec<u8>) -> io::Result<(usize, usize)> {
        if second.is_empty() || first.len() >= FULL_RECORD {
            let part = &first[..first.len().min(MOST_PLAINTEXT)];
            return Ok((part.len(), self.encrypt(part, memory, 0)?));
        }
        // A head and the beginning of its body share a record, which costs a copy, but no record more.
        let scratch = Rc::clone(&self.scratch);
        let mut joined = scratch.input();
        let (start, rest) = second.split_at(second.len().min(FULL_RECORD - first.len()));
        let length = first.len() + start.len();
        joined[..first.len()].copy_from_slice(first);
        joined[first.len()..length].copy_from_slice(start);
        let mut end = self.encrypt(&joined[..length], memory, 0)?;
        let rest = &rest[..rest.len().min(MOST_PLAINTEXT - FULL_RECORD)];
        if !rest.is_empty() {
            end += self.encrypt(rest, memory, end)?;
        }
        Ok((length + rest.len(), end))
    }

    /// Sends records. Those that the socket does not take are pending.
    fn transmit(&mut self, records: &[u8], more: bool) -> io::Result<()> {
        // Messages that rustls had queued go before the records that were encrypted after them.
        if !self.pending.is_empty() {
            self.pending.extend(records);
            return unless_later(self.flush_pending());
        }
        let sent = match self.socket.send(records, &[], more) {
            Ok(sent) => sent,
            Err(error) => {
                unless_later(Err(error))?;
                0
            }
        };
        if sent < records.len() {
            self.pending.extend(&records[sent..]);
        }
        Ok(())
    }

    /// Reads on until the handshake needs something that is not there.
    fn shake(&mut self, ready: &mut Ready, left: &mut usize) -> io::Result<Handshake> {
        loop {
            if !self.pending.is_empty() {
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
            // Nothing is read for a handshake that may not go on: its bytes wait in the socket.
            if *left == 0 {
                return Ok(Handshake::NextTurn);
            }
            self.read(&mut []).inspect_err(|error| ready.read = error.kind() != io::ErrorKind::WouldBlock)?;
            if self.at_end && !self.is_text {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            ready.read &= ready.read_closed || !self.is_drained;
            if !self.pending.is_empty() {
                *left -= 1;
            }
        }
    }
}

/// Writes records with the leave of rustls.
type SealFn<'w, D> = dyn FnMut(&mut WriteTraffic<'_, D>, &mut [u8]) -> Result<usize, EncryptError> + 'w;

/// Passes over the errors that only mean that the same can be tried again later.
fn unless_later(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(()),
        other => other,
    }
}

impl<T: Transport, S: TlsSide> Transport for TlsStream<T, S> {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let waiting = if self.is_text { &mut self.received } else { &mut self.plaintext };
        if !waiting.is_empty() {
            let count = waiting.len().min(buf.len());
            buf[..count].copy_from_slice(&waiting.bytes()[..count]);
            waiting.consume(count);
            if waiting.is_empty() {
                *waiting = Buffer::default();
            }
            return Ok(count);
        }
        if self.is_text {
            return self.socket.recv(buf);
        }
        for _ in 0..MOST_READS {
            if self.at_end {
                return Ok(0);
            }
            let count = self.read(buf)?;
            if count > 0 {
                return Ok(count);
            }
        }
        // The peer sends records without plaintext, as fast as they are read.
        Err(io::ErrorKind::Interrupted.into())
    }

    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
        if self.is_text {
            return self.socket.send(first, second, more);
        }
        if self.has_pending() {
            self.flush_pending()?;
        }
        let scratch = Rc::clone(&self.scratch);
        let mut memory = scratch.output();
        let (count, length) = self.encrypt_parts(first, second, &mut memory)?;
        self.transmit(&memory[..length], more)?;
        Ok(count)
    }

    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64> {
        if self.is_text {
            return self.socket.send_file(file, offset, length);
        }
        if self.has_pending() {
            self.flush_pending()?;
        }
        let scratch = Rc::clone(&self.scratch);
        let (mut memory, mut plaintext) = (scratch.output(), scratch.input());
        let mut sent = 0;
        while sent < length && !self.has_pending() {
            let most = usize::try_from(length - sent).unwrap_or(usize::MAX).min(MOST_PLAINTEXT);
            let count = match read_at(file, &mut plaintext[..most], offset + sent) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // The client can only be told by a cut connection, as if the file had ended.
                Err(_) => 0,
            };
            if count == 0 {
                break;
            }
            let end = self.encrypt(&plaintext[..count], &mut memory, 0)?;
            self.transmit(&memory[..end], sent + (count as u64) < length)?;
            sent += count as u64;
        }
        Ok(sent)
    }

    fn cork(&mut self, on: bool) {
        self.socket.cork(on);
    }

    fn end(&mut self) -> io::Result<()> {
        self.has_announced_end = true;
        self.socket.end()
    }

    fn short_read_is_all(&self) -> bool {
        if self.is_text { self.socket.short_read_is_all() } else { self.is_drained }
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self.socket.source()
    }

    fn needs_handshake(&self) -> bool {
        true
    }

    fn handshake(&mut self, ready: &mut Ready, left: &mut usize) -> io::Result<Handshake> {
        match self.shake(ready, left) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Handshake::Waiting),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Handshake::NextTurn),
            other => other,
        }
    }

    fn is_text(&self) -> bool {
        self.is_text
    }

    fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    fn flush_pending(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            let count = self.socket.send(self.pending.bytes(), &[], false)?;
            self.pending.consume(count);
        }
        // An idle connection owns no buffer.
        self.pending = Buffer::default();
        Ok(())
    }

    fn announce_end(&mut self) -> io::Result<()> {
        if self.info.is_none() || self.failure.is_some() {
            return Ok(());
        }
        if !self.has_announced_end {
            let scratch = Rc::clone(&self.scratch);
            let mut memory = scratch.output();
            let length = self.seal(&mut memory, 0, &mut |traffic, memory| traffic.queue_close_notify(memory))?;
            self.has_announced_end = true;
            self.has_whole_records = false;
            self.keep(&[]);
            return self.transmit(&memory[..length], false);
        }
        unless_later(self.flush_pending())
    }

    #[cfg(feature = "harness")]
    fn unacknowledged(&self) -> Option<u64> {
        self.socket.unacknowledged()
    }

    #[cfg(feature = "harness")]
    fn reset_on_drop(&mut self) {
        self.socket.reset_on_drop();
    }

    fn memory(&self) -> usize {
        self.received.capacity() + self.plaintext.capacity() + self.pending.capacity()
    }

    fn tls(&self) -> Option<&Arc<TlsInfo>> {
        self.info.as_ref()
    }
}

impl<T, S> fmt::Debug for TlsStream<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("info", &self.info).finish_non_exhaustive()
    }
}
