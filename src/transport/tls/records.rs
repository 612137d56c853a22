//! Passes records to rustls and handles its results: plaintext, records to send, or permission to send.
//!
//! The caller reads from the socket, writes to it, and keeps unprocessed bytes for the next call.

use rustls::Error;
use rustls::unbuffered::{ConnectionState, EncodeError, InsufficientSizeError, UnbufferedStatus, WriteTraffic};

use super::side::TlsSide;
use crate::buffer::Buffer;

/// The destination of decrypted bytes: the memory of the reader until it is full, and then an overflow buffer.
pub(super) struct PlaintextSink<'b> {
    room: &'b mut [u8],
    /// The number of bytes that have been written to `room`, the memory of the reader.
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
    /// The reader's memory is full. Complete records may be left in the input.
    Full,
    /// The peer has sent `close_notify`. Any bytes after it are ignored (RFC 8446 section 6.1).
    PeerEnded,
}

/// A function that [`process`] calls at most once, when rustls permits sending.
pub(super) type Writing<'w, D> = &'w mut dyn FnMut(&mut WriteTraffic<'_, D>);

/// Processes the records in `input`. Plaintext is written to `sink`, and records that rustls itself must send are
/// appended to `output`. Once all records have been processed, `write` is called if rustls permits sending. Returns the
/// number of consumed bytes of `input`, and the reason for stopping or the error.
///
/// After most errors, `output` contains an alert. After an error, the connection must not process any further input.
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
                // rustls does not process the next record before the plaintext of this one has been taken.
                while let Some(Ok(record)) = traffic.next_record() {
                    discard += record.discard;
                    sink.take(record.payload);
                }
                // Processing stops when the reader's memory is full, so that the remaining records are not decrypted
                // into the overflow buffer.
                sink.is_full().then_some(Stop::Full)
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                encode(output, |memory| data.encode(memory));
                None
            }
            // The records are already in `output` in the right order, so rustls may assume that they have been sent.
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                None
            }
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                write(&mut traffic);
                Some(Stop::Empty)
            }
            Ok(ConnectionState::PeerClosed) => Some(Stop::PeerEnded),
            // All other states require no work: early data is never accepted, and no data follows once both sides have
            // closed.
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

/// Called after an error. Moves the records that rustls still has to send to `output`: the alert, and any messages that
/// were queued before it.
fn take_alert<S: TlsSide>(side: &mut S, output: &mut Buffer) {
    // The input is not passed again, because rustls would fail again.
    while side.common().wants_write() {
        let Ok(ConnectionState::EncodeTlsData(mut data)) = side.process(&mut []).state else { return };
        encode(output, |memory| data.encode(memory));
    }
}

/// Appends a record whose length is not known in advance. The first call to `write` returns the length, and the second
/// one writes the record.
fn encode(output: &mut Buffer, mut write: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    // The error for an empty buffer contains the required length.
    let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) = write(&mut []) else { return };
    let count = output.fill(required_size, |memory| Ok(write(memory).unwrap_or_default()));
    debug_assert_eq!(count.ok(), Some(required_size));
}
