//! The file of a Unix socket, which the server removes when it is dropped.

use std::path::PathBuf;

/// The file to which a Unix socket is bound. Dropping this value removes the file. In Python the file remains, and
/// binding the same path again fails.
#[derive(Debug)]
pub(super) struct SocketFile(pub(super) PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // An error means that the file has already been removed or cannot be removed, and a destructor cannot report
        // it.
        _ = std::fs::remove_file(&self.0);
    }
}
