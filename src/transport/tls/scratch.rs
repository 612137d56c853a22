//! `TlsScratch`, the memory in which all TLS streams of a thread read, decrypt and encrypt.

use std::cell::{RefCell, RefMut};
use std::fmt;

/// The maximum number of bytes of plaintext that are encrypted at a time: four full records.
pub(super) const MOST_PLAINTEXT: usize = 4 * FULL_RECORD;

/// The maximum number of bytes of plaintext in one record (RFC 8446 section 5.1).
pub(super) const FULL_RECORD: usize = 16 * 1024;

/// The minimum size of a read from the socket, in bytes. It is large enough for a ClientHello or the records of a short
/// request.
pub(super) const LEAST_READ: usize = 4096;

/// The maximum size of a read from the socket, in bytes.
pub(super) const MOST_READ: usize = 64 * 1024;

/// The maximum number of bytes of an unfinished record or handshake message to keep. rustls accepts no longer handshake
/// message.
pub(super) const MOST_UNFINISHED: usize = 64 * 1024;

/// The initial size of the output memory in bytes. It is large enough for a few short handshake records, followed by
/// the records of [`MOST_PLAINTEXT`] bytes of plaintext.
const MOST_OUTPUT: usize = MOST_PLAINTEXT + 2048;

/// Memory that the streams of a thread use one after the other. No stream keeps bytes in it between two calls. It is
/// allocated on first use, so a server without TLS has none.
#[derive(Default)]
pub struct TlsScratch {
    input: RefCell<Vec<u8>>,
    output: RefCell<Vec<u8>>,
}

impl TlsScratch {
    /// The memory for received records, and for plaintext before it is encrypted.
    pub(super) fn input(&self) -> RefMut<'_, Vec<u8>> {
        allocated(&self.input, MOST_UNFINISHED + MOST_READ + LEAST_READ)
    }

    /// The memory in which records are encrypted before they are sent.
    pub(super) fn output(&self) -> RefMut<'_, Vec<u8>> {
        allocated(&self.output, MOST_OUTPUT)
    }
}

fn allocated(memory: &RefCell<Vec<u8>>, size: usize) -> RefMut<'_, Vec<u8>> {
    let mut memory = memory.borrow_mut();
    if memory.is_empty() {
        // Large allocations are zeroed lazily, so pages that are never written to use no memory.
        *memory = vec![0; size];
    }
    memory
}

impl fmt::Debug for TlsScratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsScratch")
    }
}
