use std::path::PathBuf;

/// The file that a Unix socket was bound to, which goes when this does: Python leaves it, and the next start then
/// fails (contract row SS26).
#[derive(Debug)]
pub(super) struct SocketFile(pub(super) PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever has removed it before has done our work.
        _ = std::fs::remove_file(&self.0);
    }
}
