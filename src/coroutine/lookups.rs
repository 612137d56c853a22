//! `NameLookups`: the host names that worker threads are resolving. Each name is resolved only once for all handlers
//! that wait for it.
//!
//! There is no cache of results here, because the system's resolver may have one.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::shared::Shared;
use super::workers::WorkerPool;

/// The result of one lookup, shared by all handlers that wait for it. It is `None` until the lookup has ended. The
/// addresses have port 0.
pub(super) type Lookup = Shared<Option<Result<Vec<SocketAddr>, Arc<io::Error>>>>;

/// The lookups that are still running, by name.
#[derive(Clone)]
pub(crate) struct NameLookups {
    running: Arc<Mutex<HashMap<String, Lookup>>>,
    resolve: fn(&str) -> io::Result<Vec<SocketAddr>>,
}

impl NameLookups {
    pub(super) fn new() -> NameLookups {
        NameLookups::with_resolver(|host| (host, 0).to_socket_addrs().map(Iterator::collect))
    }

    fn with_resolver(resolve: fn(&str) -> io::Result<Vec<SocketAddr>>) -> NameLookups {
        NameLookups { running: Arc::default(), resolve }
    }

    /// Starts the lookup of a name on a worker thread, or joins a running lookup of the same name. A lookup cannot be
    /// interrupted, so it continues even if no handler waits for it, and the next handler that needs the name joins it.
    pub(super) fn start(&self, host: &str, workers: &WorkerPool) -> Lookup {
        let mut running = self.lock();
        if let Some(lookup) = running.get(host) {
            return lookup.clone();
        }
        let lookup = Lookup::default();
        running.insert(host.to_owned(), lookup.clone());
        // The lock is released first, because the job also takes it, and the pool runs the job on this thread if it
        // cannot start a thread.
        drop(running);
        let (this, host, result) = (self.clone(), host.to_owned(), lookup.clone());
        workers.run(Box::new(move || {
            let addresses = (this.resolve)(&host).map_err(Arc::new);
            // The lookup is removed before its result is set, because a handler that begins to wait after that needs a
            // new lookup.
            this.lock().remove(&host);
            result.with(|result| *result = Some(addresses));
        }));
        lookup
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Lookup>> {
        // No caller's code runs while the lock is held, so the data of a poisoned mutex is still valid.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for NameLookups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NameLookups")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};
    use std::time::Duration;

    use super::*;
    use crate::session::Waker;

    static CALLS: AtomicUsize = AtomicUsize::new(0);
    static GATE: Barrier = Barrier::new(2);

    /// A resolver that waits until the test opens the gate. For the name `quick`, it fails without waiting.
    fn slow(host: &str) -> io::Result<Vec<SocketAddr>> {
        if host == "quick" {
            return Err(io::ErrorKind::NotFound.into());
        }
        let call = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        GATE.wait();
        Ok(vec![SocketAddr::from(([127, 0, 0, call as u8], 0))])
    }

    /// The last octet of the address that the lookup has found; `None` if it found no address.
    fn result(lookup: &Lookup) -> Option<u8> {
        let wait = lookup.begin_wait();
        let (wakes, woken) = mpsc::channel();
        let waker = Waker::new(move || _ = wakes.send(()));
        wait.notice().set_waker(&waker);
        loop {
            if let Some(result) = wait.look(&mut |result| result.clone()) {
                return result.ok().map(|addresses| addresses[0].ip().to_string().as_bytes()[8] - b'0');
            }
            woken.recv_timeout(Duration::from_secs(30)).expect("the lookup ends");
        }
    }

    #[test]
    fn a_name_that_is_being_resolved_is_resolved_once_for_all() {
        let (workers, lookups) = (WorkerPool::new(4), NameLookups::with_resolver(slow));
        let [first, second] = ["name"; 2].map(|name| lookups.start(name, &workers));
        assert_eq!(result(&lookups.start("quick", &workers)), None, "another name does not wait");
        GATE.wait();
        assert_eq!((result(&first), result(&second), result(&first)), (Some(1), Some(1), Some(1)));
        let third = lookups.start("name", &workers);
        GATE.wait();
        assert_eq!(result(&third), Some(2), "a result is not kept for later");
    }
}
