//! `HttpResponse`: a response whose body is read from its connection.

use std::borrow::Cow;
use std::io::{self, BufRead, Read, Write};

use super::settings::WaitLimits;
use super::shared::{ResponseEnd, SharedLink, abandon, borrow};
use super::{ClientChannel, ClientStream, Error, ThreadStream};
use crate::http::{HeaderList, Status, Version, latin1};
use crate::http1::{Buffer, ReceivedHead};

/// A response. Its body is read through [`Read`] and [`BufRead`], or with [`HttpResponse::read_all`].
///
/// As in Python, the response and its connection are separate objects. A persistent connection can be used for the next
/// request as soon as the body has been read completely. Dropping an unread response closes its connection, unless the
/// rest of the body is short and has already arrived.
#[derive(Debug)]
pub struct HttpResponse<S: ClientStream = ThreadStream> {
    head: ReceivedHead,
    interim: Vec<Status>,
    trailers: HeaderList,
    /// `None` once the last byte of the body has been read from the connection.
    shared: Option<SharedLink<S>>,
    waits: WaitLimits,
    will_close: bool,
    is_chunked: bool,
    /// The number of bytes of the body that have not been returned to the caller yet; `None` if the length is not known
    /// in advance.
    length: Option<u64>,
    /// Bytes that were read from the connection and have not been returned to the caller.
    piece: Buffer,
    /// True once reading the body has failed. Every later read fails too.
    has_failed: bool,
    /// The stream and the bytes that arrived after the head, if this response switched the connection to another
    /// protocol.
    upgraded: Option<(ClientChannel<S>, Buffer)>,
}

/// The maximum number of bytes that one call to [`BufRead::fill_buf`] returns.
const PIECE: usize = 8 * 1024;

/// The maximum number of bytes that are reserved for a body before they have arrived.
const MOST_RESERVED: usize = 64 * 1024;

impl<S: ClientStream> HttpResponse<S> {
    /// Reads the head of the response from `shared`, which must be open. Must not be called while another response is
    /// being read.
    pub(super) fn read_from(shared: &SharedLink<S>, waits: WaitLimits) -> Result<HttpResponse<S>, Error> {
        let mut state = borrow(shared)?;
        let link = state.link.as_mut().ok_or(Error::RemoteDisconnected)?;
        let (head, interim) = link.read_head(waits)?;
        let (will_close, is_chunked) = (!link.machine.persists(), link.machine.is_chunked());
        let length = link.machine.body_left();
        state.is_reading = true;
        let end = state.end_if_complete();
        drop(state);
        let shared = Some(SharedLink::clone(shared));
        let (trailers, piece) = (HeaderList::new(), Buffer::default());
        let mut response = HttpResponse {
            head,
            interim,
            trailers,
            shared,
            waits,
            will_close,
            is_chunked,
            length,
            piece,
            has_failed: false,
            upgraded: None,
        };
        if let Some(end) = end {
            response.end(end);
        }
        Ok(response)
    }

    /// The status code of the response.
    pub fn status(&self) -> Status {
        self.head.status()
    }

    /// The reason phrase as Latin-1 text. It may be empty.
    pub fn reason(&self) -> Cow<'_, str> {
        self.head.reason()
    }

    /// The HTTP version of the server, as given in the status line.
    pub fn version(&self) -> Version {
        self.head.version()
    }

    /// The header fields of the response.
    pub fn headers(&self) -> &HeaderList {
        self.head.headers()
    }

    /// The value of a field as Latin-1 text. If there are several fields with this name, their values are joined with a
    /// comma and a space, as in Python's `getheader`.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<Cow<'_, str>> = self.headers().get_all(name).map(latin1).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The statuses of the interim responses that preceded this response, in order.
    pub fn interim(&self) -> &[Status] {
        &self.interim
    }

    /// The trailer fields. The list is empty until the end of the body has been read.
    pub fn trailers(&self) -> &HeaderList {
        &self.trailers
    }

    /// True if the connection is closed after this response instead of being reused.
    pub fn will_close(&self) -> bool {
        self.will_close
    }

    /// True if the body is chunked.
    pub fn is_chunked(&self) -> bool {
        self.is_chunked
    }

    /// The number of bytes of the body that are still to be read; `None` if the length is not known in advance.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// True if the body has been read to its end, or the response or its connection was closed.
    pub fn is_closed(&self) -> bool {
        if !self.piece.is_empty() {
            return false;
        }
        // A link that is currently borrowed counts as open.
        self.shared.as_ref().is_none_or(|shared| borrow(shared).is_ok_and(|state| state.link.is_none()))
    }

    /// Ends the response. Later reads return EOF. The connection is closed, unless the rest of the body is short and
    /// has already arrived.
    pub fn close(&mut self) {
        self.piece = Buffer::default();
        // The connection no longer shares the link of a response after which it is closed.
        if let Some(shared) = self.shared.take().filter(|_| !self.will_close) {
            abandon(&shared);
        }
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// Returns [`Error::IncompleteRead`], with all bytes that this call has read, if the body ends early or a chunk is
    /// malformed. Every error except [`Error::InUse`] closes the connection.
    pub fn read_all(&mut self) -> Result<Vec<u8>, Error> {
        self.read_up_to(usize::MAX)
    }

    /// Reads `count` bytes, or fewer if the body ends earlier.
    ///
    /// # Errors
    /// Returns the same errors as [`HttpResponse::read_all`].
    pub fn read_up_to(&mut self, count: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        // Memory grows with the bytes that arrive, not with the length that the server announces.
        while bytes.len() < count {
            let most = count - bytes.len();
            match self.take_piece(most, |piece| bytes.extend_from_slice(piece)) {
                Ok(0) => break,
                Ok(_) => {}
                Err(Error::IncompleteRead { expected, .. }) => {
                    return Err(Error::IncompleteRead { partial: bytes, expected });
                }
                Err(Error::InUse) => {
                    self.put_back(&bytes);
                    return Err(Error::InUse);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(bytes)
    }

    /// Writes the rest of the body to `writer`, like [`io::copy`], but without a buffer of its own. Returns the number of
    /// bytes.
    ///
    /// # Errors
    /// Returns the errors of [`HttpResponse::read_all`] as [`io::Error`]s, and the errors of `writer`.
    pub fn copy_to(&mut self, writer: &mut impl Write) -> io::Result<u64> {
        let mut total = 0;
        loop {
            let mut written = Ok(());
            let count = self.take_piece(usize::MAX, |piece| written = writer.write_all(piece))?;
            written?;
            if count == 0 {
                return Ok(total);
            }
            total += count as u64;
        }
    }

    /// Reads the rest of the body into memory. Later reads return the body from memory. The length of
    /// the body must be known.
    pub(super) fn read_ahead(&mut self) -> Result<(), Error> {
        let length = self.length;
        // The memory for a long body grows with the bytes that arrive.
        let announced = usize::try_from(length.unwrap_or_default()).unwrap_or(usize::MAX);
        let mut body = std::mem::take(&mut self.piece);
        body.reserve(announced.min(MOST_RESERVED));
        loop {
            match self.take_piece(usize::MAX, |piece| body.extend(piece)) {
                Ok(0) => break,
                Ok(_) => {}
                Err(Error::IncompleteRead { expected, .. }) => {
                    return Err(Error::IncompleteRead { partial: body.bytes().to_vec(), expected });
                }
                Err(error) => {
                    // The link was not borrowed, so a later call can continue.
                    if matches!(error, Error::InUse) {
                        (self.piece, self.length) = (body, length);
                    }
                    return Err(error);
                }
            }
        }
        self.piece = body;
        self.length = length;
        Ok(())
    }

    /// Makes the next read return `bytes` again, which earlier reads have returned.
    fn put_back(&mut self, bytes: &[u8]) {
        self.piece.extend(bytes);
        self.length = self.length.map(|length| length + bytes.len() as u64);
    }

    /// Passes the next bytes of the body to `take`: at most `most` bytes, all from the same chunk. Returns the number
    /// of bytes, or 0 at the end of the body.
    fn take_piece(&mut self, most: usize, take: impl FnOnce(&[u8])) -> Result<usize, Error> {
        let kept = self.piece.len().min(most);
        if kept > 0 {
            take(&self.piece.bytes()[..kept]);
            self.consume(kept);
            return Ok(kept);
        }
        self.take_from_link(most, take)
    }

    fn take_from_link(&mut self, most: usize, take: impl FnOnce(&[u8])) -> Result<usize, Error> {
        if self.has_failed {
            return Err(Error::IncompleteRead { partial: Vec::new(), expected: self.length });
        }
        let Some(shared) = &self.shared else { return Ok(0) };
        // The response ends under the same borrow as the read of its last byte, so that no other thread can borrow the
        // link between them.
        let read = borrow(shared)?.read_body(self.waits, most, take);
        let (count, end) = read.inspect_err(|_| (self.has_failed, self.shared) = (true, None))?;
        self.length = self.length.map(|length| length - count as u64);
        if let Some(end) = end {
            self.end(end);
        }
        Ok(count)
    }

    fn end(&mut self, end: ResponseEnd<S>) {
        self.shared = None;
        (self.trailers, self.upgraded) = (end.trailers, end.upgraded);
    }

    /// Returns the stream and the bytes that arrived after the head, if this response switched the connection to
    /// another protocol. Such a response is either a 101 response to a request with an `Upgrade` field, or a successful
    /// response to CONNECT. Returns `None` for any other response.
    pub fn into_upgraded(mut self) -> Option<(ClientChannel<S>, Vec<u8>)> {
        self.upgraded.take().map(|(stream, input)| (stream, input.bytes().to_vec()))
    }
}

impl<S: ClientStream> Drop for HttpResponse<S> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<S: ClientStream> Read for HttpResponse<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len();
        Ok(self.take_piece(most, |piece| into[..piece.len()].copy_from_slice(piece))?)
    }
}

impl<S: ClientStream> BufRead for HttpResponse<S> {
    /// Returns the next bytes of the body, within one chunk, like Python's `peek`.
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece.is_empty() {
            let mut piece = std::mem::take(&mut self.piece);
            // `length` counts these bytes as unread until they are consumed.
            let length = self.length;
            let result = self.take_piece(PIECE, |bytes| piece.extend(bytes));
            self.length = length;
            self.piece = piece;
            result?;
        }
        Ok(self.piece.bytes())
    }

    fn consume(&mut self, count: usize) {
        self.piece.consume(count);
        self.length = self.length.map(|length| length.saturating_sub(count as u64));
    }
}
