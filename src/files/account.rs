//! The accounts of Basic authentication and their text form. `auth` compares the accounts with a client's credentials.
//!
//! Invariant: a hash in an unsupported scheme is never treated as a password. The schemes that `htpasswd` and similar
//! tools write are recognised and refused.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bcrypt::HashParts;
use hmac_sha256::Hash;

/// The prefix that marks a SHA-256 hash in the text form of an [`Account`].
const SHA256: &str = "sha256:";

/// The prefixes of bcrypt hashes. All three denote the same algorithm.
const BCRYPT: [&str; 3] = ["$2y$", "$2a$", "$2b$"];

/// The bcrypt costs that `htpasswd` accepts. Verifying a hash takes about ten seconds with cost 17, and about two days
/// with cost 31.
const COSTS: std::ops::RangeInclusive<u32> = 4..=17;

/// The prefixes of hashes in unsupported schemes.
const REFUSED: [&str; 30] = [
    "$apr1$",
    "$1$",
    "$2$",
    "$2x$",
    "$3$",
    "$5$",
    "$6$",
    "$7$",
    "$8$",
    "$9$",
    "$y$",
    "$gy$",
    "$sm3$",
    "$md5",
    "$sha1$",
    "$scrypt$",
    "$argon2",
    "$pbkdf2",
    "$P$",
    "$H$",
    "{SHA}",
    "{SSHA}",
    "{SHA256}",
    "{SSHA256}",
    "{SHA512}",
    "{SSHA512}",
    "{MD5}",
    "{SMD5}",
    "{CRYPT}",
    "{PBKDF2",
];

/// A user name with a password or the hash of a password.
///
/// The text form is `USER:PASSWORD`, `USER:sha256:HEX` or `USER:HASH` with a bcrypt hash from `htpasswd -B` (`$2y$`,
/// `$2a$` or `$2b$`, with a cost from 4 to 17). `HEX` is the output of `printf %s PASSWORD | sha256sum`. A SHA-256 hash
/// keeps the password out of configuration files and process lists, but is too fast to slow down password guessing.
/// Hashes in other schemes are errors. A traditional `crypt` hash of 13 characters looks like a password and is treated
/// as one. A password that begins like a hash must be given in the SHA-256 form.
///
/// ```
/// use serve_forever::files::Account;
/// let plain = Account::new("ann", "secret");
/// let hash = "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
/// assert_eq!(format!("ann:{hash}").parse::<Account>().unwrap(), plain);
/// assert!("ann:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW".parse::<Account>().is_ok());
/// assert!("ann:$apr1$abcdefgh$ZZZZZZZZZZZZZZZZZZZZZZ".parse::<Account>().is_err());
/// assert!("no colon".parse::<Account>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    pub(super) user: Arc<str>,
    pub(super) secret: Secret,
}

/// The hash of a password. A plain password is hashed with SHA-256 when the account is created.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    /// The SHA-256 digest of the password.
    Sha256([u8; 32]),
    /// A well-formed bcrypt hash.
    Bcrypt(Box<str>),
}

/// The error returned when an [`Account`] cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadAccount {
    /// The text has no colon between the user and the password.
    Colon,
    /// The user name is empty.
    User,
    /// The text contains a control character. Credentials must not contain any (RFC 7617 section 2).
    Control,
    /// The text after `sha256:` is not 64 hexadecimal digits.
    Hash,
    /// A bcrypt hash is malformed, or its cost is not between 4 and 17.
    Bcrypt,
    /// The hash uses an unsupported scheme. The field is the prefix of that scheme.
    Scheme(&'static str),
}

impl fmt::Display for BadAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadAccount::Colon => "an account is USER:PASSWORD, USER:sha256:HEX or USER:BCRYPT-HASH",
            BadAccount::User => "an account must begin with a user name",
            BadAccount::Control => "an account must not contain a control character",
            BadAccount::Hash => "a SHA-256 has 64 hexadecimal digits",
            BadAccount::Bcrypt => "a bcrypt hash has 60 characters and a cost of 04 to 17",
            BadAccount::Scheme(scheme) => {
                return write!(f, "{scheme} hashes cannot be verified, allowed are bcrypt ($2y$) and sha256:HEX");
            }
        })
    }
}

impl std::error::Error for BadAccount {}

impl Account {
    /// Creates an account with a plain password, even if the password looks like a hash. A user whose name contains a
    /// colon can never log in (RFC 7617 section 2).
    pub fn new(user: &str, password: &str) -> Account {
        Account { user: user.into(), secret: Secret::Sha256(Hash::hash(password.as_bytes())) }
    }
}

impl FromStr for Account {
    type Err = BadAccount;

    fn from_str(text: &str) -> Result<Account, BadAccount> {
        let (user, password) = text.split_once(':').ok_or(BadAccount::Colon)?;
        if user.is_empty() {
            return Err(BadAccount::User);
        }
        if text.contains(char::is_control) {
            return Err(BadAccount::Control);
        }
        // Text without a known prefix counts as a plain password, so hashes in other schemes must be detected here.
        if let Some(scheme) = REFUSED.iter().find(|scheme| begins_with(password, scheme)) {
            return Err(BadAccount::Scheme(scheme));
        }
        let secret = if let Some(hash) = password.strip_prefix(SHA256) {
            Secret::Sha256(unhex(hash).ok_or(BadAccount::Hash)?)
        } else if BCRYPT.iter().any(|start| password.starts_with(start)) {
            Secret::Bcrypt(bcrypt_hash(password)?.into())
        } else {
            return Ok(Account::new(user, password));
        };
        Ok(Account { user: user.into(), secret })
    }
}

/// True if the password begins with `scheme`, a prefix from [`REFUSED`]. A prefix in braces is case-insensitive. All
/// others are case-sensitive, because `$P$` and `$p$` are different schemes.
fn begins_with(password: &str, scheme: &str) -> bool {
    let start = password.as_bytes().get(..scheme.len()).unwrap_or_default();
    if scheme.starts_with('{') { start.eq_ignore_ascii_case(scheme.as_bytes()) } else { start == scheme.as_bytes() }
}

fn bcrypt_hash(text: &str) -> Result<&str, BadAccount> {
    let parts: HashParts = text.parse().map_err(|_| BadAccount::Bcrypt)?;
    if COSTS.contains(&parts.get_cost()) { Ok(text) } else { Err(BadAccount::Bcrypt) }
}

impl fmt::Debug for Account {
    /// Formats the account without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({:?})", self.user)
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] << 4) | pair[1]).collect();
    // The number of digits must be checked too, because `chunks_exact` ignores an odd digit at the end.
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> BadAccount {
        text.parse::<Account>().expect_err(text)
    }

    #[test]
    fn the_text_form_of_accounts() {
        assert_eq!("a:b:c".parse(), Ok(Account::new("a", "b:c")));
        assert_eq!("a:".parse(), Ok(Account::new("a", "")));
        assert_eq!(why("a"), BadAccount::Colon);
        for text in [":", ":b"] {
            assert_eq!(why(text), BadAccount::User, "{text}");
        }
        for text in ["a:b\0", "a\t:b", "a:b\u{9b}"] {
            assert_eq!(why(text), BadAccount::Control, "{text:?}");
        }
        for hash in ["", "12", &"g".repeat(64), &"1".repeat(65), &"1".repeat(66), &"ü".repeat(32)] {
            assert_eq!(why(&format!("a:sha256:{hash}")), BadAccount::Hash, "{hash}");
        }
        assert!(!format!("{:?}", Account::new("ann", "secret")).contains("secret"));
    }

    #[test]
    fn a_hash_of_an_unsupported_scheme_is_not_a_password() {
        for (hash, scheme) in [
            ("$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", "$apr1$"),
            ("$1$aaaaaaaa$EUZ5", "$1$"),
            ("$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "$2x$"),
            ("$5$salt$hash", "$5$"),
            ("$6$rounds=5000$salt$hash", "$6$"),
            ("$y$j9T$salt$hash", "$y$"),
            ("$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "$argon2"),
            ("$argon2i$v=19$m=65536", "$argon2"),
            ("$pbkdf2-sha256$29000$N2", "$pbkdf2"),
            ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "{SHA}"),
            ("{ssha}5en6G6MezRroT3XKqkdPOmY/BfQ=", "{SSHA}"),
            ("{CRYPT}$6$salt$hash", "{CRYPT}"),
        ] {
            assert_eq!(why(&format!("ann:{hash}")), BadAccount::Scheme(scheme), "{hash}");
        }
        for password in ["$ecret", "{secret}", "$", "{SHA", "$apr1", "money$6$"] {
            assert_eq!(format!("ann:{password}").parse(), Ok(Account::new("ann", password)), "{password}");
        }
    }

    #[test]
    fn a_malformed_bcrypt_hash_is_refused() {
        let hash = |cost: &str, rest: &str| format!("ann:$2y${cost}${rest}");
        let rest = "abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
        for cost in ["04", "10", "17"] {
            assert!(hash(cost, rest).parse::<Account>().is_ok(), "{cost}");
        }
        for (cost, rest) in [("03", rest), ("18", rest), ("31", rest), ("xx", rest), ("04", &rest[1..]), ("04", "")] {
            assert_eq!(why(&hash(cost, rest)), BadAccount::Bcrypt, "{cost} {rest}");
        }
        assert_eq!(why(&(hash("04", rest) + ":x")), BadAccount::Bcrypt);
        assert_eq!(why(&hash("04", &rest.replace('J', "!"))), BadAccount::Bcrypt);
    }
}
