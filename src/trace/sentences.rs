//! The sentences that explain a connection: one for each transition, each wait and each event. `explain.rs` writes
//! them.

/// A transition of a state machine: the old state, the new state, the reason as shown in the trace, and the sentence.
pub(super) type Explained = (&'static str, &'static str, &'static str, &'static str);

/// The transitions of the request state machine, with their sentences.
pub(super) const RECEIVE: &[Explained] = &[
    ("Idle", "Head", "a byte comes", "The first byte of a request is here; the rest of its head is waited for."),
    ("Head", "Body", "head complete, body follows", "The head is complete, and a body follows."),
    ("Head", "Done", "head complete, no body", "The request is complete."),
    ("Body", "Done", "body complete", "The body is complete."),
    ("Done", "Idle", "response complete too", "The response is out, too: the connection waits for the next request."),
    ("Idle", "Closed", "end of input or stop", "Nothing more will come: the client closed, or the server ends."),
    ("Head", "Closed", "end of input or reject", "The head will not be completed."),
    ("Body", "Closed", "end of input or reject", "The body will not be completed."),
    ("Done", "Closed", "response complete, no more wanted", "That was the last request of this connection."),
];

/// The transitions of the response state machine, with their sentences.
pub(super) const SEND: &[Explained] = &[
    ("Idle", "Due", "head complete, or reject", "A response is due."),
    ("Due", "Body", "response with a body to send", "The head of the response is written, and its body follows."),
    ("Due", "Done", "response without one", "The response is complete: it has no body to send."),
    ("Body", "Done", "body complete", "The body of the response is complete."),
    ("Done", "Idle", "request complete too", "The request is complete, too: the next response waits for its request."),
    ("Done", "Closed", "no more wanted", "That was the last response of this connection."),
    ("Idle", "Closed", "end of input or stop", "No response will follow."),
];

/// The kinds of waits, with their sentences. `%s` is replaced with the deadline of the wait.
pub(super) const WAITS: &[(&str, &str)] = &[
    ("First", "The client has until %s to send the first byte."),
    ("Idle", "All is answered; the client has until %s to begin another request."),
    ("Head", "The head is not complete; the client has until %s to send the rest."),
    ("Body", "More of the body is wanted; the client has until %s to send some."),
    ("Write", "The client takes no more now; it has until %s to take some."),
    ("Upstream", "The handler works on the response; it has until %s."),
    ("Source", "The handler has no more of the body yet; there is no deadline for it."),
    ("Linger", "Our side is shut; the client has until %s to close its own."),
];

/// The events of a connection, with their sentences. Each `%d` is replaced with one of the event's numbers, in order.
pub(super) const EVENTS: &[(&str, &str)] = &[
    ("accept", "The connection is accepted; it runs in this turn, before it is registered with the poll."),
    ("read", "Of a room of %d bytes %d were read."),
    ("end of input", "The client has closed its side; all that it sent has been read."),
    ("write", "All %d bytes were written."),
    ("sendfile", "The kernel took all %d bytes of this part of the file."),
    ("short write", "Of %d bytes %d found room."),
    ("WouldBlock read", "There was nothing to read; the poll will tell."),
    ("WouldBlock write", "There was no room for a byte; the poll will tell when there is."),
    ("WouldBlock sendfile", "There was no room for a byte of the file; the poll will tell when there is."),
    ("register", "The connection has to wait, so that it is registered with the poll, once."),
    ("deadline set", "The loop runs the connection at %s even if nothing happens."),
    ("deadline fired", "The time is over."),
    ("budget used up", "It has done enough for one turn, after %d rounds and %d bytes; the others come first."),
    ("upstream", "A handler or a script begins to work on the response."),
    ("resumed", "The handler goes on where it had to wait."),
    ("shutdown", "The sending side is shut: the client is told that nothing more comes."),
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
