//! Writes the body of a response. The body comes from memory, from a file or from a source, and an encoder frames it.
//! This file writes neither the head nor the log, and does not choose the next stage.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use crate::buffer::Buffer;
use crate::http::FieldBlock;
use crate::http1::Encoder;
use crate::observer::ConnectionObserver;
use crate::service::{FileSlice, Source};
use crate::session::CloseReason;
use crate::transport::{Transport, read_at};

/// A body that is not sent together with its head.
pub(super) struct BodyWriter {
    body: RestOfBody,
    encoder: Encoder,
    /// The number of bytes of the body that have been sent or are in the output.
    sent: u64,
    /// True if the source produced more than the announced length.
    overran: bool,
}

/// The part of a body that has been neither sent nor added to the output.
enum RestOfBody {
    Bytes { bytes: Cow<'static, [u8]>, at: usize },
    Shared { bytes: Arc<[u8]>, at: usize },
    File { slice: FileSlice, mode: SendMode },
    Stream(Box<dyn Source>),
    Finished,
}

/// How the bytes of a file are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SendMode {
    /// The file is sent with `Transport::send_file`. Either a single slice is enough, or sending has not begun yet.
    Sent,
    /// The file is sent with `Transport::send_file` in several slices. The transport is corked, so that no slice ends
    /// with a short packet.
    Corked,
    /// The file is read into the output, because the transport or the file does not support `send_file`.
    ByHand,
}

/// The result of [`BodyWriter::produce`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Produced {
    /// Bytes were appended to the output.
    Some,
    /// Nothing was appended: the output is full, or `send` passes the rest to the transport without copying it.
    Nothing,
    /// The source has no bytes at the moment and will wake the session.
    Waiting,
    /// The source has used up its share of this turn and must be read again in the next turn.
    Later,
    /// The body is complete: all of it has been sent or is in the output.
    All,
}

/// The maximum number of bytes of a file to send in one call, and to one client in one turn. Sending this many bytes
/// over the loopback interface takes about 0.2 ms, so a fast client can delay other sessions for that long.
pub(super) const FILE_SLICE: u64 = 2 * 1024 * 1024;

/// The maximum number of bytes in one read of a body that is copied through the output.
const COPY_SLICE: usize = 32 * 1024;

impl BodyWriter {
    pub(super) fn bytes(bytes: Cow<'static, [u8]>, encoder: Encoder) -> BodyWriter {
        BodyWriter::new(RestOfBody::Bytes { bytes, at: 0 }, encoder)
    }

    pub(super) fn shared(bytes: Arc<[u8]>, encoder: Encoder) -> BodyWriter {
        BodyWriter::new(RestOfBody::Shared { bytes, at: 0 }, encoder)
    }

    pub(super) fn file(slice: FileSlice, encoder: Encoder) -> BodyWriter {
        BodyWriter::new(RestOfBody::File { slice, mode: SendMode::Sent }, encoder)
    }

    pub(super) fn stream(source: Box<dyn Source>, encoder: Encoder) -> BodyWriter {
        BodyWriter::new(RestOfBody::Stream(source), encoder)
    }

    fn new(body: RestOfBody, encoder: Encoder) -> BodyWriter {
        BodyWriter { body, encoder, sent: 0, overran: false }
    }

    /// True if the body comes from a source.
    pub(super) fn is_streamed(&self) -> bool {
        matches!(self.body, RestOfBody::Stream(_))
    }

    /// The number of bytes of the body that have been sent or are in the output.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// True if the source produced more bytes than were announced. The surplus is not sent.
    pub(super) fn overran(&self) -> bool {
        self.overran
    }

    /// Appends part of the body to the output, unless the output is full. Only a streamed body and a file that cannot
    /// be sent with `send_file` are copied in this way.
    ///
    /// # Errors
    /// Returns [`CloseReason::OutputCut`] if the body ends before its announced length, or if its source or file cannot
    /// be read.
    pub(super) fn produce(&mut self, output: &mut Buffer) -> Result<Produced, CloseReason> {
        match &mut self.body {
            RestOfBody::Bytes { bytes, at } if *at < bytes.len() => Ok(Produced::Nothing),
            RestOfBody::Shared { bytes, at } if *at < bytes.len() => Ok(Produced::Nothing),
            RestOfBody::File { slice, mode: SendMode::ByHand } if slice.length > 0 => self.copy_file(output),
            RestOfBody::File { slice, .. } if slice.length > 0 => Ok(Produced::Nothing),
            // The source is read even after it has produced all announced bytes, because only a read shows that it has
            // ended.
            RestOfBody::Stream(_) => self.copy_stream(output),
            _ => self.finish(output),
        }
    }

    /// Sends some of the output and of the in-memory body that follows it. A file is sent only once the output is
    /// empty. Returns the number of bytes sent, which is 0 if there is nothing to send.
    ///
    /// # Errors
    /// Returns any error from the transport, and `UnexpectedEof` if the file is shorter than announced.
    pub(super) fn send(
        &mut self,
        output: &mut Buffer,
        transport: &mut impl Transport,
        observer: &mut impl ConnectionObserver,
    ) -> io::Result<u64> {
        let (rest, more): (&[u8], bool) = match &self.body {
            // A single `writev` sends both the output, which holds the head, and the body.
            RestOfBody::Bytes { bytes, at } => (&bytes[*at..], false),
            RestOfBody::Shared { bytes, at } => (&bytes[*at..], false),
            RestOfBody::File { mode: SendMode::Sent | SendMode::Corked, slice } if slice.length > 0 => {
                if output.is_empty() {
                    return self.send_file(transport, observer);
                }
                // The kernel holds back the head until the first bytes of the file follow, which saves a packet.
                (&[], true)
            }
            _ => (&[], false),
        };
        if output.is_empty() && rest.is_empty() {
            return Ok(0);
        }
        let result = transport.send(output.bytes(), rest, more);
        // The observer is called before the `?`, so that it also sees a write that would block.
        observer.sent(output.len() + rest.len(), more, &result);
        let count = result?;
        let of_output = count.min(output.len());
        output.consume(of_output);
        self.advance((count - of_output) as u64);
        Ok(count as u64)
    }

    fn send_file(&mut self, transport: &mut impl Transport, observer: &mut impl ConnectionObserver) -> io::Result<u64> {
        let RestOfBody::File { slice, mode } = &mut self.body else { return Ok(0) };
        // A single slice needs no cork: its last packet may be short.
        if *mode == SendMode::Sent && slice.length > FILE_SLICE {
            *mode = SendMode::Corked;
            transport.cork(true);
        }
        let wanted = slice.length.min(FILE_SLICE);
        let result = transport.send_file(&slice.file, slice.offset, wanted);
        observer.sent_file(wanted, slice.offset, &result);
        match result {
            // `offset` is at the end of the file, which has become shorter since its length was announced.
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                if *mode == SendMode::Corked && count == slice.length {
                    // The last packet must not wait for more bytes after the last slice.
                    transport.cork(false);
                }
                self.advance(count);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                // The remaining bytes are copied through the output, which needs no cork.
                if std::mem::replace(mode, SendMode::ByHand) == SendMode::Corked {
                    transport.cork(false);
                }
                // `Interrupted` makes the session start another round, in which `produce` reads the file.
                Err(io::ErrorKind::Interrupted.into())
            }
            Err(error) => Err(error),
        }
    }

    fn copy_file(&mut self, output: &mut Buffer) -> Result<Produced, CloseReason> {
        let RestOfBody::File { slice, .. } = &mut self.body else { return Ok(Produced::Nothing) };
        // No more of the file is read until the client has accepted some of the output.
        if output.len() >= COPY_SLICE {
            return Ok(Produced::Nothing);
        }
        let wanted = usize::try_from(slice.length).unwrap_or(usize::MAX).min(COPY_SLICE);
        match output.fill(wanted, |room| read_at(&slice.file, &mut room[..wanted], slice.offset)) {
            // The file ends before its announced length. Only closing the connection shows the client that bytes are
            // missing.
            Ok(0) => Err(CloseReason::OutputCut),
            Ok(count) => {
                self.advance(count as u64);
                Ok(Produced::Some)
            }
            // A signal interrupted the read. `Produced::Some` counts as progress, so the next round reads again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Produced::Some),
            Err(_) => Err(CloseReason::OutputCut),
        }
    }

    /// Reads once from the source into the output.
    // If this function were inlined, its stack frame of 32 KiB would become part of `step`, and every response would
    // touch those pages.
    #[inline(never)]
    fn copy_stream(&mut self, output: &mut Buffer) -> Result<Produced, CloseReason> {
        let RestOfBody::Stream(source) = &mut self.body else { return Ok(Produced::Nothing) };
        if output.len() >= COPY_SLICE {
            return Ok(Produced::Nothing);
        }
        let mut part = [0; COPY_SLICE];
        match source.read(&mut part) {
            Ok(0) => self.finish(output),
            Ok(count) => {
                let taken = self.encoder.write(&part[..count], output);
                self.sent += taken as u64;
                // Bytes beyond the announced length are discarded, because the client would parse them as the next
                // response.
                self.overran = taken < count;
                // The rest of the source is not read, because all announced bytes are in the output.
                if self.overran { self.finish(output) } else { Ok(Produced::Some) }
            }
            // All announced bytes have been produced, so the source need not report its end.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.encoder == Encoder::Counted(0) => {
                self.finish(output)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Produced::Waiting),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Produced::Later),
            Err(_) => Err(CloseReason::OutputCut),
        }
    }

    /// Appends the end of the body to the output. A chunked body ends with its last chunk and the trailer fields of its
    /// source.
    fn finish(&mut self, output: &mut Buffer) -> Result<Produced, CloseReason> {
        let trailers = match std::mem::replace(&mut self.body, RestOfBody::Finished) {
            RestOfBody::Stream(mut source) => source.take_trailers(),
            _ => FieldBlock::new(),
        };
        // `finish_with` returns false if announced bytes are missing. Only a closed connection shows the client that
        // its response is incomplete.
        if self.encoder.finish_with(&trailers, output) { Ok(Produced::All) } else { Err(CloseReason::OutputCut) }
    }

    /// Records that `count` bytes of the body were sent or added to the output. The rest of the body then begins after
    /// them.
    fn advance(&mut self, count: u64) {
        self.sent += count;
        self.encoder.sent(count);
        match &mut self.body {
            RestOfBody::Bytes { at, .. } | RestOfBody::Shared { at, .. } => *at += count as usize,
            RestOfBody::File { slice, .. } => {
                slice.offset += count;
                slice.length -= count;
            }
            RestOfBody::Stream(_) | RestOfBody::Finished => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::{TransitionObserver, Unobserved};
    use crate::transport::Memory;

    /// A source that returns one of these results for each read, beginning with the last one, and then `WouldBlock`.
    struct Scripted(Vec<io::Result<&'static str>>);

    impl Source for Scripted {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let text = self.0.pop().unwrap_or(Err(io::ErrorKind::WouldBlock.into()))?;
            buf[..text.len()].copy_from_slice(text.as_bytes());
            Ok(text.len())
        }
    }

    /// A file of `length` zero bytes.
    fn zeros(length: u64) -> FileSlice {
        let file = tempfile::tempfile().unwrap();
        file.set_len(length).unwrap();
        FileSlice { file: Arc::new(file), offset: 0, length }
    }

    #[test]
    fn a_body_in_memory_is_sent_as_room_permits_and_ends_after_its_last_byte() {
        let writers = [
            BodyWriter::bytes(Cow::Borrowed(b"hello"), Encoder::Counted(5)),
            BodyWriter::shared(Arc::from(&b"hello"[..]), Encoder::Counted(5)),
        ];
        for mut writer in writers {
            let (mut output, mut transport) = (Buffer::default(), Memory { room: 2, ..Memory::default() });
            assert!(!writer.is_streamed());
            for sent in [2, 4, 5] {
                assert_eq!(writer.produce(&mut output), Ok(Produced::Nothing), "bytes are left");
                writer.send(&mut output, &mut transport, &mut Unobserved).unwrap();
                assert_eq!((writer.sent(), transport.sent.len()), (sent, sent as usize));
                transport.room = 2;
            }
            assert_eq!(writer.produce(&mut output), Ok(Produced::All));
            assert_eq!(transport.sent, b"hello");
        }
    }

    #[test]
    fn nothing_is_sent_of_a_file_that_has_no_bytes_left() {
        let mut writer = BodyWriter::file(zeros(0), Encoder::Counted(0));
        let sent = writer.send(&mut Buffer::default(), &mut Memory::default(), &mut Unobserved);
        assert_eq!(sent.unwrap(), 0);
    }

    #[test]
    fn only_a_file_of_more_than_one_slice_corks_the_transport() {
        for (length, corked) in [(FILE_SLICE, false), (FILE_SLICE + 1, true)] {
            let mut writer = BodyWriter::file(zeros(length), Encoder::Counted(length));
            let mut transport = Memory { room: 1000, ..Memory::default() };
            writer.send(&mut Buffer::default(), &mut transport, &mut Unobserved).unwrap();
            assert_eq!(transport.corked, corked, "{length}");
        }
    }

    #[test]
    fn a_stream_is_complete_with_its_last_announced_byte() {
        let stream = |encoder| BodyWriter::stream(Box::new(Scripted(vec![Ok("hello")])), encoder);
        for (encoder, end) in [(Encoder::Counted(5), Produced::All), (Encoder::Chunked, Produced::Waiting)] {
            let (mut writer, mut output) = (stream(encoder), Buffer::default());
            assert!(writer.is_streamed());
            assert_eq!(writer.produce(&mut output), Ok(Produced::Some));
            assert_eq!(writer.produce(&mut output), Ok(end), "{encoder:?}");
        }
    }

    #[test]
    fn an_observer_sees_the_length_of_output_and_body_together() {
        #[derive(Default)]
        struct Wanted(Vec<usize>);
        impl TransitionObserver for Wanted {}
        impl ConnectionObserver for Wanted {
            fn sent(&mut self, wanted: usize, _: bool, _: &io::Result<usize>) {
                self.0.push(wanted);
            }
        }
        let mut writer = BodyWriter::bytes(Cow::Borrowed(b"hello"), Encoder::Counted(5));
        let (mut output, mut observer) = (Buffer::default(), Wanted::default());
        output.extend(b"head");
        writer.send(&mut output, &mut Memory::default(), &mut observer).unwrap();
        assert_eq!(observer.0, [9]);
    }
}
