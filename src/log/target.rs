//! The target of the log: a descriptor with a method of writing to it without blocking, or a writer that the program
//! has supplied.
//!
//! The open file description of standard error is shared with the shell or supervisor that started the server.
//! `O_NONBLOCK` is a flag of that description, so setting it would affect the shell or supervisor too. Therefore each
//! kind of descriptor has a write method that does not change a shared flag.
//!
//! Lines are buffered in `sink`.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::{Errno, Result, write};
use rustix::net::{SendFlags, send};

/// The maximum size of one write in bytes. A write of up to this size to a pipe is atomic, and does not block if `poll`
/// reports the pipe as writable. POSIX guarantees at least 512 bytes; on Linux the limit is a page.
pub(super) const PIPE_BUF: usize = 4096;

/// The time between two attempts to write to a writer that has returned `WouldBlock`, while the last lines are written.
const PAUSE: Duration = Duration::from_millis(10);

/// The destination to which log lines are written.
pub(super) enum Target {
    /// A descriptor with the method of writing to it.
    Descriptor { fd: OwnedFd, method: WriteMethod },
    /// A writer that the program has supplied. It may block.
    Writer(Box<dyn Write + Send>),
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Descriptor { fd, method } => write!(f, "Descriptor({fd:?}, {method:?})"),
            Target::Writer(_) => f.write_str("Writer"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteMethod {
    /// For a regular file: calls `write`. The kernel has no non-blocking writes for files.
    File,
    /// For a pipe or device that was opened a second time and therefore has its own flags: calls `write`, which does
    /// not block.
    Own,
    /// For a socket: calls `send` with a flag that makes only this call non-blocking.
    Socket,
    /// For a pipe or device that cannot be opened again, for instance because it belongs to another user: calls `poll`
    /// and then `write`. The write may still block, if another process fills the pipe between the two calls, or if a
    /// terminal has space for only some of the bytes. The kernel offers no better method for this case.
    Polled,
}

impl Target {
    /// Creates a target with the write method for the kind of the descriptor. A descriptor of unknown kind is polled.
    pub(super) fn new(fd: OwnedFd) -> Target {
        match fstat(&fd).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::RegularFile) => Target::Descriptor { fd, method: WriteMethod::File },
            Ok(FileType::Socket) => Target::Descriptor { fd, method: WriteMethod::Socket },
            Ok(FileType::Fifo | FileType::CharacterDevice) => match reopen(&fd) {
                Ok(fd) => Target::Descriptor { fd, method: WriteMethod::Own },
                Err(_) => Target::Descriptor { fd, method: WriteMethod::Polled },
            },
            _ => Target::Descriptor { fd, method: WriteMethod::Polled },
        }
    }

    /// Opens a file for appending, and creates it if it does not exist. If the file is a FIFO without a reader, returns
    /// an error and does not block.
    pub(super) fn open(path: &Path) -> Result<Target> {
        let how =
            OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        open(path, how, Mode::from_raw_mode(0o644)).map(Target::new)
    }

    /// Creates a target from a writer that the program has supplied.
    pub(super) fn writer(writer: impl Write + Send + 'static) -> Target {
        Target::Writer(Box::new(writer))
    }

    /// Creates a target that is polled, regardless of the kind of the descriptor.
    #[cfg(test)]
    pub(super) fn polled(fd: OwnedFd) -> Target {
        Target::Descriptor { fd, method: WriteMethod::Polled }
    }

    /// Writes some of the bytes and returns the number written.
    ///
    /// # Errors
    /// Returns `AGAIN` if the target is currently full, or any other error that the target returns.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let (fd, method) = match self {
            Target::Descriptor { fd, method } => (&*fd, *method),
            Target::Writer(writer) => return write_and_flush(writer, bytes),
        };
        match method {
            // A write to a regular file need not be limited to one page of whole lines, because a file accepts any
            // number of bytes in one call.
            WriteMethod::File => write(fd, bytes),
            WriteMethod::Own => write(fd, whole_lines(bytes)),
            WriteMethod::Socket => send(fd, whole_lines(bytes), SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            WriteMethod::Polled => match has_room(fd, Duration::ZERO)? {
                true => write(fd, whole_lines(bytes)),
                false => Err(Errno::AGAIN),
            },
        }
    }

    /// Waits for at most `within` until the target has space for a write. Returns true if there is space, and for a writer
    /// after a short pause.
    ///
    /// # Errors
    /// Returns `INTR` if a signal arrived first.
    pub(super) fn has_room(&self, within: Duration) -> Result<bool> {
        match self {
            Target::Descriptor { fd, .. } => has_room(fd, within),
            // A writer cannot be polled, so the next write is an attempt. Without the pause, a writer that returns
            // `WouldBlock` would keep this thread busy.
            Target::Writer(_) => {
                thread::sleep(within.min(PAUSE));
                Ok(true)
            }
        }
    }
}

fn has_room(fd: &OwnedFd, within: Duration) -> Result<bool> {
    let mut fds = [PollFd::new(fd, PollFlags::OUT)];
    let within = Timespec::try_from(within).unwrap_or_default();
    Ok(poll(&mut fds, Some(&within))? > 0)
}

/// Writes to a writer that the program has supplied. Errors other than `Interrupted` and `WouldBlock` become `EIO`.
fn write_and_flush(writer: &mut impl Write, bytes: &[u8]) -> Result<usize> {
    let count = writer.write(bytes).map_err(|error| errno_of(&error))?;
    loop {
        match writer.flush().map_err(|error| errno_of(&error)) {
            Err(Errno::INTR) => {}
            // The writer has accepted the bytes, so the sink must not write them again. The next write flushes them.
            Ok(()) | Err(Errno::AGAIN) => return Ok(count),
            Err(error) => return Err(error),
        }
    }
}

/// The error of a descriptor that corresponds to the error of a writer.
fn errno_of(error: &std::io::Error) -> Errno {
    match error.kind() {
        ErrorKind::Interrupted => Errno::INTR,
        ErrorKind::WouldBlock => Errno::AGAIN,
        _ => Errno::IO,
    }
}

/// Opens the pipe or device of the descriptor a second time. Fails on systems without `/proc`; the target is then
/// polled.
fn reopen(fd: &OwnedFd) -> Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
}

/// Returns as many whole lines as fit into one atomic write, or the beginning of the first line if that is longer. In
/// this way, output from other processes that write to the same pipe appears between lines and never within a line.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    if bytes.len() <= PIPE_BUF {
        return bytes;
    }
    let fitting = &bytes[..PIPE_BUF];
    memchr::memrchr(b'\n', fitting).map_or(fitting, |at| &fitting[..=at])
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, pipe};
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A writer whose `write` and `flush` return each of these errors once. After the last error, `write` accepts one byte
    /// per call.
    #[derive(Default)]
    struct Fails {
        writes: Vec<ErrorKind>,
        flushes: Vec<ErrorKind>,
    }

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            self.writes.pop().map_or(Ok(1), |kind| Err(kind.into()))
        }

        fn flush(&mut self) -> std::io::Result<()> {
            self.flushes.pop().map_or(Ok(()), |kind| Err(kind.into()))
        }
    }

    #[test]
    fn errors_of_a_writer_are_those_of_a_descriptor() {
        let writes = vec![ErrorKind::Other, ErrorKind::WouldBlock, ErrorKind::Interrupted];
        let mut target = Target::writer(Fails { writes, ..Fails::default() });
        let results: Vec<_> = (0..4).map(|_| target.write(b"line\n")).collect();
        assert_eq!(results, [Err(Errno::INTR), Err(Errno::AGAIN), Err(Errno::IO), Ok(1)]);
        assert_eq!(target.has_room(Duration::ZERO), Ok(true));
    }

    #[test]
    fn bytes_that_a_writer_has_accepted_count_although_they_cannot_be_flushed_yet() {
        let flushes = vec![ErrorKind::Other, ErrorKind::WouldBlock, ErrorKind::Interrupted];
        let mut target = Target::writer(Fails { flushes, ..Fails::default() });
        let results: Vec<_> = (0..3).map(|_| target.write(b"line\n")).collect();
        assert_eq!(results, [Ok(1), Err(Errno::IO), Ok(1)]);
    }

    /// Returns the descriptor of a target, and the method of writing to it.
    fn parts(target: &Target) -> (&OwnedFd, WriteMethod) {
        match target {
            Target::Descriptor { fd, method } => (fd, *method),
            Target::Writer(_) => panic!("no descriptor"),
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn each_kind_of_descriptor_has_its_method_of_writing() {
        let own_binary = File::open(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(parts(&Target::new(own_binary.into())).1, WriteMethod::File);
        assert_eq!(parts(&Target::new(File::create("/dev/null").unwrap().into())).1, WriteMethod::Own);
        assert_eq!(parts(&Target::new(UnixStream::pair().unwrap().0.into())).1, WriteMethod::Socket);
        let (_reader, writer) = pipe().unwrap();
        assert_eq!(parts(&Target::new(writer.into())).1, WriteMethod::Own);
    }

    #[test]
    fn a_pipe_that_cannot_be_opened_again_is_polled() {
        let path = std::env::temp_dir().join(format!("serve-forever-log-{}", std::process::id()));
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RWXU).unwrap();
        let reader = open(&path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
        let writer = open(&path, OFlags::WRONLY, Mode::empty()).unwrap();
        std::fs::remove_file(&path).unwrap();
        // Without a reader, opening a FIFO for writing with `O_NONBLOCK` fails.
        drop(reader);
        assert_eq!(parts(&Target::new(writer)).1, WriteMethod::Polled);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_flags_of_a_shared_descriptor_do_not_change() {
        let (_reader, writer) = pipe().unwrap();
        let shared = writer.try_clone().unwrap();
        let before = rustix::fs::fcntl_getfl(&shared).unwrap();
        let target = Target::new(writer.into());
        assert!(rustix::fs::fcntl_getfl(parts(&target).0).unwrap().contains(OFlags::NONBLOCK));
        assert_eq!(rustix::fs::fcntl_getfl(&shared).unwrap(), before);
        assert!(!before.contains(OFlags::NONBLOCK));
    }

    #[test]
    fn a_full_descriptor_has_no_room_until_it_is_read() {
        let (mut reader, writer) = UnixStream::pair().unwrap();
        let mut target = Target::new(writer.into());
        assert_eq!(target.has_room(Duration::ZERO), Ok(true));
        let mut taken = 0;
        while let Ok(count) = target.write(&[b'.'; PIPE_BUF]) {
            taken += count;
        }
        assert_eq!(target.has_room(Duration::ZERO), Ok(false));
        reader.read_exact(&mut vec![0; taken]).unwrap();
        assert_eq!(target.has_room(Duration::ZERO), Ok(true));
    }

    #[test]
    fn a_long_write_ends_at_the_end_of_a_line() {
        let line = [b"a".repeat(1999), b"\n".to_vec()].concat();
        let lines = line.repeat(3);
        assert_eq!(whole_lines(&lines).len(), 4000);
        assert_eq!(whole_lines(&lines[..4096]).len(), 4096);
        assert_eq!(whole_lines(&b"a".repeat(5000)).len(), PIPE_BUF);
    }
}
