//! One cookie on the server side: a name, a value and attributes. The parsers of header fields are in `pairs` and
//! `parse`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::parse::is_quoted;
use super::quote::{is_legal, quote};
use crate::http::HttpDate;

/// The names of the attributes that a [`Morsel`] can have, spelled as in Python's output, and sorted by their
/// lower-case form.
const RESERVED: [&str; 10] =
    ["Comment", "Domain", "expires", "HttpOnly", "Max-Age", "Partitioned", "Path", "SameSite", "Secure", "Version"];

/// The attributes without a value.
const FLAGS: [&str; 3] = ["HttpOnly", "Partitioned", "Secure"];

/// The name of an attribute, spelled as in the output; `None` if there is no such attribute. The case of `name` is
/// ignored.
pub(super) fn reserved(name: &str) -> Option<&'static str> {
    RESERVED.into_iter().find(|reserved| reserved.eq_ignore_ascii_case(name))
}

/// True for an attribute without a value. `spelling` is the name as it appears in the output.
pub(super) fn is_flag(spelling: &str) -> bool {
    FLAGS.contains(&spelling)
}

/// The error for an invalid name, value or attribute of a cookie, named after Python's exception.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieError {
    /// The name is empty, or contains a character other than letters, digits and `` !#$%&'*+-.^_`|~: ``.
    IllegalKey(String),
    /// The name is reserved, because it is the name of an attribute, such as `path`.
    ReservedKey(String),
    /// There is no attribute with this name.
    InvalidAttribute(String),
    /// The value of the cookie with this name contains a control character (CVE-2026-0672).
    ControlInValue(String),
    /// The value of this attribute contains a control character, or a semicolon, which would terminate the value
    /// (CVE-2026-3644).
    InvalidAttributeValue(String),
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CookieError::IllegalKey(key) => write!(f, "Illegal key {key:?}"),
            CookieError::ReservedKey(key) => write!(f, "Attempt to set a reserved key {key:?}"),
            CookieError::InvalidAttribute(name) => write!(f, "Invalid attribute {name:?}"),
            CookieError::ControlInValue(key) => write!(f, "Control character in the value of {key:?}"),
            CookieError::InvalidAttributeValue(name) => {
                write!(f, "Control character or semicolon in attribute {name:?}")
            }
        }
    }
}

impl std::error::Error for CookieError {}

impl From<CookieError> for std::io::Error {
    fn from(error: CookieError) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidInput, error)
    }
}

/// The value of an attribute. Implements `From` for strings, `bool`, `i64` and [`HttpDate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// The value of an attribute such as `Path=/`. An attribute whose text is empty is not sent.
    Text(String),
    /// The value of an attribute such as `Secure`: true if the attribute is sent.
    Flag(bool),
}

impl AttributeValue {
    fn is_set(&self) -> bool {
        match self {
            AttributeValue::Text(text) => !text.is_empty(),
            AttributeValue::Flag(set) => *set,
        }
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        AttributeValue::Text(text.to_owned())
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        AttributeValue::Text(text)
    }
}

impl From<bool> for AttributeValue {
    fn from(set: bool) -> Self {
        AttributeValue::Flag(set)
    }
}

impl From<i64> for AttributeValue {
    /// Converts a number of seconds to the value of `Max-Age`.
    fn from(number: i64) -> Self {
        AttributeValue::Text(number.to_string())
    }
}

impl From<HttpDate> for AttributeValue {
    /// Converts a date to the value of `expires`.
    fn from(date: HttpDate) -> Self {
        AttributeValue::Text(date.to_string())
    }
}

/// One cookie, like Python's `Morsel`: a key, a value, the encoded value that is sent, and attributes.
///
/// ```
/// use serve_forever::cookies::Morsel;
/// let mut morsel = Morsel::new("rocky", "the road")?;
/// morsel.set("path", "/cookie")?.set("httponly", true)?;
/// assert_eq!(morsel.to_string(), r#"rocky="the road"; HttpOnly; Path=/cookie"#);
/// assert!(morsel.set("color", "red").is_err());
/// # Ok::<(), serve_forever::cookies::CookieError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Morsel {
    key: String,
    value: String,
    coded_value: String,
    /// The attributes by lower-case name, which is also their order in the output.
    attributes: BTreeMap<String, AttributeValue>,
}

impl Morsel {
    /// Creates a cookie whose value is [quoted](super::quote) when it is sent.
    ///
    /// # Errors
    /// Returns an error if the key is not a valid name, or the value contains a control character.
    pub fn new(key: &str, value: &str) -> Result<Morsel, CookieError> {
        Morsel::with_coded(key, value, &quote(value))
    }

    /// Creates a cookie for which `coded_value` is sent unchanged, like Python's `Morsel.set`.
    ///
    /// # Errors
    /// Returns the same errors as [`new`](Morsel::new). Also returns [`CookieError::ControlInValue`] if `coded_value`
    /// contains a control character, or contains a semicolon and is not a single quoted string, because the semicolon
    /// would terminate the value. Browsers end the value at a semicolon even in quotes (RFC 6265 section 5.2);
    /// [`quote`] escapes it.
    pub fn with_coded(key: &str, value: &str, coded_value: &str) -> Result<Morsel, CookieError> {
        if reserved(key).is_some() {
            return Err(CookieError::ReservedKey(key.to_owned()));
        }
        if key.is_empty() || !key.chars().all(is_legal) {
            return Err(CookieError::IllegalKey(key.to_owned()));
        }
        let is_contained = is_quoted(coded_value) || !coded_value.contains(';');
        let morsel = Morsel::received(key, value, coded_value).filter(|_| is_contained);
        morsel.ok_or_else(|| CookieError::ControlInValue(key.to_owned()))
    }

    /// Creates a cookie from a pair of a `Cookie` field. Any name is accepted. Returns `None` if the name or the value
    /// contains a control character.
    pub(super) fn received(key: &str, value: &str, coded_value: &str) -> Option<Morsel> {
        if [key, value, coded_value].iter().any(|part| part.contains(is_control)) {
            return None;
        }
        let [key, value, coded_value] = [key, value, coded_value].map(str::to_owned);
        Some(Morsel { key, value, coded_value, attributes: BTreeMap::new() })
    }

    /// Replaces the value with that of `other`, and keeps the attributes, like an assignment to an entry of Python's
    /// `SimpleCookie`.
    pub(super) fn take_value_of(&mut self, other: Morsel) {
        (self.value, self.coded_value) = (other.value, other.coded_value);
    }

    /// The name of the cookie.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The decoded value, without quotes and escapes.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The encoded value, as it is sent or was received.
    pub fn coded_value(&self) -> &str {
        &self.coded_value
    }

    /// Sets an attribute: `expires`, `path`, `comment`, `domain`, `max-age`, `secure`, `httponly`, `version`,
    /// `samesite` or `partitioned` (case is ignored). This corresponds to Python's `morsel["path"] = "/"`.
    ///
    /// # Errors
    /// Returns an error if there is no such attribute, or if the value contains a control character or, unless the
    /// attribute is `comment`, a semicolon.
    pub fn set(&mut self, name: &str, value: impl Into<AttributeValue>) -> Result<&mut Morsel, CookieError> {
        let spelling = reserved(name).ok_or_else(|| CookieError::InvalidAttribute(name.to_ascii_lowercase()))?;
        let value = value.into();
        if let AttributeValue::Text(text) = &value {
            // A comment is quoted when it is sent, which turns a semicolon into an octal escape.
            let ends_it = |c| is_control(c) || (c == ';' && spelling != "Comment");
            if text.contains(ends_it) {
                return Err(CookieError::InvalidAttributeValue(spelling.to_ascii_lowercase()));
            }
        }
        self.attributes.insert(spelling.to_ascii_lowercase(), value);
        Ok(self)
    }

    /// The value of the attribute with this name, if it is set. The case of the name is ignored.
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.attributes.get(&name.to_ascii_lowercase()).filter(|value| value.is_set())
    }

    /// The lower-case names and the values of the attributes that are set, in name order.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.attributes.iter().filter(|(_, value)| value.is_set()).map(|(name, value)| (name.as_str(), value))
    }

    /// The value of a `Set-Cookie` field with only the attributes whose lower-case names are in `attributes`, like
    /// Python's `OutputString(attrs)`.
    pub fn output_with(&self, attributes: &[&str]) -> String {
        self.write(|name| attributes.contains(&name))
    }

    fn write(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut line = format!("{}={}", self.key, self.coded_value);
        for (name, value) in self.attributes().filter(|(name, _)| wanted(name)) {
            let spelling = reserved(name).unwrap_or(name);
            line.push_str("; ");
            line.push_str(spelling);
            let text = match value {
                AttributeValue::Flag(_) => continue,
                AttributeValue::Text(_) if is_flag(spelling) => continue,
                AttributeValue::Text(text) if spelling == "Comment" => quote(text),
                AttributeValue::Text(text) => Cow::Borrowed(text.as_str()),
            };
            line.push('=');
            line.push_str(&text);
        }
        line
    }
}

impl fmt::Display for Morsel {
    /// Writes the value of a `Set-Cookie` field with all attributes that are set, like Python's `OutputString()`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.write(|_| true))
    }
}

/// True for ASCII control characters, which are not allowed in any part of a cookie.
pub(super) fn is_control(character: char) -> bool {
    character.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_written_in_the_order_of_their_names() {
        let mut morsel = Morsel::new("a", "b").unwrap();
        for name in ["Version", "SameSite", "path", "EXPIRES", "domain"] {
            morsel.set(name, "x").unwrap();
        }
        for name in ["secure", "partitioned", "httponly"] {
            morsel.set(name, true).unwrap();
        }
        morsel.set("max-age", 5).unwrap().set("comment", "why; not").unwrap();
        assert_eq!(
            morsel.to_string(),
            "a=b; Comment=\"why\\073 not\"; Domain=x; expires=x; HttpOnly; Max-Age=5; Partitioned; Path=x; SameSite=x; Secure; Version=x"
        );
        assert_eq!(morsel.output_with(&["path", "secure"]), "a=b; Path=x; Secure");
        assert_eq!(morsel.output_with(&[]), "a=b");
    }

    #[test]
    fn flags_that_are_false_and_empty_attributes_are_left_out() {
        let mut morsel = Morsel::new("a", "b").unwrap();
        morsel.set("secure", false).unwrap().set("httponly", "").unwrap().set("path", "").unwrap();
        assert_eq!(morsel.to_string(), "a=b");
        assert_eq!(morsel.attributes().count(), 0);
        morsel.set("secure", "any text").unwrap();
        assert_eq!(morsel.to_string(), "a=b; Secure", "a flag has no value");
    }

    #[test]
    fn expires_is_a_date() {
        let mut morsel = Morsel::new("a", "b").unwrap();
        morsel.set("expires", HttpDate::from_unix(784_111_777)).unwrap();
        assert_eq!(morsel.to_string(), "a=b; expires=Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn names_that_python_refuses_are_refused() {
        assert!(Morsel::new("aZ09!#$%&'*+-.^_`|~:", "1").is_ok());
        for key in ["", "a,b", "a b", "a/b", "a@b", "caf\u{e9}", "a=b", "a;b", "a\n"] {
            assert_eq!(Morsel::new(key, "1"), Err(CookieError::IllegalKey(key.to_owned())));
        }
        for key in ["Path", "httponly", "PARTITIONED"] {
            assert_eq!(Morsel::new(key, "1"), Err(CookieError::ReservedKey(key.to_owned())));
        }
    }

    /// CVE-2026-0672 and CVE-2026-3644: CPython wrote these characters into the header field.
    #[test]
    fn control_characters_and_what_would_end_an_attribute_are_refused() {
        for value in ["b\nc", "b\r", "\0", "\u{7f}", "\u{1b}[0m"] {
            assert_eq!(Morsel::new("a", value), Err(CookieError::ControlInValue("a".to_owned())));
            let mut morsel = Morsel::new("a", "b").unwrap();
            for name in ["path", "domain", "comment", "secure"] {
                assert!(matches!(morsel.set(name, value), Err(CookieError::InvalidAttributeValue(_))), "{name}");
            }
            assert_eq!(morsel.to_string(), "a=b");
        }
        assert!(Morsel::new("a", "b").unwrap().set("path", "/; Domain=evil.example").is_err());
        assert!(Morsel::with_coded("a", "b", "b; Domain=evil.example").is_err());
        for coded in [r#""b;""#, r#""b\";""#] {
            assert!(
                Morsel::with_coded("a", "b", coded).is_ok(),
                "{coded}: as in Python, a quoted string can contain it"
            );
        }
        for coded in [r#""b"; Domain=evil.example; x="c""#, r#""b\\"; Path="/""#, r#""b;\""#, r#"";"#] {
            assert!(Morsel::with_coded("a", "b", coded).is_err(), "{coded}");
        }
    }
}
