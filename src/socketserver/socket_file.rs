//! The file of a Unix socket, which a server removes.

use std::path::PathBuf;

/// The file that a Unix socket is bound to. Dropping this removes it. Python leaves the file, and the next start fails.
#[derive(Debug)]
pub(super) struct SocketFile(pub(super) PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // An error means that the file was removed before, or cannot be: a destructor can do no more.
        _ = std::fs::remove_file(&self.0);
    }
}
