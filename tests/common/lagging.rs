//! A transport with its own protocol over another transport, as TLS over TCP: a handshake, records, messages that
//! require a response, and an announcement of the end. It sends accepted bytes later, and keeps received bytes until
//! they are read. Nothing is encrypted: a record is a type, a length and its payload.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use serve_forever::session::Ready;
use serve_forever::transport::{Handshake, Transport};

use super::seeds::Random;

const HELLO: u8 = 1;
const DATA: u8 = 2;
/// A message that requires a response. Nothing else is read before that is sent.
const UPDATE: u8 = 3;
const END: u8 = 4;

/// The approximate limit on the size of unsent records.
const MOST_PENDING: usize = 4096;

/// A fault of this transport that a simulation must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LagFault {
    /// The transport never reports that output is pending.
    ForgetsToFlush,
    /// The transport ends without an announcement.
    EndsWithoutNotice,
    /// The transport reports an empty socket although it contains plaintext.
    HidesPlaintext,
}

/// The transport. Without records it passes everything on.
pub struct Lagging<T> {
    pub socket: T,
    records: Option<Records>,
}

struct Records {
    random: Random,
    fault: Option<LagFault>,
    /// The number of messages that the handshake must still read or send. It reads at 3 and 1, and sends at 2.
    handshake: u8,
    received: Vec<u8>,
    plaintext: VecDeque<u8>,
    pending: Vec<u8>,
    /// True if the end was announced, or the sending side was shut down without an announcement.
    sends_no_more: bool,
    /// True if the peer has announced its end.
    at_end: bool,
    /// True if the last call of `recv` emptied the socket. Earlier calls do not count, because more bytes may have
    /// arrived since.
    is_drained: bool,
}

impl<T> Lagging<T> {
    /// Passes everything on to `socket`.
    pub fn plain(socket: T) -> Lagging<T> {
        Lagging { socket, records: None }
    }

    /// Uses records over `socket`.
    pub fn new(socket: T, random: Random, fault: Option<LagFault>) -> Lagging<T> {
        let (received, plaintext, pending) = (Vec::new(), VecDeque::new(), Vec::new());
        let (handshake, sends_no_more, at_end, is_drained) = (3, false, false, false);
        let records =
            Records { random, fault, handshake, received, plaintext, pending, sends_no_more, at_end, is_drained };
        Lagging { socket, records: Some(records) }
    }
}

/// The records of a client that completes the handshake and sends `plaintext`, in pieces and with updates between them.
pub fn sent_by_client(plaintext: &[u8], random: &mut Random, announces_end: bool) -> Vec<u8> {
    let mut wire = [record(HELLO, b"hello"), record(HELLO, b"finished")].concat();
    let mut rest = plaintext;
    while !rest.is_empty() {
        if random.one_in(5) {
            wire.extend(record(UPDATE, b""));
        }
        let (part, others) = rest.split_at(rest.len().min(1 + random.below(6000)));
        wire.extend(record(DATA, part));
        rest = others;
    }
    if announces_end {
        wire.extend(record(END, b""));
    }
    wire
}

/// The payload of the records that a server sends to a client, and true if the end was announced.
pub fn received_by_client(mut wire: &[u8]) -> Result<(Vec<u8>, bool), String> {
    let mut plaintext = Vec::new();
    while let Some((kind, payload, rest)) = take_record(wire) {
        match kind {
            HELLO | UPDATE => {}
            DATA => plaintext.extend_from_slice(payload),
            END if rest.is_empty() => return Ok((plaintext, true)),
            END => return Err("records after the notice of the end".to_owned()),
            other => return Err(format!("a record of type {other}")),
        }
        wire = rest;
    }
    Ok((plaintext, false))
}

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    [&[kind], &length.to_be_bytes()[..], payload].concat()
}

fn take_record(wire: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let length = usize::from(u16::from_be_bytes([*wire.get(1)?, *wire.get(2)?]));
    Some((wire[0], wire.get(3..3 + length)?, &wire[3 + length..]))
}

impl Records {
    /// Reads once from the socket. Returns false at the end.
    fn read<T: Transport>(&mut self, socket: &mut T) -> io::Result<bool> {
        let mut part = [0; 700];
        let count = socket.recv(&mut part)?;
        self.is_drained = count < part.len() && socket.short_read_is_all();
        self.received.extend_from_slice(&part[..count]);
        self.take_records();
        Ok(count > 0)
    }

    /// Parses the complete records that were received.
    fn take_records(&mut self) {
        while let Some((kind, payload, rest)) = take_record(&self.received) {
            match kind {
                HELLO => self.handshake -= 1,
                DATA => self.plaintext.extend(payload),
                UPDATE if self.sends_no_more => {}
                UPDATE => self.pending.extend(record(UPDATE, b"")),
                _ => self.at_end = true,
            }
            self.received = rest.to_vec();
            // The response to a hello is sent before the next message.
            if self.handshake == 2 {
                break;
            }
        }
    }

    fn send_pending<T: Transport>(&mut self, socket: &mut T) -> io::Result<()> {
        while !self.pending.is_empty() {
            let count = socket.send(&self.pending, &[], false)?;
            self.pending.drain(..count);
        }
        Ok(())
    }

    /// `Ok(true)` once the handshake is complete.
    fn shake<T: Transport>(&mut self, socket: &mut T, ready: &mut Ready) -> io::Result<bool> {
        loop {
            if !self.pending.is_empty() {
                if !ready.write {
                    return Ok(false);
                }
                self.send_pending(socket).inspect_err(|error| {
                    if error.kind() == io::ErrorKind::WouldBlock {
                        ready.write = false;
                    }
                })?;
            }
            match self.handshake {
                0 => return Ok(true),
                2 => {
                    self.pending.extend(record(HELLO, b"hello to you"));
                    self.handshake -= 1;
                    self.take_records();
                }
                _ if !ready.read => return Ok(false),
                _ => {
                    let result = self.read(socket).inspect_err(|error| {
                        if error.kind() == io::ErrorKind::WouldBlock {
                            ready.read = false;
                        }
                    });
                    if !result? {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
            }
        }
    }
}

impl<T: Transport> Transport for Lagging<T> {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(records) = &mut self.records else { return self.socket.recv(buf) };
        records.is_drained = false;
        loop {
            if !records.plaintext.is_empty() {
                let most = if records.random.one_in(3) { 1 + records.random.below(buf.len()) } else { buf.len() };
                let count = most.min(records.plaintext.len());
                (0..count).for_each(|at| buf[at] = records.plaintext.pop_front().unwrap());
                return Ok(count);
            }
            if records.at_end {
                return Ok(0);
            }
            // The response to an update must be sent before anything else is read.
            records.send_pending(&mut self.socket)?;
            match records.read(&mut self.socket) {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => return Err(error),
            }
            if records.fault == Some(LagFault::HidesPlaintext) && records.random.one_in(4) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
    }

    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
        let Some(records) = &mut self.records else { return self.socket.send(first, second, more) };
        assert!(!records.sends_no_more, "bytes after the end");
        if records.pending.len() >= MOST_PENDING {
            records.send_pending(&mut self.socket)?;
        }
        let both = [first, second].concat();
        let count = both.len().min(1 + records.random.below(3000));
        records.pending.extend(record(DATA, &both[..count]));
        if records.random.one_in(2) {
            // The bytes are accepted, even if sending them fails.
            _ = records.send_pending(&mut self.socket);
        }
        Ok(count)
    }

    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64> {
        match self.records {
            Some(_) => Err(io::ErrorKind::Unsupported.into()),
            None => self.socket.send_file(file, offset, length),
        }
    }

    fn cork(&mut self, on: bool) {
        self.socket.cork(on);
    }

    fn end(&mut self) -> io::Result<()> {
        assert!(!self.has_pending(), "the sending side is shut while output is pending");
        if let Some(records) = &mut self.records {
            records.sends_no_more = true;
        }
        self.socket.end()
    }

    fn short_read_is_all(&self) -> bool {
        match &self.records {
            Some(records) => records.is_drained && records.plaintext.is_empty(),
            None => self.socket.short_read_is_all(),
        }
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self.socket.source()
    }

    fn needs_handshake(&self) -> bool {
        self.records.is_some()
    }

    fn handshake(&mut self, ready: &mut Ready, _: &mut usize) -> io::Result<Handshake> {
        let Some(records) = &mut self.records else { return Ok(Handshake::Complete) };
        if records.random.one_in(4) {
            return Ok(Handshake::NextTurn);
        }
        match records.shake(&mut self.socket, ready) {
            Ok(true) => Ok(Handshake::Complete),
            Ok(false) => Ok(Handshake::Waiting),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Handshake::Waiting),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Handshake::NextTurn),
            Err(error) => Err(error),
        }
    }

    fn has_pending(&self) -> bool {
        let pending = self.records.as_ref().filter(|records| records.fault != Some(LagFault::ForgetsToFlush));
        pending.is_some_and(|records| !records.pending.is_empty())
    }

    fn flush_pending(&mut self) -> io::Result<()> {
        let Some(records) = &mut self.records else { return Ok(()) };
        records.send_pending(&mut self.socket)
    }

    fn announce_end(&mut self) -> io::Result<()> {
        let Some(records) = &mut self.records else { return Ok(()) };
        if records.handshake > 0 || records.fault == Some(LagFault::EndsWithoutNotice) {
            return Ok(());
        }
        if !std::mem::replace(&mut records.sends_no_more, true) {
            records.pending.extend(record(END, b""));
        }
        match records.send_pending(&mut self.socket) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Err(error),
            _ => Ok(()),
        }
    }

    fn memory(&self) -> usize {
        self.records
            .as_ref()
            .map_or(0, |records| records.received.len() + records.plaintext.len() + records.pending.len())
    }
}
