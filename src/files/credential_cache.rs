//! Which credentials were found right or wrong lately, so that a keep-alive client pays for a slow hash once.
//!
//! Both are bounded, each by itself: clients that guess must not push out those that know their password.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::auth::CredentialDigest;

/// How many are remembered that were right, and how many that were wrong.
const MOST: usize = 1024;

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct CredentialCache {
    right: BoundedMap<Arc<str>>,
    wrong: BoundedMap<()>,
}

/// Values by their seals, the oldest of which goes when there are too many.
#[derive(Debug)]
struct BoundedMap<V> {
    values: HashMap<CredentialDigest, V>,
    order: VecDeque<CredentialDigest>,
}

impl CredentialCache {
    /// The user of these credentials, `None` within if they were wrong; `None` if they are not remembered.
    pub(super) fn get(&self, digest: &CredentialDigest) -> Option<Option<Arc<str>>> {
        let right = self.right.values.get(digest).map(|user| Some(Arc::clone(user)));
        right.or_else(|| self.wrong.values.get(digest).map(|()| None))
    }

    pub(super) fn note(&mut self, digest: CredentialDigest, user: Option<Arc<str>>) {
        match user {
            Some(user) => self.right.note(digest, user),
            None => self.wrong.note(digest, ()),
        }
    }
}

impl<V> Default for BoundedMap<V> {
    fn default() -> Self {
        BoundedMap { values: HashMap::new(), order: VecDeque::new() }
    }
}

impl<V> BoundedMap<V> {
    fn note(&mut self, digest: CredentialDigest, value: V) {
        if self.values.insert(digest, value).is_some() {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> CredentialDigest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_ne_bytes());
        digest
    }

    #[test]
    fn so_many_are_remembered_and_the_wrong_ones_push_out_no_right_one() {
        let mut cache = CredentialCache::default();
        cache.note(digest(0), Some("ann".into()));
        for number in 1..=2 * MOST {
            cache.note(digest(number), None);
            cache.note(digest(number), None);
        }
        assert_eq!(cache.get(&digest(0)), Some(Some("ann".into())));
        assert_eq!(cache.get(&digest(MOST)), None);
        assert_eq!(cache.get(&digest(MOST + 1)), Some(None));
        for number in 1..=MOST {
            cache.note(digest(number), Some("bob".into()));
        }
        assert_eq!(cache.get(&digest(0)), None);
        assert_eq!((cache.right.values.len(), cache.wrong.values.len()), (MOST, MOST));
        assert_eq!((cache.right.order.len(), cache.wrong.order.len()), (MOST, MOST));
    }
}
