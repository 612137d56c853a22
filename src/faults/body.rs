//! Converts response bodies of any kind to sources. The connection can then count the bytes of a response with a fault
//! as it reads them.

use std::borrow::Cow;
use std::io::{self, Read};
use std::sync::Arc;

use crate::service::{Body, Response, Source};
use crate::transport::FileSection;

/// Converts a response body to a source. Adds a `Content-Length` if the length is known.
pub(super) fn stream(response: &mut Response) {
    let length = response.body.length();
    response.body = match std::mem::take(&mut response.body) {
        Body::Empty => return,
        Body::Stream(source) => Body::Stream(source),
        // The body is already a source, and has no length.
        Body::Upgrade(source) => Body::Upgrade(source),
        Body::Bytes(bytes) => memory(bytes),
        Body::Shared(bytes) => memory(SharedBytes(bytes)),
        Body::File(slice) => {
            Body::Stream(Box::new(FileBytes(FileSection::new(slice.file, slice.offset, slice.length))))
        }
    };
    if let Some(length) = length.filter(|_| response.head.content_length().is_none()) {
        response.head.put("Content-Length", length);
    }
}

/// Truncates the body of a response to at most `most` bytes, and removes the `Content-Length`. One read returns all
/// bytes of the body, so that they are sent in one chunk.
pub(super) fn shorten(response: &mut Response, most: u64) {
    // After a switch to another protocol, there are no chunks that could be malformed.
    if matches!(response.body, Body::Upgrade(_)) {
        return;
    }
    stream(response);
    if response.head.content_length().is_some() {
        response.head.remove("Content-Length");
    }
    let source: Box<dyn Source> = match std::mem::take(&mut response.body) {
        Body::Stream(source) => source,
        // An empty body has no data chunk. The malformed chunk is sent in place of the terminating one.
        _ => Box::new(MemoryBytes { bytes: Cow::Borrowed(&b""[..]), at: 0 }),
    };
    response.body =
        Body::Stream(Box::new(ShortenedBody { source, read: Vec::new(), most: most as usize, is_read: false }));
}

fn memory(bytes: impl AsRef<[u8]> + 'static) -> Body {
    Body::Stream(Box::new(MemoryBytes { bytes, at: 0 }))
}

/// The bytes of an in-memory body that several responses share.
struct SharedBytes(Arc<[u8]>);

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The bytes of an in-memory body.
struct MemoryBytes<B> {
    bytes: B,
    at: usize,
}

impl<B: AsRef<[u8]>> Source for MemoryBytes<B> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes.as_ref()[self.at..];
        let count = buf.len().min(rest.len());
        buf[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

/// The bytes of a section of a file.
struct FileBytes(FileSection);

impl Source for FileBytes {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

/// The first `most` bytes of a source, or fewer if the buffer is smaller, collected so that a single `read` returns
/// them all.
struct ShortenedBody {
    source: Box<dyn Source>,
    read: Vec<u8>,
    most: usize,
    is_read: bool,
}

impl Source for ShortenedBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = self.most.min(buf.len());
        while !self.is_read && self.read.len() < most {
            let room = most - self.read.len();
            let count = self.source.read(&mut buf[..room])?;
            self.read.extend_from_slice(&buf[..count]);
            // The source may end before `most` bytes.
            self.is_read = count == 0;
        }
        self.is_read = true;
        // The bytes may have been collected by calls that failed, with a larger buffer than this one.
        let count = self.read.len().min(buf.len());
        buf[..count].copy_from_slice(&self.read[..count]);
        self.read.drain(..count);
        self.most = 0;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that has four bytes in every second call.
    struct Halting(bool);

    impl Source for Halting {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0 = !self.0;
            if !self.0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            buf[..4].copy_from_slice(b"abcd");
            Ok(4)
        }
    }

    #[test]
    fn a_shortened_body_fits_into_a_buffer_smaller_than_the_one_before() {
        let mut body = ShortenedBody { source: Box::new(Halting(false)), read: Vec::new(), most: 8, is_read: false };
        assert_eq!(body.read(&mut [0; 16]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let mut small = [0; 3];
        assert_eq!((body.read(&mut small).unwrap(), &small), (3, b"abc"));
        assert_eq!((body.read(&mut small).unwrap(), small[0]), (1, b'd'));
        assert_eq!(body.read(&mut small).unwrap(), 0);
    }
}
