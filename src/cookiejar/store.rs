//! The cookies of a jar by domain: their order, and the limits on their number. The rules for keeping and sending
//! cookies are in `rfc6265` and `python`.

use std::collections::HashMap;

use super::Cookie;

/// Cookies in the order in which their domains were first seen. Within a domain, the cookies are grouped by path.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    domains: HashMap<String, Domain>,
    /// A counter that is incremented for every added cookie and every request. It orders additions and uses of cookies
    /// more precisely than the times of the jar, which are whole seconds.
    ticks: u64,
    /// The number of cookies in all domains.
    len: usize,
}

/// The cookies of one domain. Never empty.
#[derive(Debug, Clone)]
struct Domain {
    first_seen: u64,
    cookies: Vec<Stored>,
}

/// A cookie, and the values of [`Store::ticks`] at which it was added and last used.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) cookie: Cookie,
    /// The value of `ticks` at which the first cookie with this domain, path and name was added.
    pub(super) created: u64,
    /// The value of `ticks` at which the cookie was added, replaced or last sent, whichever was latest.
    used: u64,
}

impl Store {
    /// Adds a cookie, or replaces the cookie with the same domain, path and name. The new cookie inherits the position
    /// and the age of the replaced one.
    pub(super) fn insert(&mut self, cookie: Cookie) {
        self.ticks += 1;
        let now = self.ticks;
        let new = || Domain { first_seen: now, cookies: Vec::new() };
        let cookies = &mut self.domains.entry(cookie.domain.clone()).or_insert_with(new).cookies;
        if let Some(old) = cookies.iter_mut().find(|old| old.cookie.replaces(&cookie)) {
            (old.cookie, old.used) = (cookie, now);
            return;
        }
        let after_path = cookies.iter().rposition(|stored| stored.cookie.path == cookie.path);
        let place = after_path.map_or(cookies.len(), |at| at + 1);
        self.len += 1;
        cookies.insert(place, Stored { cookie, created: now, used: now });
    }

    /// All cookies, in the order that [`Store`] defines.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Stored> {
        let mut domains: Vec<&Domain> = self.domains.values().collect();
        domains.sort_unstable_by_key(|domain| domain.first_seen);
        domains.into_iter().flat_map(|domain| &domain.cookies)
    }

    /// All cookies, in no particular order.
    pub(super) fn unordered(&self) -> impl Iterator<Item = &Stored> {
        self.domains.values().flat_map(|domain| &domain.cookies)
    }

    /// Keeps the cookies for which `keep` returns true.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Cookie) -> bool) {
        self.domains.retain(|_, domain| {
            domain.cookies.retain(|stored| keep(&stored.cookie));
            !domain.cookies.is_empty()
        });
        self.len = self.domains.values().map(|domain| domain.cookies.len()).sum();
    }

    /// Removes the cookie with this domain, path and name, and returns it.
    pub(super) fn remove(&mut self, domain: &str, path: &str, name: &str) -> Option<Cookie> {
        let cookies = &mut self.domains.get_mut(domain)?.cookies;
        let is_it = |stored: &Stored| stored.cookie.path == path && stored.cookie.name == name;
        let removed = cookies.remove(cookies.iter().position(is_it)?);
        if cookies.is_empty() {
            self.domains.remove(domain);
        }
        self.len -= 1;
        Some(removed.cookie)
    }

    /// The number of cookies.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Those cookies of the domains in `keys` for which `wanted` returns true, in the order of [`iter`](Self::iter).
    pub(super) fn select(&self, keys: &[String], wanted: impl Fn(&Cookie) -> bool) -> Vec<&Stored> {
        let mut domains: Vec<&Domain> = keys.iter().filter_map(|key| self.domains.get(key)).collect();
        domains.sort_unstable_by_key(|domain| domain.first_seen);
        let cookies = domains.into_iter().flat_map(|domain| &domain.cookies);
        cookies.filter(|stored| wanted(&stored.cookie)).collect()
    }

    /// Marks as used those cookies of the domains in `keys` for which `wanted` returns true.
    pub(super) fn mark_used(&mut self, keys: &[String], wanted: impl Fn(&Cookie) -> bool) {
        self.ticks += 1;
        for key in keys {
            let cookies = self.domains.get_mut(key).into_iter().flat_map(|domain| &mut domain.cookies);
            cookies.filter(|stored| wanted(&stored.cookie)).for_each(|stored| stored.used = self.ticks);
        }
    }

    /// True if the jar has more than `most` cookies, or more than `most_of_domain` cookies whose domain is `bare` or
    /// `bare` with a leading dot.
    pub(super) fn exceeds(&self, bare: &str, most_of_domain: usize, most: usize) -> bool {
        let count = |key: &str| self.domains.get(key).map_or(0, |domain| domain.cookies.len());
        self.len > most || count(bare) + count(&format!(".{bare}")) > most_of_domain
    }

    /// Removes cookies until neither limit is exceeded (RFC 6265bis section 5.7). The least recently used cookies are
    /// removed first. If the limit of the domain is exceeded, cookies without `Secure` are removed before those with
    /// it.
    pub(super) fn evict(&mut self, bare: &str, most_of_domain: usize, most: usize) {
        let keys = [bare.to_owned(), format!(".{bare}")];
        while self.exceeds(bare, most_of_domain, usize::MAX) {
            let cookies = self.select(&keys, |_| true).into_iter();
            self.remove_first_by(cookies.min_by_key(|stored| (stored.cookie.secure, stored.used)).cloned());
        }
        while self.len > most {
            self.remove_first_by(self.unordered().min_by_key(|stored| stored.used).cloned());
        }
    }

    fn remove_first_by(&mut self, stored: Option<Stored>) {
        if let Some(Stored { cookie, .. }) = stored {
            self.remove(&cookie.domain, &cookie.path, &cookie.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(domain: &str, path: &str, name: &str) -> Cookie {
        Cookie { path: path.to_owned(), ..Cookie::new(name, "1", domain) }
    }

    fn names(store: &Store) -> String {
        store.iter().map(|stored| stored.cookie.name.as_str()).collect()
    }

    #[test]
    fn cookies_are_ordered_by_domain_then_path() {
        let mut store = Store::default();
        for (domain, path, name) in
            [("b", "/", "1"), ("a", "/", "4"), ("b", "/x", "3"), ("b", "/", "2"), ("a", "/", "5")]
        {
            store.insert(cookie(domain, path, name));
        }
        assert_eq!((names(&store).as_str(), store.len()), ("12345", 5));
        store.insert(Cookie { secure: true, ..cookie("b", "/", "1") });
        assert_eq!((names(&store).as_str(), store.len()), ("12345", 5), "a new value keeps its place");
    }

    #[test]
    fn a_domain_without_cookies_is_forgotten() {
        let mut store = Store::default();
        store.insert(cookie("a", "/", "1"));
        assert!(store.remove("a", "/", "2").is_none() && store.remove("b", "/", "1").is_none());
        assert!(store.remove("a", "/", "1").is_some());
        store.insert(cookie("a", "/", "1"));
        store.retain(|_| false);
        assert!(store.domains.is_empty());
    }

    #[test]
    fn the_cookie_that_was_used_longest_ago_is_evicted() {
        let mut store = Store::default();
        for name in ["1", "2", "3"] {
            store.insert(cookie("a", "/", name));
        }
        store.insert(cookie(".a", "/", "4"));
        store.mark_used(&["a".to_owned()], |cookie| cookie.name == "1");
        store.evict("a", 3, usize::MAX);
        assert_eq!(names(&store), "134", "with and without a dot it is one domain");
        store.insert(cookie("b", "/", "5"));
        store.evict("b", 3, 3);
        assert_eq!(names(&store), "145");
    }

    #[test]
    fn cookies_with_secure_are_evicted_last() {
        let mut store = Store::default();
        store.insert(Cookie { secure: true, ..cookie("a", "/", "1") });
        store.insert(cookie("a", "/", "2"));
        store.evict("a", 1, usize::MAX);
        assert_eq!(names(&store), "1");
    }
}
