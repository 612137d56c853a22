//! `Places`: the idle connections of a pool, the number of connections in use, and the queue of requests that wait for
//! a place. A place is the right to use one connection to a server.

use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::link::Link;
use super::settings::ConnectionRoute;
use super::{ClientStream, Error, PoolConnector, PoolQueue};

/// Identifies a group of interchangeable connections, which have the same scheme, host, port and route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PoolKey {
    pub(super) is_secure: bool,
    /// The host name in lower case.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) route: ConnectionRoute,
}

impl Hash for PoolKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Keys with equal hosts and ports rarely differ in the other fields, which would take longer to hash.
        self.host.hash(state);
        state.write_u16(self.port);
    }
}

/// The connections of a pool, by server. `P` is the stream type of an idle connection.
pub(crate) struct Places<P: ClientStream, Q> {
    hosts: Mutex<Hosts<P>>,
    queue: Q,
}

type Hosts<P> = HashMap<PoolKey, HostPlaces<P>>;

/// The connections to one server.
#[derive(Debug)]
struct HostPlaces<P: ClientStream> {
    /// The idle connections, least recently used first.
    idle: Vec<IdleLink<P>>,
    in_use: usize,
    /// The tickets of the waiting requests, in order of arrival.
    waiting: VecDeque<u64>,
    next_ticket: u64,
}

#[derive(Debug)]
struct IdleLink<P: ClientStream> {
    link: Link<P>,
    since: Instant,
}

/// A connection that is returned to the pool.
pub(super) struct KeptLink<P: ClientStream> {
    pub(super) link: Link<P>,
    /// The time from which the connection is idle.
    pub(super) since: Instant,
    /// If more connections than this are then idle, the one that has been idle longest is closed.
    pub(super) max_idle: usize,
}

impl<P: ClientStream> Default for HostPlaces<P> {
    fn default() -> Self {
        HostPlaces { idle: Vec::new(), in_use: 0, waiting: VecDeque::new(), next_ticket: 0 }
    }
}

impl<P: ClientStream, Q: Default> Default for Places<P, Q> {
    fn default() -> Self {
        Places { hosts: Mutex::default(), queue: Q::default() }
    }
}

impl<P: ClientStream> HostPlaces<P> {
    fn close_idle(&mut self, now: Instant, timeout: Duration) {
        self.idle.retain(|idle| now.saturating_duration_since(idle.since) < timeout);
    }

    fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.in_use == 0 && self.waiting.is_empty()
    }
}

impl<P: ClientStream, Q: PoolQueue> Places<P, Q> {
    /// Takes one of the `most` places for connections to this server. If all of them are taken, waits in the queue with
    /// [`PoolConnector::wait_for_change`]. Fails if `most` is 0.
    pub(super) fn enter(
        &self,
        connector: &impl PoolConnector<Queue = Q>,
        key: &PoolKey,
        most: usize,
        until: Option<Instant>,
    ) -> Result<(), Error> {
        // No place can ever become free, so the wait would not end.
        if most == 0 {
            return Err(Error::PoolFull);
        }
        let mut ticket = None;
        loop {
            // The counter is read before the call to `try_enter`. If a place becomes free after that call, the counter
            // changes, which ends the wait.
            let seen = self.queue.number();
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

    /// Takes a place if one is free and no earlier request is waiting. Otherwise, adds this request to the queue and
    /// sets `ticket`, unless an earlier call has done so.
    fn try_enter(&self, key: &PoolKey, most: usize, ticket: &mut Option<u64>) -> bool {
        let mut hosts = self.lock();
        // A key is copied only for the first connection to its server.
        let host = match hosts.get_mut(key) {
            Some(host) => host,
            None => hosts.entry(key.clone()).or_default(),
        };
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
        // Another request may now be at the head of the queue.
        self.queue.notify();
    }

    /// Returns a place that was taken with [`enter`](Self::enter), with its connection if that is to be kept.
    pub(super) fn leave(&self, key: &PoolKey, kept: Option<KeptLink<P>>) {
        let mut hosts = self.lock();
        let Some(host) = hosts.get_mut(key) else { return };
        host.in_use -= 1;
        let most = kept.map(|KeptLink { link, since, max_idle }| {
            host.idle.push(IdleLink { link, since });
            max_idle
        });
        let is_empty = host.is_empty();
        let closed = most.and_then(|most| take_oldest_beyond(&mut hosts, most));
        if is_empty || closed.is_some() {
            hosts.retain(|_, host| !host.is_empty());
        }
        drop(hosts);
        // The connection is closed after the lock has been released.
        drop(closed);
        self.queue.notify();
    }

    /// Removes and returns the most recently used idle connection to this server that is still usable. Unusable ones
    /// are closed.
    pub(super) fn take_idle(&self, key: &PoolKey, now: Instant, timeout: Duration) -> Option<Link<P>> {
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

    /// Closes the connections that have been idle for `timeout`. Returns the time until the next one must be closed;
    /// `None` if none is left.
    pub(crate) fn close_idle(&self, now: Instant, timeout: Duration) -> Option<Duration> {
        let mut hosts = self.lock();
        hosts.values_mut().for_each(|host| host.close_idle(now, timeout));
        hosts.retain(|_, host| !host.is_empty());
        let oldest = hosts.values().filter_map(|host| host.idle.first()).map(|idle| idle.since).min()?;
        Some(timeout.saturating_sub(now.saturating_duration_since(oldest)))
    }

    /// Closes all idle connections.
    pub(crate) fn close_all(&self) {
        let mut hosts = self.lock();
        hosts.values_mut().for_each(|host| host.idle.clear());
        hosts.retain(|_, host| !host.is_empty());
    }

    fn lock(&self) -> MutexGuard<'_, Hosts<P>> {
        // None of the caller's code runs while the lock is held, so the data of a poisoned mutex is still valid.
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the connection that has been idle longest, if more than `most` are idle.
fn take_oldest_beyond<P: ClientStream>(hosts: &mut MutexGuard<'_, Hosts<P>>, most: usize) -> Option<IdleLink<P>> {
    if hosts.values().map(|host| host.idle.len()).sum::<usize>() <= most {
        return None;
    }
    // The first connection in each server's list has been idle longest.
    let oldest = hosts.values_mut().filter(|host| !host.idle.is_empty()).min_by_key(|host| host.idle[0].since);
    oldest.map(|host| host.idle.remove(0))
}
