//! The file of a Unix socket, which is removed when the server is dropped.

use std::path::PathBuf;

/// The file to which a Unix socket is bound. Dropping this value removes the file. In Python, the file remains, and the
/// same path cannot be bound again.
#[derive(Debug)]
pub(super) struct SocketFile(pub(super) PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // An error is ignored, because a destructor cannot report it. The file has already been removed or cannot be
        // removed.
        _ = std::fs::remove_file(&self.0);
    }
}
