//! The script of a simulation: the events around a server, generated from a seed. Their effects are in `world.rs`.

use std::time::Duration;

use crate::common::seeds::Random;
use crate::ending::SIGNALS;

/// Files of the tree that the server serves.
pub const FILES: usize = 3;

#[derive(Debug, Clone, Copy)]
pub enum Happening {
    /// A client connects. `seed` decides its requests and its fate.
    Connect { seed: u64 },
    /// The next `accept` fails.
    AcceptFails(Failure),
    /// At most this number of bytes of a client's requests arrive. `target` is its index among the clients, modulo their number.
    Send { target: usize, most: usize },
    /// A client takes at most this number of bytes.
    Take { target: usize, most: usize },
    /// A client resets its connection.
    Reset { target: usize },
    /// A spurious event.
    Spurious { target: usize, read: bool, write: bool },
    /// An event for a token that may belong to any session, or to none.
    Stale { token: usize },
    /// Another thread finishes its work for handlers, and wakes their connections.
    Work,
    /// The server from which handlers fetch sends at most this number of bytes over each connection.
    Serve { most: usize },
    /// A file of the tree gets another content.
    Change { file: usize },
    /// The server gets another service, as after a reload.
    Reload,
    /// The server is told to drain.
    Stop,
    /// The server is told to stop immediately.
    StopNow,
    /// A signal of [`SIGNALS`](crate::ending::SIGNALS) arrives.
    Signal { number: usize },
    /// The loop sleeps. The sleep ends after this time, or earlier at its timeout.
    Sleep { time: Duration, how: Sleep },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sleep {
    /// All events are reported.
    Normal,
    /// All events are reported, the last one first.
    Reversed,
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
    Aborted,
    NoDescriptor,
}

pub fn script(seed: u64) -> Vec<Happening> {
    let mut random = Random::new(seed);
    let count = 10 + random.below(110);
    let stops = random.one_in(6);
    (0..count).map(|_| happening(&mut random, stops)).collect()
}

fn happening(random: &mut Random, stops: bool) -> Happening {
    let target = random.below(1000);
    let most = [1, 40, 3000, 100_000][random.below(4)];
    match random.below(60) {
        0..8 => Happening::Connect { seed: random.next() },
        8 => Happening::AcceptFails([Failure::Aborted, Failure::NoDescriptor][random.below(2)]),
        9..22 => Happening::Send { target, most },
        22..32 => Happening::Take { target, most },
        32 if random.one_in(3) => Happening::Reset { target },
        33 | 34 => Happening::Spurious { target, read: random.one_in(2), write: random.one_in(2) },
        35 => Happening::Stale { token: random.below(80) },
        36 | 37 => Happening::Work,
        38 | 39 => Happening::Change { file: random.below(FILES) },
        40 if random.one_in(2) => Happening::Reload,
        40 => Happening::Signal { number: 0 },
        41 if stops && random.one_in(4) => Happening::Stop,
        42 if stops && random.one_in(8) => Happening::StopNow,
        43 if stops && random.one_in(2) => Happening::Signal { number: 1 + random.below(SIGNALS.len() - 1) },
        44..47 => Happening::Serve { most },
        _ => {
            // A whole script takes less time than any limit for a client.
            let time = Duration::from_micros([0, 500, 4000, 20_000][random.below(4)]);
            let how = match random.below(12) {
                0 => Sleep::Twice,
                1 => Sleep::Withheld,
                2 => Sleep::Interrupted,
                3 => Sleep::Late(Duration::from_millis(random.below(40) as u64)),
                4 | 5 => Sleep::Reversed,
                _ => Sleep::Normal,
            };
            Happening::Sleep { time, how }
        }
    }
}

/// A fault that the simulation must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    // Of the loop and its selector.
    LosesReadable,
    LosesWritable,
    LosesWakeUps,
    LosesArrivals,
    ForgetsDeadlines,
    ForgetsNextAgain,
    NeverWaits,
    IgnoresStop,
    LosesSignals,
    EndsLameDuck,
    // Of a session and its transport.
    LosesSentByte,
    DoublesBytes,
    CrossesConnections,
    LosesReceivedByte,
    HidesTheEnd,
    // Of TLS.
    ForgetsToFlush,
    HidesPlaintext,
    ForgetsNextTurn,
    EndsUnannounced,
    ForgetsSessions,
    // Of the client of handlers, and its connections.
    ReusesClosed,
    ForgetsFetchTimeout,
    TakesShortBody,
    LosesUpstreamEvents,
    // Of services, handlers, files, the reload and the log.
    ServesOldFile,
    TearsFile,
    LosesPart,
    SleepsTooShort,
    TimesOutEarly,
    ForgetsReload,
    LosesLogLine,
    DoublesLogLine,
}
