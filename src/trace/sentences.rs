//! The sentences that explain a connection: one for each transition, each wait and each event. `explain.rs` writes
//! them.

/// A transition of a state machine: the old state, the new state, the reason as shown in the trace, and the sentence.
pub(super) type Explained = (&'static str, &'static str, &'static str, &'static str);

/// The transitions of the request state machine, with their sentences.
pub(super) const RECEIVE: &[Explained] = &[
    (
        "Idle",
        "Head",
        "first byte",
        "The first byte of a request has arrived; the connection waits for the rest of the head.",
    ),
    ("Head", "Body", "head complete, body follows", "The head is complete, and a body follows."),
    ("Head", "Done", "head complete, no body", "The request is complete."),
    ("Body", "Done", "body complete", "The body is complete."),
    (
        "Done",
        "Idle",
        "response complete too",
        "The response is complete too, so the connection waits for the next request.",
    ),
    (
        "Idle",
        "Closed",
        "end of input or stop",
        "No further request will be read: the client has closed its side, or the server is stopping.",
    ),
    ("Head", "Closed", "end of input or rejection", "The head will not be completed."),
    ("Body", "Closed", "end of input or rejection", "The body will not be completed."),
    ("Done", "Closed", "response complete, connection ends", "That was the last request of this connection."),
];

/// The transitions of the response state machine, with their sentences.
pub(super) const SEND: &[Explained] = &[
    ("Idle", "Due", "request head complete, or rejection", "A response is due."),
    (
        "Due",
        "Body",
        "response with a body to send",
        "The head of the response has been produced, and the body follows.",
    ),
    ("Due", "Done", "response without a body to send", "The response is complete, because it has no body to send."),
    ("Body", "Done", "body complete", "The body of the response is complete."),
    (
        "Done",
        "Idle",
        "request complete too",
        "The request is complete too, so the next response will follow the next request.",
    ),
    ("Done", "Closed", "connection ends", "That was the last response of this connection."),
    ("Idle", "Closed", "end of input or stop", "No response will follow."),
];

/// The kinds of waits, with their sentences. `%s` is replaced with the deadline of the wait.
pub(super) const WAITS: &[(&str, &str)] = &[
    ("First", "The client has until %s to send the first byte."),
    ("Idle", "All requests have their responses; the client has until %s to begin another request."),
    ("Head", "The head is not complete; the client has until %s to send the rest."),
    ("Body", "The body is not complete; the client has until %s to send more of it."),
    ("Write", "The socket accepts no more bytes now; the client has until %s to read some."),
    ("Upstream", "The handler is working on the response; it has until %s."),
    ("Source", "The next part of the body is not available yet; there is no deadline for it."),
    ("Linger", "The server has shut down its side; the client has until %s to close its own."),
];

/// The events of a connection, with their sentences. Each `%d` is replaced with one of the event's numbers, in order.
pub(super) const EVENTS: &[(&str, &str)] = &[
    ("accept", "The connection has been accepted; it runs in this turn, before it is registered with the poll."),
    ("read", "The buffer had room for %d bytes, and %d were read."),
    ("end of input", "The client has closed its side, and all the bytes that it sent have been read."),
    ("write", "All %d bytes were written."),
    ("sendfile", "The kernel accepted all %d bytes of this part of the file."),
    ("short write", "Of %d bytes, the socket accepted only %d."),
    ("WouldBlock read", "There was nothing to read; the poll will report when bytes arrive."),
    ("WouldBlock write", "The socket had no room for any byte; the poll will report when it has."),
    ("WouldBlock sendfile", "The socket had no room for any byte of the file; the poll will report when it has."),
    ("register", "The connection has to wait for the first time, so it is registered with the poll."),
    ("deadline set", "The loop will run the connection at %s even if no event occurs."),
    ("deadline fired", "The deadline has passed."),
    (
        "budget used up",
        "The connection has used its share of this turn, after %d rounds and %d bytes, so other connections run first.",
    ),
    ("upstream", "A handler or a script begins to work on the response."),
    ("resumed", "The handler or script can continue."),
    ("shutdown", "The sending side is shut down, which tells the client that no more bytes follow."),
    ("close", "The connection is closed."),
];

/// Finds the row of a table for a transition. Returns `None` if the table does not contain the transition.
pub(super) fn transition(table: &'static [Explained], from: &str, to: &str) -> Option<&'static Explained> {
    table.iter().find(|(before, after, ..)| (*before, *after) == (from, to))
}

/// Finds the sentence for the wait or event with this name. Returns `None` if the table does not contain the name.
pub(super) fn sentence(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(other, _)| *other == name).map(|(_, sentence)| *sentence)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http1::{ReceiveState, SendState};

    #[test]
    fn every_transition_of_the_machines_has_a_sentence_and_no_other_has() {
        for (table, transitions) in [(RECEIVE, ReceiveState::TRANSITIONS), (SEND, SendState::TRANSITIONS)] {
            let explained: BTreeSet<_> = table.iter().map(|(from, to, ..)| (*from, *to)).collect();
            let known: BTreeSet<_> = transitions.iter().map(|(from, _, to)| (*from, *to)).collect();
            assert_eq!(explained, known);
            assert_eq!(table.len(), known.len(), "each is explained once");
        }
    }

    #[test]
    fn every_sentence_ends_in_its_only_full_stop() {
        let transitions = RECEIVE.iter().chain(SEND).map(|(.., sentence)| *sentence);
        for sentence in transitions.chain(WAITS.iter().chain(EVENTS).map(|(_, sentence)| *sentence)) {
            assert_eq!(sentence.find('.'), Some(sentence.len() - 1), "{sentence}");
            assert!(sentence.chars().next().unwrap().is_uppercase(), "{sentence}");
        }
    }
}
