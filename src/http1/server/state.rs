//! The two state machines of a server's connection: their states and the tables of allowed transitions. `server.rs`
//! decides when to make a transition.

use crate::http1::head::HeadProgress;
use crate::http1::{Decoder, Encoder};

/// The part of the request that the client has not sent yet. Each state is named after the input that it waits for.
#[derive(Debug, Default)]
pub enum ReceiveState {
    /// The machine waits for the first byte of a request.
    #[default]
    Idle,
    /// The machine waits for the rest of a head.
    Head(HeadProgress),
    /// The machine waits for the rest of a body.
    Body(Decoder),
    /// The request is complete. The machine waits for the end of its response.
    Done,
    /// No further byte is parsed as a request.
    Closed,
}

/// The part of the response that the server has not sent yet. Each state is named after the event that it waits for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum SendState {
    /// The machine waits for a request.
    #[default]
    Idle,
    /// The machine waits for the head of the response.
    Due,
    /// The machine waits for the rest of the response's body.
    Body(Encoder),
    /// The response is complete. The machine waits for the end of its request.
    Done,
    /// No further response may be sent.
    Closed,
}

/// A transition of one of the two state machines: the old state, the event, and the new state.
type Transition = (&'static str, &'static str, &'static str);

const RECEIVE_TRANSITIONS: &[Transition] = &[
    ("Idle", "first byte", "Head"),
    ("Head", "head complete, body follows", "Body"),
    ("Head", "head complete, no body", "Done"),
    ("Body", "body complete", "Done"),
    ("Done", "response complete too", "Idle"),
    ("Idle", "end of input or stop", "Closed"),
    ("Head", "end of input or rejection", "Closed"),
    ("Body", "end of input or rejection", "Closed"),
    ("Done", "response complete, connection ends", "Closed"),
];

const SEND_TRANSITIONS: &[Transition] = &[
    ("Idle", "request head complete, or rejection", "Due"),
    ("Due", "response with a body to send", "Body"),
    ("Due", "response without a body to send", "Done"),
    ("Body", "body complete", "Done"),
    ("Done", "request complete too", "Idle"),
    ("Done", "connection ends", "Closed"),
    ("Idle", "end of input or stop", "Closed"),
];

impl ReceiveState {
    /// Every transition: the old state, the event, and the new state. The diagram in `docs/state-machines.md` is drawn
    /// from this table.
    pub const TRANSITIONS: &[(&str, &str, &str)] = RECEIVE_TRANSITIONS;

    /// Makes a transition, which must be in the table.
    pub(super) fn enter(&mut self, next: ReceiveState) {
        // In a debug build, an unlisted transition panics, so that a test that makes one fails.
        debug_assert!(is_known(RECEIVE_TRANSITIONS, self.name(), next.name()), "{} -> {}", self.name(), next.name());
        *self = next;
    }

    /// The name of the state in the transition table.
    pub(super) fn name(&self) -> &'static str {
        match self {
            ReceiveState::Idle => "Idle",
            ReceiveState::Head(_) => "Head",
            ReceiveState::Body(_) => "Body",
            ReceiveState::Done => "Done",
            ReceiveState::Closed => "Closed",
        }
    }
}

impl SendState {
    /// Every transition: the old state, the event, and the new state. The diagram in `docs/state-machines.md` is drawn
    /// from this table.
    pub const TRANSITIONS: &[(&str, &str, &str)] = SEND_TRANSITIONS;

    /// Makes a transition, which must be in the table.
    pub(super) fn enter(&mut self, next: SendState) {
        // In a debug build, an unlisted transition panics, as for `ReceiveState`.
        debug_assert!(is_known(SEND_TRANSITIONS, self.name(), next.name()), "{} -> {}", self.name(), next.name());
        *self = next;
    }

    /// The name of the state in the transition table.
    pub(super) fn name(&self) -> &'static str {
        match self {
            SendState::Idle => "Idle",
            SendState::Due => "Due",
            SendState::Body(_) => "Body",
            SendState::Done => "Done",
            SendState::Closed => "Closed",
        }
    }
}

fn is_known(transitions: &[Transition], from: &str, to: &str) -> bool {
    transitions.iter().any(|(before, _, after)| (*before, *after) == (from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_transitions_of_the_table_are_known() {
        for table in [RECEIVE_TRANSITIONS, SEND_TRANSITIONS] {
            assert!(table.iter().all(|(before, _, after)| is_known(table, before, after)));
            assert!(!is_known(table, "Idle", "Done"));
            assert!(!is_known(table, "Closed", "Idle"));
        }
    }
}
