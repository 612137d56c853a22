//! `FileSection`: a reader for a section of a file.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use super::read_at;

/// Reads a section of a file. Other readers can share the file, because every read is at an offset.
pub(crate) struct FileSection {
    file: Arc<File>,
    /// The offset of the next byte in the file.
    offset: u64,
    /// The number of bytes in the rest of the section.
    left: u64,
}

impl FileSection {
    /// Creates a reader for the `length` bytes that begin at `offset`. It ends earlier if the file is shorter.
    pub(crate) fn new(file: Arc<File>, offset: u64, length: u64) -> FileSection {
        FileSection { file, offset, left: length }
    }
}

impl Read for FileSection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = buf.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = read_at(&self.file, &mut buf[..most], self.offset)?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
