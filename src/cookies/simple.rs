//! [`SimpleCookie`]: the cookies of one request or response, by name.

use std::collections::BTreeMap;
use std::fmt;

use super::morsel::{is_flag, reserved};
use super::parse::Items;
use super::{AttributeValue, CookieError, Morsel, pairs, unquote};

/// A table of cookies by name, like Python's `SimpleCookie`.
///
/// ```
/// use serve_forever::cookies::SimpleCookie;
/// let mut cookies = SimpleCookie::new();
/// cookies.set("fig", "newton")?.set("path", "/")?;
/// cookies.set("sugar", "wafer")?;
/// assert_eq!(cookies.output(), "Set-Cookie: fig=newton; Path=/\r\nSet-Cookie: sugar=wafer");
///
/// let mut cookies = SimpleCookie::new();
/// cookies.load("chips=ahoy; vienna=finger")?;
/// assert_eq!(cookies.get("vienna").map(|morsel| morsel.value()), Some("finger"));
/// # Ok::<(), serve_forever::cookies::CookieError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SimpleCookie {
    morsels: BTreeMap<String, Morsel>,
}

/// The options of [`SimpleCookie::output_with`], which correspond to the arguments of Python's `output`.
#[derive(Debug, Clone, Copy)]
pub struct Output<'o> {
    /// The lower-case names of the attributes to write; `None` means all attributes.
    pub attributes: Option<&'o [&'o str]>,
    /// The prefix of each line.
    pub header: &'o str,
    /// The text between the lines.
    pub separator: &'o str,
}

impl Default for Output<'_> {
    /// All attributes, with `Set-Cookie:` as the prefix and CR LF as the separator.
    fn default() -> Self {
        Output { attributes: None, header: "Set-Cookie:", separator: "\r\n" }
    }
}

impl SimpleCookie {
    /// Creates an empty table.
    pub fn new() -> SimpleCookie {
        SimpleCookie::default()
    }

    /// Parses a `Cookie` field as a server should (RFC 6265 section 5.4). Each well-formed pair becomes a cookie; if a
    /// name is repeated, the first pair is used. Unlike in [`set`](SimpleCookie::set), a name can contain any character
    /// except control characters. A quoted value is [unquoted](super::unquote). A pair with a control character is
    /// skipped.
    ///
    /// ```
    /// use serve_forever::cookies::SimpleCookie;
    /// let cookies = SimpleCookie::from_cookie_field("a=1; word; /b=2; a=3");
    /// let found: Vec<_> = cookies.iter().map(|morsel| (morsel.key(), morsel.value())).collect();
    /// assert_eq!(found, [("/b", "2"), ("a", "1")]);
    /// ```
    pub fn from_cookie_field(field: &str) -> SimpleCookie {
        let mut cookies = SimpleCookie::new();
        for (name, coded) in pairs(field) {
            if let Some(morsel) = Morsel::received(name, &unquote(coded), coded) {
                cookies.morsels.entry(name.to_owned()).or_insert(morsel);
            }
        }
        cookies
    }

    /// Parses a string as Python does, and adds its cookies. The string consists of pairs, each of which can be
    /// followed by attributes. A pair with an existing name replaces the value of that cookie.
    ///
    /// As in Python, parsing stops without an error at the first part that is neither a pair nor an attribute. Nothing
    /// is added if an attribute precedes the first pair, if a word that is not an attribute has no value, or if an
    /// attribute other than a flag has no value. For a `Cookie` field, a server should use
    /// [`from_cookie_field`](SimpleCookie::from_cookie_field).
    ///
    /// # Errors
    /// Returns an error if a name, an attribute or a value is not allowed. In that case, nothing is added.
    pub fn load(&mut self, text: &str) -> Result<(), CookieError> {
        let Some(steps) = steps(text) else { return Ok(()) };
        let mut loaded = self.clone();
        let mut current = String::new();
        for step in steps {
            match step {
                Step::Pair(key, coded) => {
                    loaded.insert(Morsel::with_coded(key, &unquote(coded), coded)?);
                    key.clone_into(&mut current);
                }
                Step::Attribute(name, value) => {
                    loaded.morsels.get_mut(&current).map(|morsel| morsel.set(name, value).map(drop)).transpose()?;
                }
            }
        }
        *self = loaded;
        Ok(())
    }

    /// Sets the value of a cookie, and returns the cookie, so that its attributes can be set. As with Python's
    /// `cookies["fig"] = "newton"`, an existing cookie keeps its attributes.
    ///
    /// # Errors
    /// Returns the same errors as [`Morsel::new`].
    pub fn set(&mut self, key: &str, value: &str) -> Result<&mut Morsel, CookieError> {
        Ok(self.insert(Morsel::new(key, value)?))
    }

    fn insert(&mut self, morsel: Morsel) -> &mut Morsel {
        use std::collections::btree_map::Entry;
        match self.morsels.entry(morsel.key().to_owned()) {
            Entry::Vacant(entry) => entry.insert(morsel),
            Entry::Occupied(entry) => {
                let kept = entry.into_mut();
                kept.take_value_of(morsel);
                kept
            }
        }
    }

    /// The cookie with this name.
    pub fn get(&self, key: &str) -> Option<&Morsel> {
        self.morsels.get(key)
    }

    /// Mutable access to the cookie with this name, for setting attributes.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Morsel> {
        self.morsels.get_mut(key)
    }

    /// Removes the cookie with this name and returns it.
    pub fn remove(&mut self, key: &str) -> Option<Morsel> {
        self.morsels.remove(key)
    }

    /// The cookies in name order.
    pub fn iter(&self) -> impl Iterator<Item = &Morsel> {
        self.morsels.values()
    }

    /// The number of cookies.
    pub fn len(&self) -> usize {
        self.morsels.len()
    }

    /// True if there are no cookies.
    pub fn is_empty(&self) -> bool {
        self.morsels.is_empty()
    }

    /// Formats a `Set-Cookie` line for each cookie, in name order, with CR LF between the lines.
    pub fn output(&self) -> String {
        self.output_with(&Output::default())
    }

    /// Like [`output`](SimpleCookie::output), with the given attributes, line prefix and separator.
    ///
    /// ```
    /// use serve_forever::cookies::{Output, SimpleCookie};
    /// let mut cookies = SimpleCookie::new();
    /// cookies.set("rocky", "road")?.set("path", "/cookie")?;
    /// let output = Output { attributes: Some(&[]), header: "Cookie:", ..Output::default() };
    /// assert_eq!(cookies.output_with(&output), "Cookie: rocky=road");
    /// # Ok::<(), serve_forever::cookies::CookieError>(())
    /// ```
    pub fn output_with(&self, output: &Output<'_>) -> String {
        let lines = self.iter().map(|morsel| match output.attributes {
            Some(attributes) => format!("{} {}", output.header, morsel.output_with(attributes)),
            None => format!("{} {morsel}", output.header),
        });
        lines.collect::<Vec<_>>().join(output.separator)
    }
}

impl fmt::Display for SimpleCookie {
    /// Writes the text of [`output`](SimpleCookie::output), like Python's `str`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.output())
    }
}

/// One item of the string that [`SimpleCookie::load`] parses: a pair of a cookie's name and its coded value, or an
/// attribute of the preceding cookie.
enum Step<'t> {
    Pair(&'t str, &'t str),
    Attribute(&'t str, AttributeValue),
}

/// Parses a string into pairs and attributes. Returns `None` if Python ignores the whole string. Names are checked by
/// the caller, because Python parses the whole string before it checks any name.
fn steps(text: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    for item in Items::new(text) {
        let dollar = item.key.strip_prefix('$');
        let is_attribute = dollar.is_some() || reserved(item.key).is_some();
        match item.value {
            // `$Version` before the first pair applies to the whole field (RFC 2965), and is ignored.
            _ if steps.is_empty() && dollar.is_some() => {}
            _ if steps.is_empty() && is_attribute => return None,
            // Python unquotes the value of an attribute, unless its name begins with `$`.
            Some(value) if is_attribute => {
                let decoded = if dollar.is_some() { value.into() } else { AttributeValue::from(&*unquote(value)) };
                steps.push(Step::Attribute(dollar.unwrap_or(item.key), decoded));
            }
            Some(value) => steps.push(Step::Pair(item.key, value)),
            None => match (dollar, reserved(item.key)) {
                // The value `false` does not set the attribute. `Morsel::set` still rejects an unknown name.
                (Some(name), _) => steps.push(Step::Attribute(name, false.into())),
                (None, Some(flag)) if is_flag(flag) => steps.push(Step::Attribute(flag, true.into())),
                _ => return None,
            },
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Result<String, CookieError> {
        let mut cookies = SimpleCookie::new();
        cookies.load(text)?;
        Ok(cookies.iter().map(Morsel::to_string).collect::<Vec<_>>().join(" | "))
    }

    #[test]
    fn attributes_belong_to_the_pair_before_them() {
        for (text, expected) in [
            ("Customer=W; Version=1; Path=/acme", "Customer=W; Path=/acme; Version=1"),
            ("a=1; b=2; path=/x", "a=1 | b=2; Path=/x"),
            ("a=b; Secure; HttpOnly; Partitioned", "a=b; HttpOnly; Partitioned; Secure"),
            ("a=b; SameSite=Lax; c=d", "a=b; SameSite=Lax | c=d"),
            (r#"$Version=1; a=b; $Path="/acme""#, r#"a=b; Path="/acme""#),
            (r#"a=b; path="/acme""#, "a=b; Path=/acme"),
            ("a=1; path=/; a=2", "a=2; Path=/"),
            ("a=b; Path=", "a=b"),
            ("a=b; $Path; c=d", "a=b | c=d"),
        ] {
            assert_eq!(loaded(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_text_that_python_finds_invalid_is_read_as_nothing() {
        for text in ["Path=/; a=b", "a=b; word; c=d", "a=b; Path; c=d", "word", "Secure; a=b", "/x=1; word", ""] {
            assert_eq!(loaded(text).as_deref(), Ok(""), "{text}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_an_error_and_adds_nothing() {
        let mut cookies = SimpleCookie::new();
        for (text, error) in [
            ("a=1; /Common/x.app=1", CookieError::IllegalKey("/Common/x.app".to_owned())),
            ("a=b; $Foo=x", CookieError::InvalidAttribute("foo".to_owned())),
            (r#"a="b\012c""#, CookieError::ControlInValue("a".to_owned())),
            (r#"a=b; path="/; x""#, CookieError::InvalidAttributeValue("path".to_owned())),
        ] {
            assert_eq!(cookies.load(text), Err(error), "{text}");
            assert!(cookies.is_empty());
        }
    }

    #[test]
    fn a_value_that_was_written_is_read_back() {
        for value in ["plain", "two words", "a,b;c=\"d\\e\"", "ümlaut", "", "\\054", "{\"k\":[1,2]}"] {
            let mut cookies = SimpleCookie::new();
            cookies.set("n", value).unwrap();
            let output = Output { header: "", ..Output::default() };
            let mut again = SimpleCookie::new();
            again.load(&cookies.output_with(&output)).unwrap();
            assert_eq!(again, cookies, "{value}");
        }
    }

    #[test]
    fn a_server_reads_each_pair_by_itself() {
        let read = |field| -> Vec<(String, String)> {
            let cookies = SimpleCookie::from_cookie_field(field);
            cookies.iter().map(|morsel| (morsel.key().to_owned(), morsel.value().to_owned())).collect()
        };
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect()
        };
        assert_eq!(read("path=/; a=b; a=c"), owned(&[("a", "b"), ("path", "/")]));
        assert_eq!(read(r#"a="b\054\"c""#), owned(&[("a", "b,\"c")]));
        assert_eq!(read("a=\"b\\012\"; c=d"), owned(&[("c", "d")]), "a control character after an escape");
    }
}
