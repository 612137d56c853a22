//! `Places`: the connections of a pool, idle and in use, and the requests that wait for one.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::link::Link;
use super::{ClientStream, Error, PoolConnector};

/// The server of a connection. Connections of different keys are never exchanged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    pub(super) is_secure: bool,
    /// In lower case.
    pub(super) host: String,
    pub(super) port: u16,
}

/// The connections of a pool.
pub(super) struct Places<C: PoolConnector> {
    hosts: Mutex<Hosts<C::Stream>>,
    queue: C::Queue,
}

type Hosts<S> = HashMap<PoolKey, HostPlaces<S>>;

/// The connections of one server.
#[derive(Debug)]
struct HostPlaces<S: ClientStream> {
    /// The one that was used last is at the end.
    idle: Vec<IdleLink<S>>,
    in_use: usize,
    /// The tickets of the requests that wait, in their order.
    waiting: VecDeque<u64>,
    next_ticket: u64,
}

#[derive(Debug)]
struct IdleLink<S: ClientStream> {
    link: Link<S>,
    since: Instant,
}

impl<S: ClientStream> Default for HostPlaces<S> {
    fn default() -> Self {
        HostPlaces { idle: Vec::new(), in_use: 0, waiting: VecDeque::new(), next_ticket: 0 }
    }
}

impl<C: PoolConnector> Default for Places<C> {
    fn default() -> Self {
        Places { hosts: Mutex::default(), queue: C::Queue::default() }
    }
}

impl<S: ClientStream> HostPlaces<S> {
    fn close_idle(&mut self, now: Instant, timeout: Duration) {
        self.idle.retain(|idle| now.saturating_duration_since(idle.since) <= timeout);
    }

    fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.in_use == 0 && self.waiting.is_empty()
    }
}

impl<C: PoolConnector> Places<C> {
    /// Takes one of the `most` places of a server. Waits for one, after the requests that wait already.
    pub(super) fn enter(&self, connector: &C, key: &PoolKey, most: usize, until: Option<Instant>) -> Result<(), Error> {
        let mut ticket = None;
        loop {
            // The number is read first: a place that is given back after this changes it.
            let seen = C::number(&self.queue);
            if self.try_enter(key, most, &mut ticket) {
                return Ok(());
            }
            let Err(error) = connector.wait_for_change(&self.queue, seen, until) else { continue };
            self.give_up(key, ticket);
            return Err(match error.kind() {
                io::ErrorKind::TimedOut => Error::PoolFull,
                _ => Error::from(error),
            });
        }
    }

    /// Takes a place if one is free and no other request came before. Otherwise `ticket` is the place in the queue.
    fn try_enter(&self, key: &PoolKey, most: usize, ticket: &mut Option<u64>) -> bool {
        let mut hosts = self.lock();
        let host = hosts.entry(key.clone()).or_default();
        let is_first = host.waiting.front().copied() == *ticket;
        if host.in_use < most && is_first {
            host.in_use += 1;
            host.waiting.pop_front();
            return true;
        }
        if ticket.is_none() {
            *ticket = Some(host.next_ticket);
            host.waiting.push_back(host.next_ticket);
            host.next_ticket += 1;
        }
        false
    }

    fn give_up(&self, key: &PoolKey, ticket: Option<u64>) {
        if let Some(host) = self.lock().get_mut(key) {
            host.waiting.retain(|other| Some(*other) != ticket);
        }
        // The next in the queue may be the first now.
        C::notify(&self.queue);
    }

    /// Gives a place back.
    pub(super) fn leave(&self, key: &PoolKey) {
        let mut hosts = self.lock();
        if let Some(host) = hosts.get_mut(key) {
            host.in_use -= 1;
            if host.is_empty() {
                hosts.remove(key);
            }
        }
        drop(hosts);
        C::notify(&self.queue);
    }

    /// The connection of this server that was used last, of those that can take another request.
    pub(super) fn idle_link(&self, key: &PoolKey, now: Instant, timeout: Duration) -> Option<Link<C::Stream>> {
        loop {
            let idle = {
                let mut hosts = self.lock();
                let host = hosts.get_mut(key)?;
                host.close_idle(now, timeout);
                host.idle.pop()?
            };
            let mut link = idle.link;
            if link.is_usable() {
                return Some(link);
            }
        }
    }

    /// Keeps a connection. If there are more than `most` then, the one that is idle longest is closed.
    pub(super) fn keep(&self, key: &PoolKey, link: Link<C::Stream>, now: Instant, most: usize) {
        let mut hosts = self.lock();
        hosts.entry(key.clone()).or_default().idle.push(IdleLink { link, since: now });
        if hosts.values().map(|host| host.idle.len()).sum::<usize>() > most {
            // The longest idle of each server is its first.
            let oldest = hosts.values_mut().filter(|host| !host.idle.is_empty()).min_by_key(|host| host.idle[0].since);
            let closed = oldest.map(|host| host.idle.remove(0));
            drop(hosts);
            drop(closed);
        }
    }

    /// Closes the connections that have been idle for longer than `timeout`.
    pub(super) fn close_idle(&self, now: Instant, timeout: Duration) {
        let mut hosts = self.lock();
        hosts.values_mut().for_each(|host| host.close_idle(now, timeout));
        hosts.retain(|_, host| !host.is_empty());
    }

    fn lock(&self) -> MutexGuard<'_, Hosts<C::Stream>> {
        // No code of a caller runs under the lock, so a poisoned mutex has valid data. No wait happens under it either.
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
