//! Implements `Transport` for TLS streams. The code that several methods share is in `stream.rs` and `sending.rs`.

use std::fs::File;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use super::scratch::MOST_PLAINTEXT;
use super::side::TlsSide;
use super::stream::{TlsStream, unless_later};
use crate::buffer::Buffer;
use crate::session::Ready;
use crate::tls_info::TlsInfo;
use crate::transport::{Handshake, Transport, read_at};

/// The maximum number of reads without plaintext in one call of `recv`. After that, other sessions run first.
const MOST_READS: usize = 8;

impl<T: Transport, S: TlsSide> Transport for TlsStream<T, S> {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let waiting = if self.is_text { &mut self.received } else { &mut self.plaintext };
        if !waiting.is_empty() {
            let count = waiting.len().min(buf.len());
            buf[..count].copy_from_slice(&waiting.bytes()[..count]);
            waiting.consume(count);
            if waiting.is_empty() {
                // The buffer is freed, so that an idle connection owns no memory.
                *waiting = Buffer::default();
            }
            return Ok(count);
        }
        if self.is_text {
            // Bytes that were read before unencrypted HTTP was detected have already been returned above.
            return self.socket.recv(buf);
        }
        // A read yields no plaintext if it finds only part of a record, or a message of TLS itself, such as a ticket.
        for _ in 0..MOST_READS {
            if self.at_end {
                return Ok(0);
            }
            let count = self.read(buf)?;
            if count > 0 {
                return Ok(count);
            }
        }
        // The peer is sending records without plaintext as fast as they are read. The session tries again in a later
        // turn.
        Err(io::ErrorKind::Interrupted.into())
    }

    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
        if self.is_text {
            return self.socket.send(first, second, more);
        }
        if self.has_pending() {
            // Records must be sent in the order of their sequence numbers, so the pending ones are sent before more
            // bytes are encrypted. Because one call encrypts at most 64 KiB, this also limits the size of the pending
            // records.
            self.flush_pending()?;
        }
        let scratch = Rc::clone(&self.scratch);
        let mut memory = scratch.output();
        let (count, length) = self.encrypt_parts(first, second, &mut memory)?;
        // Bytes count as sent once they have been encrypted, because a record cannot be taken back. Records that the
        // socket does not accept become pending.
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
        // The loop ends as soon as the socket is full, because further records would only wait in memory.
        while sent < length && !self.has_pending() {
            let most = usize::try_from(length - sent).unwrap_or(usize::MAX).min(MOST_PLAINTEXT);
            let count = match read_at(file, &mut plaintext[..most], offset + sent) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // A read error is treated like an early end of the file. In both cases, only closing the connection
                // tells the client that bytes are missing.
                Err(_) => 0,
            };
            // The file has been truncated. The next call returns 0, which makes the caller close the connection.
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
        // After the FIN, rustls must not produce any more records, not even in response to later input.
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
            // `shake` has cleared `ready.read` or `ready.write`, so the session runs again when the socket is readable
            // or writable.
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
        // The buffer is freed, so that an idle connection owns no memory.
        self.pending = Buffer::default();
        Ok(())
    }

    fn announce_end(&mut self) -> io::Result<()> {
        // Before the handshake is complete, `close_notify` cannot be sent. After an error, no record may follow the
        // alert.
        if self.info.is_none() || self.failure.is_some() {
            return Ok(());
        }
        if !self.has_announced_end {
            let scratch = Rc::clone(&self.scratch);
            let mut memory = scratch.output();
            let length = self.seal(&mut memory, 0, &mut |traffic, memory| traffic.queue_close_notify(memory))?;
            self.has_announced_end = true;
            self.has_whole_records = false;
            // From now on, received bytes are discarded, including those that have already been read from the socket.
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
