//! The script of a simulation: events around the loop, made from a seed.

use std::io;
use std::time::Duration;

use serve_forever::session::Ready;

use crate::common::seeds::Random;
use crate::model::{ACCEPT_BATCH, NOT_READY, SLOTS};

#[derive(Debug, Clone, Copy)]
pub enum Happening {
    /// `count` connections arrive at an acceptor. `seed` decides how their sessions behave.
    Come { acceptor: usize, count: usize, seed: u64 },
    /// A connection arrives that is refused.
    ComesUnwanted { acceptor: usize },
    /// The next `accept` fails.
    Fails { acceptor: usize, how: Failure },
    /// `count` bytes arrive at a session. `target` is its index among the live sessions, modulo their number.
    Arrive { target: usize, count: usize },
    /// A session's socket becomes writable.
    Writable { target: usize },
    /// A client closes its sending side.
    Ends { target: usize },
    /// A connection is reset.
    Breaks { target: usize },
    /// A spurious event.
    Spurious { target: usize, ready: Ready },
    /// An event for a key, which a session may have or have had, and one of its slots.
    ForKey { key: usize, slot: usize },
    /// A waker of a session is used. The session may have ended.
    Wakes { target: usize },
    /// The hooks allow a sleep of at most this time.
    Longest(Option<Duration>),
    /// `Stopper::stop`.
    Stop,
    /// `Stopper::stop_now`.
    StopNow,
    /// The loop sleeps. The sleep ends after this time, or earlier at its timeout.
    Sleep { time: Duration, how: Sleep },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sleep {
    /// All events are reported.
    Normal,
    /// All events are reported twice.
    Twice,
    /// The events are reported by a later sleep.
    Withheld,
    /// The sleep fails with `Interrupted`, and the events are reported by a later one.
    Interrupted,
    /// The sleep lasts longer than its timeout.
    Late(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    Interrupted,
    Aborted,
    NoDescriptor,
    NoMemory,
}

impl Failure {
    pub fn error(self) -> io::Error {
        match self {
            Failure::Interrupted => io::ErrorKind::Interrupted.into(),
            Failure::Aborted => io::ErrorKind::ConnectionAborted.into(),
            Failure::NoDescriptor => io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error()),
            Failure::NoMemory => io::Error::from_raw_os_error(rustix::io::Errno::NOMEM.raw_os_error()),
        }
    }

    pub fn exhausted(self) -> bool {
        matches!(self, Failure::NoDescriptor | Failure::NoMemory)
    }
}

pub fn script(seed: u64) -> Vec<Happening> {
    let mut random = Random::new(seed);
    let count = 2 + random.below(60);
    (0..count).map(|_| happening(&mut random)).collect()
}

pub fn happening(random: &mut Random) -> Happening {
    let acceptor = random.below(3);
    let target = random.below(1000);
    match random.below(40) {
        0..6 => {
            let count = if random.one_in(12) { 1 + random.below(3 * ACCEPT_BATCH) } else { 1 + random.below(3) };
            Happening::Come { acceptor, count, seed: random.next() }
        }
        6 => Happening::ComesUnwanted { acceptor },
        7..10 => {
            let all = [Failure::Interrupted, Failure::Aborted, Failure::NoDescriptor, Failure::NoMemory];
            Happening::Fails { acceptor, how: all[random.below(4)] }
        }
        10..15 => Happening::Arrive { target, count: 1 + random.below(5) },
        15..18 => Happening::Writable { target },
        18 => Happening::Ends { target },
        19 => Happening::Breaks { target },
        20..22 => {
            let ready = Ready { read: random.one_in(2), write: random.one_in(2), ..NOT_READY };
            Happening::Spurious { target, ready }
        }
        22..24 => Happening::ForKey { key: random.below(6), slot: random.below(SLOTS) },
        24..27 => Happening::Wakes { target },
        27 => Happening::Longest(random.one_in(2).then(|| Duration::from_millis(random.below(50) as u64))),
        28 if random.one_in(8) => Happening::Stop,
        29 if random.one_in(20) => Happening::StopNow,
        _ => {
            let time = Duration::from_micros([0, 0, 500, 40_000, 900_000][random.below(5)]);
            let how = match random.below(10) {
                0 => Sleep::Twice,
                1 | 2 => Sleep::Withheld,
                3 => Sleep::Interrupted,
                4 => Sleep::Late(Duration::from_millis(random.below(3000) as u64)),
                _ => Sleep::Normal,
            };
            Happening::Sleep { time, how }
        }
    }
}

/// A fault that the simulation must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    LosesEvents,
    LosesReadiness,
    RunsAnotherSession,
    LosesAcceptReadiness,
    LosesWakeUps,
    ForgetsDeadlines,
    RunsEarly,
    ForgetsNextAgain,
    KeepsEndedSessions,
    AcceptsOneTooMany,
    IgnoresBackOff,
    ForgetsToStop,
}
