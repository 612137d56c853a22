//! Passes records to rustls and handles the results: plaintext, records to send, or the permission to send.
//!
//! The caller reads from and writes to the socket, and keeps the bytes that are left for the next call.

use rustls::Error;
use rustls::unbuffered::{ConnectionState, EncodeError, InsufficientSizeError, UnbufferedStatus, WriteTraffic};

use super::side::TlsSide;
use crate::buffer::Buffer;

/// The destination of decrypted bytes: the reader's memory until it is full, and then a buffer.
pub(super) struct PlaintextSink<'b> {
    room: &'b mut [u8],
    /// The number of bytes written to `room` so far.
    pub(super) filled: usize,
    rest: &'b mut Buffer,
}

impl<'b> PlaintextSink<'b> {
    pub(super) fn new(room: &'b mut [u8], rest: &'b mut Buffer) -> PlaintextSink<'b> {
        PlaintextSink { room, filled: 0, rest }
    }

    fn take(&mut self, plaintext: &[u8]) {
        let (fits, rest) = plaintext.split_at(plaintext.len().min(self.room.len() - self.filled));
        self.room[self.filled..self.filled + fits.len()].copy_from_slice(fits);
        self.filled += fits.len();
        if !rest.is_empty() {
            self.rest.extend(rest);
        }
    }

    fn is_full(&self) -> bool {
        self.filled == self.room.len()
    }
}

/// The reason why [`process`] stopped, other than an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// All complete records have been processed.
    Empty,
    /// The sink is full. Complete records may be left in the input.
    Full,
    /// The peer has sent `close_notify`. Bytes after that are ignored (RFC 8446 section 6.1).
    PeerEnded,
}

/// A function that [`process`] calls, at most once, when rustls permits sending.
pub(super) type Writing<'w, D> = &'w mut dyn FnMut(&mut WriteTraffic<'_, D>);

/// Processes the records in `input`. Plaintext goes to `sink`, and records that rustls itself must send go to `output`.
/// `write` is called once all records have been processed, if the handshake allows sending. Returns the number of bytes
/// of `input` that were consumed.
///
/// After most errors, `output` contains an alert. After an error, the connection must not process anything more.
pub(super) fn process<S: TlsSide>(
    side: &mut S,
    input: &mut [u8],
    sink: &mut PlaintextSink<'_>,
    output: &mut Buffer,
    write: Writing<'_, S::Data>,
) -> (usize, Result<Stop, Error>) {
    let mut used = 0;
    loop {
        let UnbufferedStatus { mut discard, state } = side.process(&mut input[used..]);
        let stop = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                // rustls processes the next record only after the plaintext of this one has been taken.
                while let Some(Ok(record)) = traffic.next_record() {
                    discard += record.discard;
                    sink.take(record.payload);
                }
                // The loop stops here when the sink is full, so that the other records that have arrived are not
                // decrypted into the overflow buffer.
                sink.is_full().then_some(Stop::Full)
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                encode(output, |memory| data.encode(memory));
                None
            }
            // The records are already in `output`, in the right order, so rustls is told that they have been sent.
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                None
            }
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                write(&mut traffic);
                Some(Stop::Empty)
            }
            Ok(ConnectionState::PeerClosed) => Some(Stop::PeerEnded),
            // The remaining states require no work: early data is never accepted, and nothing follows after both sides
            // have closed.
            Ok(_) => Some(Stop::Empty),
            Err(error) => {
                take_alert(side, output);
                return (used + discard, Err(error));
            }
        };
        used += discard;
        if let Some(stop) = stop {
            return (used, Ok(stop));
        }
    }
}

/// After an error, moves the remaining records to `output`: the alert, and possibly a message that was queued before
/// it.
fn take_alert<S: TlsSide>(side: &mut S, output: &mut Buffer) {
    // rustls must not process the input again, because it would fail again.
    while side.common().wants_write() {
        let Ok(ConnectionState::EncodeTlsData(mut data)) = side.process(&mut []).state else { return };
        encode(output, |memory| data.encode(memory));
    }
}

/// Appends a record whose length is not known in advance. `write` is called once to learn the length, and then again to
/// write the record.
fn encode(output: &mut Buffer, mut write: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    // The error for an empty buffer contains the required length.
    let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) = write(&mut []) else { return };
    let count = output.fill(required_size, |memory| Ok(write(memory).unwrap_or_default()));
    debug_assert_eq!(count.ok(), Some(required_size));
}
