//! The body of a response on its way out.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use crate::http1::{Buffer, Encoder};
use crate::service::{FileSlice, Source};
use crate::session::CloseReason;
use crate::transport::Transport;

/// A body that does not leave with its head, and how much of it has left.
pub(super) struct Answer {
    body: InFlight,
    encoder: Encoder,
    sent: u64,
    overran: bool,
}

/// Where the rest of the body comes from.
enum InFlight {
    Bytes { bytes: Cow<'static, [u8]>, at: usize },
    Shared { bytes: Arc<[u8]>, at: usize },
    File { slice: FileSlice, way: Way },
    Stream(Box<dyn Source>),
    Finished,
}

/// How a file leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The transport sends it, in one slice, or in none yet.
    Sent,
    /// The transport sends it, in several slices, and holds back what does not fill a packet.
    Corked,
    /// It is read here, and passes through the output.
    ByHand,
}

/// What an attempt to put more of a body into the output came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// Some bytes were put there.
    Some,
    /// None: those that are left go to the transport directly.
    Nothing,
    /// None: whoever makes the body has none now, and will wake the session.
    Waiting,
    /// None: whoever makes the body wants to be asked again in the next turn.
    Later,
    /// The body is complete: what is not in the output has left.
    All,
}

/// As much of a file as is sent at a time, and in a turn to a client that takes everything: what loopback takes in a fifth
/// of a millisecond.
pub(super) const FILE_SLICE: u64 = 2 * 1024 * 1024;

/// As much of a body as is read at a time when it passes through the program.
const COPY_SLICE: usize = 32 * 1024;

impl Answer {
    pub(super) fn bytes(bytes: Cow<'static, [u8]>, encoder: Encoder) -> Answer {
        Answer::new(InFlight::Bytes { bytes, at: 0 }, encoder)
    }

    pub(super) fn shared(bytes: Arc<[u8]>, encoder: Encoder) -> Answer {
        Answer::new(InFlight::Shared { bytes, at: 0 }, encoder)
    }

    pub(super) fn file(slice: FileSlice, encoder: Encoder) -> Answer {
        Answer::new(InFlight::File { slice, way: Way::Sent }, encoder)
    }

    pub(super) fn stream(source: Box<dyn Source>, encoder: Encoder) -> Answer {
        Answer::new(InFlight::Stream(source), encoder)
    }

    fn new(body: InFlight, encoder: Encoder) -> Answer {
        Answer { body, encoder, sent: 0, overran: false }
    }

    /// Whether the body is made while it is sent.
    pub(super) fn is_made(&self) -> bool {
        matches!(self.body, InFlight::Stream(_))
    }

    /// How many bytes of the body have left or are in the output.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether there was more of the body than was announced. The rest was left out.
    pub(super) fn overran(&self) -> bool {
        self.overran
    }

    /// Puts some of a body that is made, or read by hand, into the output, unless that is full.
    pub(super) fn make(&mut self, output: &mut Buffer) -> Result<Made, CloseReason> {
        match &mut self.body {
            InFlight::Bytes { bytes, at } if *at < bytes.len() => Ok(Made::Nothing),
            InFlight::Shared { bytes, at } if *at < bytes.len() => Ok(Made::Nothing),
            InFlight::File { slice, way: Way::ByHand } if slice.length > 0 => self.copy_file(output),
            InFlight::File { slice, .. } if slice.length > 0 => Ok(Made::Nothing),
            InFlight::Stream(_) => self.copy_stream(output),
            _ => self.finish(output),
        }
    }

    /// Sends some of the output, and in the same call what follows it of a body in memory; or, when the output is
    /// empty, some of a file. Returns how many bytes left; 0 is none, because there are none to send.
    pub(super) fn send(&mut self, output: &mut Buffer, transport: &mut impl Transport) -> io::Result<u64> {
        let (rest, more): (&[u8], bool) = match &self.body {
            InFlight::Bytes { bytes, at } => (&bytes[*at..], false),
            InFlight::Shared { bytes, at } => (&bytes[*at..], false),
            InFlight::File { way: Way::Sent | Way::Corked, slice } if slice.length > 0 => {
                if output.is_empty() {
                    return self.send_file(transport);
                }
                (&[], true)
            }
            _ => (&[], false),
        };
        if output.is_empty() && rest.is_empty() {
            return Ok(0);
        }
        let count = transport.send(output.bytes(), rest, more)?;
        let of_output = count.min(output.len());
        output.consume(of_output);
        self.advance((count - of_output) as u64);
        Ok(count as u64)
    }

    fn send_file(&mut self, transport: &mut impl Transport) -> io::Result<u64> {
        let InFlight::File { slice, way } = &mut self.body else { return Ok(0) };
        if *way == Way::Sent && slice.length > FILE_SLICE {
            *way = Way::Corked;
            transport.cork(true);
        }
        match transport.send_file(&slice.file, slice.offset, slice.length.min(FILE_SLICE)) {
            // The file ends before what was announced does.
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                if *way == Way::Corked && count == slice.length {
                    transport.cork(false);
                }
                self.advance(count);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                if std::mem::replace(way, Way::ByHand) == Way::Corked {
                    transport.cork(false);
                }
                Err(io::ErrorKind::Interrupted.into())
            }
            Err(error) => Err(error),
        }
    }

    fn copy_file(&mut self, output: &mut Buffer) -> Result<Made, CloseReason> {
        let InFlight::File { slice, .. } = &mut self.body else { return Ok(Made::Nothing) };
        if output.len() >= COPY_SLICE {
            return Ok(Made::Nothing);
        }
        let wanted = usize::try_from(slice.length).unwrap_or(usize::MAX).min(COPY_SLICE);
        match output.fill(wanted, |room| read_at(&slice.file, &mut room[..wanted], slice.offset)) {
            Ok(0) => Err(CloseReason::OutputCut),
            Ok(count) => {
                self.advance(count as u64);
                Ok(Made::Some)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Made::Some),
            Err(_) => Err(CloseReason::OutputCut),
        }
    }

    /// Not part of its callers: every page of its large frame is touched, also for those who read no stream.
    #[inline(never)]
    fn copy_stream(&mut self, output: &mut Buffer) -> Result<Made, CloseReason> {
        let InFlight::Stream(source) = &mut self.body else { return Ok(Made::Nothing) };
        if output.len() >= COPY_SLICE {
            return Ok(Made::Nothing);
        }
        let mut part = [0; COPY_SLICE];
        match source.read(&mut part) {
            Ok(0) => self.finish(output),
            Ok(count) => {
                let taken = self.encoder.write(&part[..count], output);
                self.sent += taken as u64;
                self.overran = taken < count;
                if self.overran { self.finish(output) } else { Ok(Made::Some) }
            }
            // Whoever has made as much as was announced need not say that it was all.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.encoder == Encoder::Counted(0) => {
                self.finish(output)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Made::Waiting),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Made::Later),
            Err(_) => Err(CloseReason::OutputCut),
        }
    }

    /// Ends the body. One that is shorter than announced cuts the connection, so that the client notices.
    fn finish(&mut self, output: &mut Buffer) -> Result<Made, CloseReason> {
        self.body = InFlight::Finished;
        if self.encoder.finish(output) { Ok(Made::All) } else { Err(CloseReason::OutputCut) }
    }

    /// Notes that bytes of the body left, or that they are in the output.
    fn advance(&mut self, count: u64) {
        self.sent += count;
        self.encoder.sent(count);
        match &mut self.body {
            InFlight::Bytes { at, .. } | InFlight::Shared { at, .. } => *at += count as usize,
            InFlight::File { slice, .. } => {
                slice.offset += count;
                slice.length -= count;
            }
            InFlight::Stream(_) | InFlight::Finished => {}
        }
    }
}

#[cfg(unix)]
fn read_at(file: &std::fs::File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

#[cfg(windows)]
fn read_at(file: &std::fs::File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}
