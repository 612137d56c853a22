//! A timer that wakes the poll. Its resolution is finer than a millisecond, which is the resolution of the poll's
//! timeout.

use std::io;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

#[cfg(target_os = "linux")]
mod kernel {
    use std::os::fd::{AsRawFd, OwnedFd};

    use mio::Interest;
    use mio::unix::SourceFd;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };

    use super::*;

    /// A `timerfd` that is registered with the poll.
    #[derive(Debug)]
    pub(in super::super) struct LoadTimer {
        descriptor: OwnedFd,
        /// The time to which the timer is set.
        target: Option<Instant>,
    }

    impl LoadTimer {
        /// Creates a timer that is not set. It wakes the poll with `token`.
        pub(in super::super) fn new(registry: &Registry, token: Token) -> io::Result<LoadTimer> {
            let descriptor = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            registry.register(&mut SourceFd(&descriptor.as_raw_fd()), token, Interest::READABLE)?;
            Ok(LoadTimer { descriptor, target: None })
        }

        /// Sets the timer to wake the poll at `target`. Always returns `None`, because the poll needs no timeout in
        /// addition.
        pub(in super::super) fn set(&mut self, target: Instant, now: Instant) -> io::Result<Option<Duration>> {
            // In the closed loop, many turns wait for the same tick. The timer needs to be set only once for it.
            if self.target == Some(target) && target > now {
                return Ok(None);
            }
            self.target = Some(target);
            // Zero would turn the timer off.
            let time = target.saturating_duration_since(now).max(Duration::from_nanos(1));
            let value = Timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos().into() };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
            timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &once)?;
            Ok(None)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::*;

    /// A fallback that uses the poll's timeout, for systems without timer descriptors.
    #[derive(Debug)]
    pub(in super::super) struct LoadTimer;

    impl LoadTimer {
        /// Creates a fallback, which registers nothing with the poll.
        pub(in super::super) fn new(_: &Registry, _: Token) -> io::Result<LoadTimer> {
            Ok(LoadTimer)
        }

        /// Returns the poll timeout that expires at `target`.
        pub(in super::super) fn set(&mut self, target: Instant, now: Instant) -> io::Result<Option<Duration>> {
            Ok(Some(target.saturating_duration_since(now)))
        }
    }
}

pub(super) use kernel::LoadTimer;
