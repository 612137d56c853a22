//! Basic authentication (RFC 7617): compares the credentials of a request with the accounts.
//!
//! `account` parses the text form of accounts, and `auth_offload` moves slow verifications off the loop.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac_sha256::{HMAC, Hash};

use super::account::{Account, Secret};
use super::credential_cache::{CredentialCache, CredentialDigest};
use crate::http::RequestFields;

/// Checks the credentials of requests against a set of accounts, and provides the challenge for requests without valid
/// credentials.
#[derive(Debug)]
pub(crate) struct Gate {
    /// The random key of the digests. Clients cannot predict a digest without the key, so the time taken by a
    /// comparison reveals nothing about the credentials of an account.
    key: [u8; 32],
    /// The accounts without a bcrypt hash: the keyed digest of the credentials, and the user name.
    fast: Vec<(CredentialDigest, Arc<str>)>,
    /// The accounts with a bcrypt hash: the user name, and the hash.
    slow: Vec<(Arc<str>, Box<str>)>,
    /// The results for credentials that were recently compared with a bcrypt hash.
    cache: Mutex<CredentialCache>,
    realm: String,
}

/// The user name and password from a request.
pub(super) struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
    digest: CredentialDigest,
}

impl Gate {
    pub(crate) fn new(realm: &str, accounts: &[Account]) -> Gate {
        let mut key = [0; 32];
        for part in key.chunks_mut(8) {
            // The standard library seeds `RandomState` with random numbers from the system, so no other source of
            // random numbers is needed.
            part.copy_from_slice(&RandomState::new().build_hasher().finish().to_ne_bytes());
        }
        let (mut fast, mut slow) = (Vec::new(), Vec::new());
        for account in accounts {
            let user = Arc::clone(&account.user);
            match &account.secret {
                Secret::Sha256(password) => fast.push((digest(&key, user.as_bytes(), password), user)),
                Secret::Bcrypt(hash) => slow.push((user, hash.clone())),
            }
        }
        Gate { key, fast, slow, cache: Mutex::default(), realm: realm.replace(['"', '\\'], "") }
    }

    /// Returns the user authenticated by the request's credentials, or `None` if the credentials are missing or wrong.
    /// The check takes as long for an unknown user as for a wrong password, if all bcrypt hashes have the same cost and
    /// no user has several of them. If the check requires computing a bcrypt hash and its result is not in the cache,
    /// this call blocks while the hash is computed.
    pub(crate) fn admits(&self, headers: RequestFields<'_>) -> Option<Arc<str>> {
        self.admits_credentials(&self.credentials(headers)?)
    }

    /// Like [`Gate::admits`], but for credentials that have already been extracted from a request.
    pub(super) fn admits_credentials(&self, credentials: &Credentials) -> Option<Arc<str>> {
        self.known(credentials).unwrap_or_else(|| self.verify(credentials))
    }

    /// Returns the request's credentials if [`Gate::admits`] would have to compute a bcrypt hash to check them, and
    /// otherwise `None`.
    pub(super) fn unverified(&self, headers: RequestFields<'_>) -> Option<Credentials> {
        if !self.is_slow() {
            return None;
        }
        self.credentials(headers).filter(|credentials| self.known(credentials).is_none())
    }

    /// True if at least one account has a bcrypt hash.
    pub(crate) fn is_slow(&self) -> bool {
        !self.slow.is_empty()
    }

    /// Compares credentials with the bcrypt hashes, which takes about 50 ms for cost 10, and caches the result.
    pub(super) fn verify(&self, credentials: &Credentials) -> Option<Arc<str>> {
        // The credentials may have been verified for another request while this one was waiting.
        if let Some(verdict) = self.known(credentials) {
            return verdict;
        }
        let is_right = |hash: &str| bcrypt::verify(&credentials.password, hash).unwrap_or(false);
        let of_user = |(user, _): &&(Arc<str>, Box<str>)| user.as_bytes() == credentials.user;
        let mut accounts = self.slow.iter().filter(of_user).peekable();
        if accounts.peek().is_none() {
            // A hash is also computed for an unknown user, so that the time taken does not reveal which users exist. For
            // hashes of different costs, no single hash could hide that.
            _ = self.slow.first().map(|(_, hash)| is_right(hash));
        }
        let user = accounts.find(|(_, hash)| is_right(hash)).map(|(user, _)| Arc::clone(user));
        self.cache().insert(credentials.digest, user.clone());
        user
    }

    /// Returns the value of the `WWW-Authenticate` field in a 401 response.
    pub(crate) fn challenge(&self) -> String {
        format!("Basic realm=\"{}\", charset=\"UTF-8\"", self.realm)
    }

    /// Extracts the user name and password from a request. Returns `None` if they are missing or malformed.
    pub(super) fn credentials(&self, headers: RequestFields<'_>) -> Option<Credentials> {
        let mut values = headers.get_all("Authorization");
        // If there are two `Authorization` fields, it is undefined which one applies, so both are ignored.
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let (user, password) = user_and_password(value)?;
        let digest = digest(&self.key, &user, &Hash::hash(&password));
        Some(Credentials { user, password, digest })
    }

    /// Checks the credentials without computing a bcrypt hash. Returns the same values as [`CredentialCache::get`];
    /// `None` means that the check requires a bcrypt hash.
    fn known(&self, credentials: &Credentials) -> Option<Option<Arc<str>>> {
        let mut found = None;
        // The loop does not stop at the matching account, so that its duration does not reveal the position of that
        // account.
        for (digest, user) in &self.fast {
            if *digest == credentials.digest {
                found = Some(user);
            }
        }
        match found {
            Some(user) => Some(Some(Arc::clone(user))),
            // If no account has a bcrypt hash, all accounts have been compared above, so the credentials are wrong.
            None if self.slow.is_empty() => Some(None),
            None => self.cache().get(&credentials.digest),
        }
    }

    fn cache(&self) -> MutexGuard<'_, CredentialCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the keyed digest of credentials. The user name is first hashed to a fixed length, so that splitting the same
/// characters differently into user name and password yields a different digest.
fn digest(key: &[u8; 32], user: &[u8], password: &[u8; 32]) -> CredentialDigest {
    HMAC::mac([Hash::hash(user), *password].concat(), key)
}

fn user_and_password(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let space = memchr::memchr(b' ', value)?;
    if !value[..space].eq_ignore_ascii_case(b"Basic") {
        return None;
    }
    let decoded = STANDARD.decode(value[space..].trim_ascii()).ok()?;
    // The first colon ends the user name. A user name cannot contain a colon, but a password can (RFC 7617 section 2).
    let colon = memchr::memchr(b':', &decoded)?;
    Some((decoded[..colon].to_vec(), decoded[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Request;

    fn admits(gate: &Gate, value: &str) -> bool {
        gate.admits(Request::builder("GET", "/").header("Authorization", value).build().headers()).is_some()
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn only_the_credentials_of_an_account_are_admitted() {
        let hashed = "bob:sha256:2BB80D537B1DA3E38BD30361AA855686BDE0EACD7162FEF6A25FE97BF527A25B".parse().unwrap();
        let gate = Gate::new("site", &[Account::new("ann", "a:b:ü"), hashed]);
        assert!(admits(&gate, &basic("ann:a:b:ü")));
        assert!(admits(&gate, &basic("bob:secret")));
        assert!(admits(&gate, &basic("bob:secret").replace("Basic ", "bAsIc  ")));
        for text in ["ann:", "ann:a:b", "bob:a:b:ü", "ann:secret", "ann", "", ":", "annn:a:b:ü", "ann:a:b:ü "] {
            assert!(!admits(&gate, &basic(text)), "{text}");
        }
        for value in ["", "Basic", "Basic ", "Basic !!!", "Bearer x", "Basic YW5uOmE6Yjrx"] {
            assert!(!admits(&gate, value), "{value}");
        }
        assert!(gate.admits(Request::builder("GET", "/").build().headers()).is_none());
        let right = basic("bob:secret");
        let twice = Request::builder("GET", "/").header("Authorization", &right).header("Authorization", &right);
        assert!(gate.admits(twice.build().headers()).is_none());
    }

    #[test]
    fn quotes_in_the_realm_are_removed_from_the_challenge() {
        assert_eq!(Gate::new("my \"site\"\\", &[]).challenge(), "Basic realm=\"my site\", charset=\"UTF-8\"");
    }

    /// The bcrypt hash of `secret` with the lowest cost.
    const SECRET: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

    #[test]
    fn bcrypt_hashes_with_all_three_prefixes_are_verified() {
        for name in ["2a", "2b", "2y"] {
            let account: Account = format!("ann:{}", SECRET.replace("2y", name)).parse().unwrap();
            let gate = Gate::new("site", &[account, Account::new("bob", "plain")]);
            assert!(admits(&gate, &basic("ann:secret")) && admits(&gate, &basic("bob:plain")));
            for text in ["ann:", "ann:plain", "bob:secret", "ann:secrets", "eve:secret", &format!("ann:{SECRET}")] {
                assert!(!admits(&gate, &basic(text)), "{text}");
            }
        }
        // bcrypt uses only the first 72 bytes of a password.
        let long = "ann:$2y$04$abcdefghijklmnopqrstuuAg/vhymG.zjfOvPuw7BgQPjbFV1.SQW".parse().unwrap();
        let gate = Gate::new("site", &[long]);
        assert!(admits(&gate, &basic(&format!("ann:{}", "ä".repeat(40)))));
        assert!(!admits(&gate, &basic(&format!("ann:{}", "ä".repeat(35)))));
    }

    #[test]
    fn a_user_with_several_accounts_may_use_each_password() {
        let other = "ann:other".parse().unwrap();
        let wrong = "ann:$2y$04$abcdefghijklmnopqrstuuAg/vhymG.zjfOvPuw7BgQPjbFV1.SQW".parse().unwrap();
        let gate = Gate::new("site", &[wrong, format!("ann:{SECRET}").parse().unwrap(), other]);
        assert!(admits(&gate, &basic("ann:secret")) && admits(&gate, &basic("ann:other")));
    }

    #[test]
    fn credentials_are_compared_with_a_bcrypt_hash_once() {
        let gate = Gate::new("site", &[format!("ann:{SECRET}").parse().unwrap(), Account::new("bob", "plain")]);
        let request = |text: &str| Request::builder("GET", "/").header("Authorization", basic(text)).build();
        for text in ["ann:secret", "ann:wrong", "eve:secret"] {
            assert!(gate.unverified(request(text).headers()).is_some(), "{text}");
            let user = gate.admits(request(text).headers());
            assert!(gate.unverified(request(text).headers()).is_none(), "{text}");
            assert_eq!(gate.admits(request(text).headers()), user, "{text}");
        }
        assert!(gate.unverified(request("bob:plain").headers()).is_none());
        assert!(gate.unverified(Request::builder("GET", "/").build().headers()).is_none());
    }

    #[test]
    fn admits_returns_the_user_of_the_account() {
        let gate = Gate::new("site", &[format!("ann:{SECRET}").parse().unwrap(), Account::new("bob", "plain")]);
        for (text, user) in [("ann:secret", "ann"), ("bob:plain", "bob")] {
            let request = Request::builder("GET", "/").header("Authorization", basic(text)).build();
            assert_eq!(gate.admits(request.headers()).as_deref(), Some(user));
        }
    }
}
