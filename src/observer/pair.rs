//! A pair of observers that observe the same loop or connection.

use std::io;
use std::time::Duration;

use super::{Awakening, ConnectionObserver, LoopObserver, LoopState, ObservedWait, TransitionObserver};
use crate::session::{CloseReason, Next, Ready};

/// Implements methods that pass each call on to the first observer and, if there is a second observer, to that one too.
macro_rules! pass_on {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method(&mut self, $($argument: $type),*) {
            self.0.$method($($argument),*);
            if let Some(second) = &mut self.1 {
                second.$method($($argument),*);
            }
        })*
    };
}

impl<A: LoopObserver, B: LoopObserver> LoopObserver for (A, Option<B>) {
    pass_on! {
        turn_begins(timeout: Option<Duration>);
        event(key: usize, ready: Ready);
        wake_up(key: usize);
        deadline(key: usize);
        stops(at_once: bool, signal: Option<i32>);
        reloads(signal: i32);
        accepting_begins(acceptor: usize, is_ready: bool);
        accepted(key: usize);
        refused();
        rests(time: Duration, error: &io::Error);
        accepting_ends();
        step_begins(key: usize);
        registered(key: usize, slot: u8);
        step_ends(key: usize, next: Next);
        evicted(key: usize, reason: CloseReason);
        reaping_begins(keys: &[usize]);
        reaping_ends();
        hooks_begin();
        hooks_end();
        run_ends();
    }

    fn woken(&mut self, tell: impl Fn() -> Awakening) {
        self.0.woken(&tell);
        if let Some(second) = &mut self.1 {
            second.woken(tell);
        }
    }

    fn turn_ends(&mut self, tell: impl Fn() -> LoopState) {
        self.0.turn_ends(&tell);
        if let Some(second) = &mut self.1 {
            second.turn_ends(tell);
        }
    }
}

impl<A: TransitionObserver, B: TransitionObserver> TransitionObserver for (A, Option<B>) {
    pass_on! {
        response(status: u16, length: Option<u64>);
        receive_transition(from: &'static str, to: &'static str);
        send_transition(from: &'static str, to: &'static str);
    }

    fn request<'r>(&mut self, line: impl Fn() -> &'r [u8]) {
        self.0.request(&line);
        if let Some(second) = &mut self.1 {
            second.request(line);
        }
    }
}

impl<A: ConnectionObserver, B: ConnectionObserver> ConnectionObserver for (A, Option<B>) {
    pass_on! {
        read(bytes: usize, room: usize, is_all: bool);
        read_blocked();
        end_of_input();
        sent(wanted: usize, more: bool, result: &io::Result<usize>);
        sent_file(wanted: u64, offset: u64, result: &io::Result<u64>);
        flushed(result: &io::Result<()>);
        all_sent(is_in_exchange: bool);
        shut_down();
        budget_used_up(rounds: usize, sent: u64);
        upstream_begins();
        upstream_resumed();
        deadline_fired();
        buffers(bytes: usize);
    }

    fn waits(&mut self, tell: impl Fn() -> ObservedWait) {
        self.0.waits(&tell);
        if let Some(second) = &mut self.1 {
            second.waits(tell);
        }
    }
}
