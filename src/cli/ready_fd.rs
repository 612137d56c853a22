//! The descriptor of `--ready-fd`, which the parent process has opened.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::exit::Exit;

/// Takes ownership of an open descriptor. Must be called before anything else is opened, because otherwise a number
/// that the parent has not opened could be the descriptor of one of this program's own files.
pub(super) fn take_over(number: i32) -> Result<File, Exit> {
    // Safe code cannot take ownership of a raw descriptor number. The descriptor is therefore duplicated, and the
    // original is closed afterwards.
    let file = duplicate(number).or_else(|_| reopen(number)).map_err(|error| {
        Exit::usage(format_args!("argument --ready-fd: invalid descriptor: '{number}' (must be open: {error})"))
    })?;
    // A reader may wait for EOF on the pipe, so the original descriptor must not stay open.
    _ = nix::unistd::close(number);
    Ok(file)
}

/// Writes the ready line to the descriptor and closes it. Errors are ignored, because the program keeps serving even if
/// the pipe has no reader.
pub(super) fn tell(mut file: File, line: &str) {
    _ = file.write_all(line.as_bytes());
}

/// Duplicates the descriptor with `pidfd_getfd` on this process itself. `dup` cannot be used here, because it takes a
/// `BorrowedFd`, which only unsafe code can make from a number.
#[cfg(target_os = "linux")]
fn duplicate(number: i32) -> io::Result<File> {
    use std::os::fd::AsRawFd;

    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    let process = pidfd_open(getpid(), PidfdFlags::empty())?;
    // The kernel assigns the lowest free descriptor number. If it has just assigned `number`, no descriptor with this
    // number was open before.
    if process.as_raw_fd() == number {
        return Err(rustix::io::Errno::BADF.into());
    }
    Ok(File::from(pidfd_getfd(process, number, PidfdGetfdFlags::empty())?))
}

#[cfg(not(target_os = "linux"))]
fn duplicate(_: i32) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Reopens the descriptor by its name in `/dev/fd`, for containers that forbid `pidfd_getfd`. This works for pipes and
/// files, but not for sockets.
fn reopen(number: i32) -> io::Result<File> {
    // Without `NONBLOCK`, opening a pipe that has no reader would block.
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    OpenOptions::new().write(true).custom_flags(flags as i32).open(format!("/dev/fd/{number}"))
}
