//! Where the log goes, and how to write there without ever waiting.
//!
//! Standard error is not ours alone: its open file description is shared with the shell or the supervisor that
//! started us. `O_NONBLOCK` is a flag of that description, so setting it would change the descriptor under the feet of
//! all of them. Hence one way for each kind of descriptor, none of which changes what is shared.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::{Errno, Result, write};
use rustix::net::{SendFlags, send};

/// What fits into one write. POSIX promises at least 512, Linux has a page: a write of at most this size to a pipe is
/// never torn, and a pipe that polls writable takes it without waiting.
pub(super) const PIPE_BUF: usize = 4096;

/// A descriptor and the way to write to it.
#[derive(Debug)]
pub(super) struct Target {
    fd: OwnedFd,
    method: WriteMethod,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteMethod {
    /// A regular file always takes what it is given, as far as the system is concerned.
    File,
    /// A second opening of the same pipe or device. It has flags of its own, and so may be non-blocking.
    Own,
    /// A socket can be asked not to wait call by call.
    Socket,
    /// A pipe or device that cannot be opened again, for instance because another user opened it for us. It is
    /// polled before each write. Should another process fill it in between, or a terminal have room for a part
    /// only, the write waits: this is the one case that the system gives no better means for.
    Polled,
}

impl Target {
    /// Takes the descriptor and chooses the way. Does not fail: what cannot be found out is polled.
    pub(super) fn new(fd: OwnedFd) -> Target {
        match fstat(&fd).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::RegularFile) => Target { fd, method: WriteMethod::File },
            Ok(FileType::Socket) => Target { fd, method: WriteMethod::Socket },
            Ok(FileType::Fifo | FileType::CharacterDevice) => match reopen(&fd) {
                Ok(fd) => Target { fd, method: WriteMethod::Own },
                Err(_) => Target { fd, method: WriteMethod::Polled },
            },
            _ => Target { fd, method: WriteMethod::Polled },
        }
    }

    /// Opens a file to append to, and makes it if it is not there. A FIFO that nobody reads is an error and no wait.
    pub(super) fn open(path: &Path) -> Result<Target> {
        let how =
            OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        open(path, how, Mode::from_raw_mode(0o644)).map(Target::new)
    }

    /// A target that is polled, whatever it is.
    #[cfg(test)]
    pub(super) fn polled(fd: OwnedFd) -> Target {
        Target { fd, method: WriteMethod::Polled }
    }

    /// Writes some of the bytes and returns how many.
    ///
    /// # Errors
    /// `AGAIN` if there is no room now; anything else is a fault of the target.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize> {
        match self.method {
            WriteMethod::File => write(&self.fd, bytes),
            WriteMethod::Own => write(&self.fd, whole_lines(bytes)),
            WriteMethod::Socket => send(&self.fd, whole_lines(bytes), SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            WriteMethod::Polled => match self.has_room(Duration::ZERO)? {
                true => write(&self.fd, whole_lines(bytes)),
                false => Err(Errno::AGAIN),
            },
        }
    }

    /// Waits until there is room for a write, for so long at most, and says whether there is.
    ///
    /// # Errors
    /// `INTR` if a signal came first.
    pub(super) fn has_room(&self, within: Duration) -> Result<bool> {
        let mut fds = [PollFd::new(&self.fd, PollFlags::OUT)];
        let within = Timespec::try_from(within).unwrap_or_default();
        Ok(poll(&mut fds, Some(&within))? > 0)
    }
}

/// Opens what the descriptor refers to once more. On systems without `/proc` this fails, and polling has to do.
fn reopen(fd: &OwnedFd) -> Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
}

/// As many whole lines as fit into one write that is not torn, or the beginning of a line that is longer than that.
/// Then the lines of a CGI child on the same pipe stand between ours and never inside one.
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
    use std::io::pipe;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn each_kind_of_descriptor_has_its_way() {
        let own_binary = File::open(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(Target::new(own_binary.into()).method, WriteMethod::File);
        assert_eq!(Target::new(File::create("/dev/null").unwrap().into()).method, WriteMethod::Own);
        assert_eq!(Target::new(UnixStream::pair().unwrap().0.into()).method, WriteMethod::Socket);
        let (_reader, writer) = pipe().unwrap();
        assert_eq!(Target::new(writer.into()).method, WriteMethod::Own);
    }

    #[test]
    fn what_cannot_be_opened_again_is_polled() {
        let path = std::env::temp_dir().join(format!("serve-forever-log-{}", std::process::id()));
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RWXU).unwrap();
        let reader = open(&path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
        let writer = open(&path, OFlags::WRONLY, Mode::empty()).unwrap();
        std::fs::remove_file(&path).unwrap();
        // The system refuses to open the writing side of a FIFO that nobody reads.
        drop(reader);
        assert_eq!(Target::new(writer).method, WriteMethod::Polled);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_flags_that_others_share_stay_as_they_are() {
        let (_reader, writer) = pipe().unwrap();
        let shared = writer.try_clone().unwrap();
        let before = rustix::fs::fcntl_getfl(&shared).unwrap();
        let target = Target::new(writer.into());
        assert!(rustix::fs::fcntl_getfl(&target.fd).unwrap().contains(OFlags::NONBLOCK));
        assert_eq!(rustix::fs::fcntl_getfl(&shared).unwrap(), before);
        assert!(!before.contains(OFlags::NONBLOCK));
    }

    #[test]
    fn a_write_ends_where_a_line_ends() {
        let line = [b"a".repeat(1999), b"\n".to_vec()].concat();
        let lines = line.repeat(3);
        assert_eq!(whole_lines(&lines).len(), 4000);
        assert_eq!(whole_lines(&lines[..4096]).len(), 4096);
        assert_eq!(whole_lines(&b"a".repeat(5000)).len(), PIPE_BUF);
    }
}
