//! The sending half of a TLS stream. It encrypts plaintext into records, and sends records to the socket or keeps them
//! pending. The reading half is in `stream.rs`.

use std::io;
use std::rc::Rc;

use rustls::unbuffered::{EncryptError, InsufficientSizeError, WriteTraffic};

use super::records::{PlaintextSink, Stop, process};
use super::scratch::{FULL_RECORD, MOST_PLAINTEXT};
use super::side::TlsSide;
use super::stream::{TlsStream, unless_later};
use crate::transport::Transport;

/// A function that writes records to memory when rustls permits sending.
type SealFn<'w, D> = dyn FnMut(&mut WriteTraffic<'_, D>, &mut [u8]) -> Result<usize, EncryptError> + 'w;

impl<T: Transport, S: TlsSide> TlsStream<T, S> {
    /// Calls `write` to write records to `memory[at..]`. `memory` grows if they do not fit. Returns the length of the
    /// records in bytes.
    pub(super) fn seal(
        &mut self,
        memory: &mut Vec<u8>,
        at: usize,
        write: &mut SealFn<'_, S::Data>,
    ) -> io::Result<usize> {
        self.check()?;
        let mut sealed = None;
        let mut seal = |traffic: &mut WriteTraffic<'_, S::Data>| {
            let mut result = write(traffic, &mut memory[at..]);
            if let Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) = result {
                // The call can be repeated, because rustls checks the size before it uses up a record sequence number.
                memory.resize(at + required_size, 0);
                result = write(traffic, &mut memory[at..]);
            }
            sealed = Some(result);
        };
        // Records that are left in `received` must be processed first, because rustls permits sending only once it has
        // processed all input.
        let mut is_blocked = false;
        while !is_blocked {
            let mut sink = PlaintextSink::new(&mut [], &mut self.plaintext);
            let received = self.received.bytes_mut();
            let (used, stop) = process(&mut self.side, received, &mut sink, &mut self.pending, &mut seal);
            self.received.consume(used);
            match stop {
                // The sink has an overflow buffer but no reader's memory, so it counts as full after each record. The
                // loop continues with the next record.
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
            // The keys have reached their usage limit (RFC 8446 section 5.5), which takes hundreds of gigabytes.
            Some(Err(error)) => Err(io::Error::other(error)),
            // rustls did not permit sending, because the handshake is not complete or this side has already sent
            // `close_notify`.
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Encrypts plaintext into `memory[at..]`. Returns the length of the records in bytes.
    pub(super) fn encrypt(&mut self, plaintext: &[u8], memory: &mut Vec<u8>, at: usize) -> io::Result<usize> {
        self.seal(memory, at, &mut |traffic, memory| traffic.encrypt(plaintext, memory))
    }

    /// Encrypts some of the bytes of `first`, followed by those of `second`. Returns the number of bytes encrypted and
    /// the length of the records.
    pub(super) fn encrypt_parts(
        &mut self,
        first: &[u8],
        second: &[u8],
        memory: &mut Vec<u8>,
    ) -> io::Result<(usize, usize)> {
        // There is no body, or `first` fills a record of its own, so joining the two would not save a record.
        if second.is_empty() || first.len() >= FULL_RECORD {
            let part = &first[..first.len().min(MOST_PLAINTEXT)];
            return Ok((part.len(), self.encrypt(part, memory, 0)?));
        }
        // The head and the beginning of the body share a record. This costs a copy but saves a record.
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

    /// Sends records. Those that the socket does not accept become pending.
    pub(super) fn transmit(&mut self, records: &[u8], more: bool) -> io::Result<()> {
        // Records that are already pending must precede those that were encrypted after them.
        if !self.pending.is_empty() {
            self.pending.extend(records);
            return unless_later(self.flush_pending());
        }
        let sent = match self.socket.send(records, &[], more) {
            Ok(sent) => sent,
            Err(error) => {
                // If the socket would block, all of `records` become pending, because they are already encrypted and
                // must not be lost.
                unless_later(Err(error))?;
                0
            }
        };
        if sent < records.len() {
            self.pending.extend(&records[sent..]);
        }
        Ok(())
    }
}
