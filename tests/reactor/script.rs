//! What happens in the world around the loop, made from a seed.

use std::io;
use std::time::Duration;

use serve_forever::session::Ready;

use crate::common::seeds::Random;
use crate::model::{ACCEPT_BATCH, NOT_READY, SLOTS};

#[derive(Debug, Clone, Copy)]
pub enum Happening {
    /// So many come to an acceptor; the last number decides how they behave.
    Come { acceptor: usize, count: usize, nature: u64 },
    /// Somebody comes who is refused.
    ComesInVain { acceptor: usize },
    /// Letting somebody in fails.
    Fails { acceptor: usize, how: Failure },
    /// Bytes arrive at a session, counted from the oldest.
    Arrive { whom: usize, count: usize },
    /// A session may send.
    HasRoom { whom: usize },
    /// A client closes its side.
    Ends { whom: usize },
    /// A connection breaks.
    Breaks { whom: usize },
    /// An event without a cause.
    Spurious { whom: usize, ready: Ready },
    /// An event for a key that somebody has or had, on one of its slots.
    ForKey { key: usize, slot: usize },
    /// Somebody wakes a session, which may be gone.
    Wakes { whom: usize },
    /// What is done between turns wants to be called again within this time.
    Longest(Option<Duration>),
    /// The run is asked to end.
    Stop,
    /// At once.
    StopNow,
    /// The loop's sleep ends after this time, if it does not end before.
    Sleep { time: Duration, how: Sleep },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sleep {
    /// All events come.
    Sound,
    /// All events come twice.
    Twice,
    /// Events come later.
    Deaf,
    /// It fails with `Interrupted`, and events come later.
    Interrupted,
    /// It lasts longer than was asked for.
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
    let whom = random.below(1000);
    match random.below(40) {
        0..6 => {
            let count = if random.one_in(12) { 1 + random.below(3 * ACCEPT_BATCH) } else { 1 + random.below(3) };
            Happening::Come { acceptor, count, nature: random.next() }
        }
        6 => Happening::ComesInVain { acceptor },
        7..10 => {
            let all = [Failure::Interrupted, Failure::Aborted, Failure::NoDescriptor, Failure::NoMemory];
            Happening::Fails { acceptor, how: all[random.below(4)] }
        }
        10..15 => Happening::Arrive { whom, count: 1 + random.below(5) },
        15..18 => Happening::HasRoom { whom },
        18 => Happening::Ends { whom },
        19 => Happening::Breaks { whom },
        20..22 => {
            let ready = Ready { read: random.one_in(2), write: random.one_in(2), ..NOT_READY };
            Happening::Spurious { whom, ready }
        }
        22..24 => Happening::ForKey { key: random.below(6), slot: random.below(SLOTS) },
        24..27 => Happening::Wakes { whom },
        27 => Happening::Longest(random.one_in(2).then(|| Duration::from_millis(random.below(50) as u64))),
        28 if random.one_in(8) => Happening::Stop,
        29 if random.one_in(20) => Happening::StopNow,
        _ => {
            let time = Duration::from_micros([0, 0, 500, 40_000, 900_000][random.below(5)]);
            let how = match random.below(10) {
                0 => Sleep::Twice,
                1 | 2 => Sleep::Deaf,
                3 => Sleep::Interrupted,
                4 => Sleep::Late(Duration::from_millis(random.below(3000) as u64)),
                _ => Sleep::Sound,
            };
            Happening::Sleep { time, how }
        }
    }
}

/// A fault that the simulation has to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    LosesEvents,
    LosesReadiness,
    RunsAnother,
    LosesAcceptReadiness,
    LosesMail,
    ForgetsDeadlines,
    RunsEarly,
    ForgetsWhoGoesOn,
    KeepsTheDead,
    AcceptsOneTooMany,
    IgnoresBackOff,
    ForgetsToStop,
}
