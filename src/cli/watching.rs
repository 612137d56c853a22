//! Opens the file that `--trace` names, and configures what makes a server observable: the trace, the explanations, and
//! slowed reads and writes.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use super::exit::Exit;
use super::options::Options;
use crate::HttpServer;

/// Opens the file that `--trace` names, and truncates it. Returns `None` if the option is not set.
pub(super) fn open(options: &Options) -> Result<Option<File>, Exit> {
    let Some(path) = &options.watch.trace else { return Ok(None) };
    create(path).map(Some).map_err(|error| Exit::cannot("write", path, error))
}

fn create(path: &Path) -> io::Result<File> {
    let mut how = OpenOptions::new();
    how.write(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Without `NONBLOCK`, opening a FIFO would wait for a reader.
        how.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = how.open(path)?;
    // The loop writes the trace itself, so the file must be a regular one, which never blocks the loop.
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    // The file may contain an earlier trace.
    file.set_len(0)?;
    Ok(file)
}

/// Configures the server to write its trace to `file`, and to print a sentence on standard error for each event of the
/// connections that `--explain` selects. Also applies `--max-read`, `--max-write` and `--slow-motion`.
pub(super) fn watch(mut server: HttpServer, options: &Options, file: Option<File>) -> HttpServer {
    let watch = &options.watch;
    server = server.pace(watch.pace);
    if let Some(file) = file {
        server = server.trace(file);
        if let Some(most) = watch.trace_connections {
            server = server.trace_connections(most);
        }
        if let Some(limit) = watch.trace_limit {
            server = server.trace_limit(limit.saturating_mul(1 << 20));
        }
    }
    match watch.explain {
        Some(which) => server.explain(which, io::stderr()),
        None => server,
    }
}
