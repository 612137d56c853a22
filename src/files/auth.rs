use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac_sha256::{HMAC, Hash};

use crate::http::Headers;

/// How a hash is marked in an [`Account`] that is written down.
const HASHED: &str = "sha256:";

/// A user and a password, or the password's SHA-256.
///
/// Written down it is `USER:PASSWORD` or `USER:sha256:HEX`; what `HEX` is, `printf %s PASSWORD | sha256sum` tells.
/// The hash keeps the password out of configuration files and lists of processes. It is a fast one on purpose: a slow
/// hash would stop a single-threaded server for everybody whenever somebody tries a password.
///
/// ```
/// use serve_forever::files::Account;
/// let plain = Account::new("ann", "secret");
/// let hash = "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
/// assert_eq!(format!("ann:{hash}").parse::<Account>().unwrap(), plain);
/// assert!("no colon".parse::<Account>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    user: Vec<u8>,
    password: [u8; 32],
}

/// Why a text is no [`Account`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadAccount {
    /// There is no colon between user and password.
    Colon,
    /// What follows `sha256:` is not 64 hexadecimal digits.
    Hash,
}

impl fmt::Display for BadAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadAccount::Colon => "an account is USER:PASSWORD or USER:sha256:HEX",
            BadAccount::Hash => "a SHA-256 has 64 hexadecimal digits",
        })
    }
}

impl std::error::Error for BadAccount {}

impl Account {
    /// An account with a password in the clear. A user with a colon in it can never log in (RFC 7617 section 2).
    pub fn new(user: &str, password: &str) -> Account {
        Account { user: user.into(), password: Hash::hash(password.as_bytes()) }
    }
}

impl FromStr for Account {
    type Err = BadAccount;

    fn from_str(text: &str) -> Result<Account, BadAccount> {
        let (user, password) = text.split_once(':').ok_or(BadAccount::Colon)?;
        match password.strip_prefix(HASHED) {
            Some(hash) => Ok(Account { user: user.into(), password: unhex(hash).ok_or(BadAccount::Hash)? }),
            None => Ok(Account::new(user, password)),
        }
    }
}

impl fmt::Debug for Account {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({:?})", String::from_utf8_lossy(&self.user))
    }
}

/// Who may come in: Basic authentication (RFC 7617).
#[derive(Debug)]
pub(crate) struct Gate {
    /// Nobody outside knows it, so nobody can prepare values whose comparison would tell something by its time.
    key: [u8; 32],
    /// The seals of the accounts.
    seals: Vec<[u8; 32]>,
    realm: String,
}

impl Gate {
    pub(crate) fn new(realm: &str, accounts: &[Account]) -> Gate {
        let mut key = [0; 32];
        for part in key.chunks_mut(8) {
            // The standard library's hash keys are random numbers from the system.
            part.copy_from_slice(&RandomState::new().build_hasher().finish().to_ne_bytes());
        }
        let seals = accounts.iter().map(|account| seal(&key, &account.user, &account.password)).collect();
        Gate { key, seals, realm: realm.replace(['"', '\\'], "") }
    }

    /// Whether the request may come in. It takes as long for a wrong user as for a wrong password.
    pub(crate) fn admits(&self, headers: Headers<'_>) -> bool {
        let mut values = headers.get_all("Authorization");
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((user, password)) = credentials(value) else { return false };
        let given = seal(&self.key, &user, &Hash::hash(&password));
        self.seals.iter().fold(false, |found, seal| found | (*seal == given))
    }

    /// The value of `WWW-Authenticate`.
    pub(crate) fn challenge(&self) -> String {
        format!("Basic realm=\"{}\", charset=\"UTF-8\"", self.realm)
    }
}

/// A value that is equal for equal accounts and otherwise says nothing. The user's hash has a fixed length, so user
/// and password cannot be shifted against each other.
fn seal(key: &[u8; 32], user: &[u8], password: &[u8; 32]) -> [u8; 32] {
    HMAC::mac([Hash::hash(user), *password].concat(), key)
}

fn credentials(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let space = memchr::memchr(b' ', value)?;
    if !value[..space].eq_ignore_ascii_case(b"Basic") {
        return None;
    }
    let decoded = STANDARD.decode(value[space..].trim_ascii()).ok()?;
    let colon = memchr::memchr(b':', &decoded)?;
    Some((decoded[..colon].to_vec(), decoded[colon + 1..].to_vec()))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] << 4) | pair[1]).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Request;

    fn admits(gate: &Gate, value: &str) -> bool {
        gate.admits(Request::builder("GET", "/").header("Authorization", value).build().headers())
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn who_may_come_in() {
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
        assert!(!gate.admits(Request::builder("GET", "/").build().headers()));
        let right = basic("bob:secret");
        let twice = Request::builder("GET", "/").header("Authorization", &right).header("Authorization", &right);
        assert!(!gate.admits(twice.build().headers()));
    }

    #[test]
    fn a_challenge_is_one_quoted_text() {
        assert_eq!(Gate::new("my \"site\"\\", &[]).challenge(), "Basic realm=\"my site\", charset=\"UTF-8\"");
    }

    #[test]
    fn accounts_are_written_down() {
        assert_eq!("a:b:c".parse(), Ok(Account::new("a", "b:c")));
        assert_eq!("a".parse::<Account>(), Err(BadAccount::Colon));
        for hash in ["", "12", &"g".repeat(64), &"1".repeat(65), &"1".repeat(66), &"ü".repeat(32)] {
            assert_eq!(format!("a:sha256:{hash}").parse::<Account>(), Err(BadAccount::Hash), "{hash}");
        }
        assert!(!format!("{:?}", Account::new("ann", "secret")).contains("secret"));
    }
}
