//! A cache for the results of slow password hashes, so that a slow hash is not computed again for every request. The
//! hashes are computed in `auth`.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The maximum number of correct credentials in the cache. The same limit applies separately to wrong credentials.
const MAX_CREDENTIALS: usize = 1024;

/// A keyed hash of credentials. Equal credentials have equal hashes. Without the key, a hash reveals nothing.
pub(super) type CredentialDigest = [u8; 32];

/// The results for recently verified credentials.
///
/// Correct and wrong credentials are limited separately, so that clients that guess passwords cannot evict correct
/// credentials.
#[derive(Debug, Default)]
pub(super) struct CredentialCache {
    right: BoundedMap<Arc<str>>,
    wrong: BoundedMap<()>,
}

/// A map from the digests of credentials to values. Once it has more than [`MAX_CREDENTIALS`] entries, the oldest entry
/// is removed.
#[derive(Debug)]
struct BoundedMap<V> {
    values: HashMap<CredentialDigest, V>,
    order: VecDeque<CredentialDigest>,
}

impl CredentialCache {
    /// Returns the result for these credentials: `Some(Some(user))` if they are correct, `Some(None)` if they are
    /// wrong, `None` if they have not been verified recently.
    pub(super) fn get(&self, digest: &CredentialDigest) -> Option<Option<Arc<str>>> {
        let right = self.right.values.get(digest).map(|user| Some(Arc::clone(user)));
        right.or_else(|| self.wrong.values.get(digest).map(|()| None))
    }

    /// Adds the result of a verification: the authenticated user, or `None` if the credentials are wrong.
    pub(super) fn insert(&mut self, digest: CredentialDigest, user: Option<Arc<str>>) {
        match user {
            Some(user) => self.right.insert(digest, user),
            None => self.wrong.insert(digest, ()),
        }
    }
}

impl<V> Default for BoundedMap<V> {
    fn default() -> Self {
        BoundedMap { values: HashMap::new(), order: VecDeque::new() }
    }
}

impl<V> BoundedMap<V> {
    fn insert(&mut self, digest: CredentialDigest, value: V) {
        // A digest that is already in the map is also in `order`, and keeps its position there.
        if self.values.insert(digest, value).is_some() {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > MAX_CREDENTIALS
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
    fn each_kind_is_bounded_and_wrong_credentials_evict_no_right_ones() {
        let mut cache = CredentialCache::default();
        cache.insert(digest(0), Some("ann".into()));
        for number in 1..=2 * MAX_CREDENTIALS {
            cache.insert(digest(number), None);
            cache.insert(digest(number), None);
        }
        assert_eq!(cache.get(&digest(0)), Some(Some("ann".into())));
        assert_eq!(cache.get(&digest(MAX_CREDENTIALS)), None);
        assert_eq!(cache.get(&digest(MAX_CREDENTIALS + 1)), Some(None));
        for number in 1..=MAX_CREDENTIALS {
            cache.insert(digest(number), Some("bob".into()));
        }
        assert_eq!(cache.get(&digest(0)), None);
        assert_eq!((cache.right.values.len(), cache.wrong.values.len()), (MAX_CREDENTIALS, MAX_CREDENTIALS));
        assert_eq!((cache.right.order.len(), cache.wrong.order.len()), (MAX_CREDENTIALS, MAX_CREDENTIALS));
    }
}
