//! The memory in which the streams of a thread read, decrypt and encrypt.

use std::cell::{RefCell, RefMut};
use std::fmt;

/// The most plaintext that is encrypted at a time: four records of full length.
pub(super) const MOST_PLAINTEXT: usize = 4 * FULL_RECORD;

/// Plaintext of a record of full length (RFC 8446 section 5.1).
pub(super) const FULL_RECORD: usize = 16 * 1024;

/// The least number of bytes that are read at a time: a ClientHello, or the records of a short request.
pub(super) const LEAST_READ: usize = 4096;

/// The most bytes that are read at a time.
pub(super) const MOST_READ: usize = 64 * 1024;

/// The most bytes of an unfinished record, or of an unfinished message of a handshake, that are kept. rustls takes a message of
/// the handshake up to this size.
pub(super) const MOST_UNFINISHED: usize = 64 * 1024;

/// Room for [`MOST_PLAINTEXT`] as records, with a few short records of the handshake before them.
const MOST_OUTPUT: usize = MOST_PLAINTEXT + 2048;

/// Memory that the streams of a thread use in turn. No stream keeps bytes in it between two calls. It is allocated with the
/// first use, so that a server without TLS has none.
#[derive(Default)]
pub struct TlsScratch {
    input: RefCell<Vec<u8>>,
    output: RefCell<Vec<u8>>,
}

impl TlsScratch {
    /// Holds records that were received, and plaintext before it is encrypted.
    pub(super) fn input(&self) -> RefMut<'_, Vec<u8>> {
        allocated(&self.input, MOST_UNFINISHED + MOST_READ + LEAST_READ)
    }

    /// Holds records that are to be sent.
    pub(super) fn output(&self) -> RefMut<'_, Vec<u8>> {
        allocated(&self.output, MOST_OUTPUT)
    }
}

fn allocated(memory: &RefCell<Vec<u8>>, size: usize) -> RefMut<'_, Vec<u8>> {
    let mut memory = memory.borrow_mut();
    if memory.is_empty() {
        // Pages that are never written take no memory.
        *memory = vec![0; size];
    }
    memory
}

impl fmt::Debug for TlsScratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsScratch")
    }
}
