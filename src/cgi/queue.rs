//! The queue of requests that wait until another script may start.
//!
//! The limit on running scripts is enforced in `reaper`.

use std::collections::VecDeque;

use crate::service::Waker;

/// The waiting requests, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct StartQueue {
    requests: VecDeque<(QueueTicket, Waker)>,
    next_ticket: u64,
}

/// Identifies a request in the queue. A ticket is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueTicket(u64);

impl StartQueue {
    /// True if no other request is ahead of the one with this ticket. A request without a ticket is not in the queue,
    /// so it is next only if the queue is empty.
    pub(super) fn is_next(&self, ticket: Option<QueueTicket>) -> bool {
        self.requests.front().is_none_or(|(first, _)| Some(*first) == ticket)
    }

    /// Appends a request and returns its ticket. `wake` wakes the connection of the request.
    pub(super) fn join(&mut self, wake: Waker) -> QueueTicket {
        let ticket = QueueTicket(self.next_ticket);
        self.next_ticket += 1;
        self.requests.push_back((ticket, wake));
        ticket
    }

    pub(super) fn leave(&mut self, ticket: QueueTicket) {
        self.requests.retain(|(other, _)| *other != ticket);
    }

    /// Wakes the first request without removing it from the queue.
    pub(super) fn wake_first(&self) {
        if let Some((_, wake)) = self.requests.front() {
            wake.wake();
        }
    }
}
