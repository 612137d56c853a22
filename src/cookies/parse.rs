//! The parser of [`SimpleCookie::load`](super::SimpleCookie::load): CPython's regular expression, implemented as a
//! scanner that reads the text once. The caller distinguishes cookies from attributes.

/// One match of the regular expression: a key, and the value after the `=`. The value is `None` if there is no `=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item<'t> {
    pub(super) key: &'t str,
    pub(super) value: Option<&'t str>,
}

/// An iterator over the items of a string. Like CPython's parser, it stops without an error at the first part that is
/// not an item.
#[derive(Debug, Clone)]
pub(super) struct Items<'t> {
    rest: &'t str,
}

impl<'t> Items<'t> {
    pub(super) fn new(text: &'t str) -> Items<'t> {
        Items { rest: text }
    }
}

impl<'t> Iterator for Items<'t> {
    type Item = Item<'t>;

    fn next(&mut self) -> Option<Item<'t>> {
        let text = skip_blanks(self.rest);
        // The regular expression matches the shortest key: it ends before the first `=` after its first character, or
        // before the first character that cannot be part of a key.
        let first = text.chars().next().filter(|first| is_key(*first))?;
        let more = text[first.len_utf8()..].find(|c| !is_key(c) || c == '=');
        let end = more.map_or(text.len(), |at| at + first.len_utf8());
        let (key, after) = text.split_at(end);
        let with_value = skip_blanks(after).strip_prefix('=').and_then(|value| {
            // If only white space follows the `=`, the value is empty, and the white space ends the item.
            split_value(skip_blanks(value)).or_else(|| Some(("", end_of_item(value)?)))
        });
        let (value, rest) = match with_value {
            Some((value, rest)) => (Some(value), rest),
            None => (None, end_of_item(after)?),
        };
        self.rest = rest;
        Some(Item { key, value })
    }
}

/// Parses the value at the beginning of the text. Returns the value and the text after the item. Tries a quoted string,
/// a date and a word, in this order. The value must be followed by the end of the item.
fn split_value(text: &str) -> Option<(&str, &str)> {
    let word = text.find(|c| !is_value(c)).unwrap_or(text.len());
    let lengths = [quoted(text), date(text), Some(word)];
    lengths.into_iter().flatten().find_map(|length| {
        let (value, rest) = text.split_at(length);
        Some((value, end_of_item(rest)?))
    })
}

/// Skips the end of an item: a semicolon, white space or the end of the text. Returns the text after it; `None` if the
/// item does not end here.
fn end_of_item(text: &str) -> Option<&str> {
    let rest = skip_blanks(text);
    match rest.strip_prefix(';') {
        Some(rest) => Some(rest),
        None if rest.is_empty() || rest.len() < text.len() => Some(rest),
        None => None,
    }
}

/// True if the whole text is one quoted string: the quote that ends it is its last character.
pub(super) fn is_quoted(text: &str) -> bool {
    quoted(text) == Some(text.len())
}

/// The length of the quoted string at the beginning of the text, including its quotes. A backslash escapes the next
/// character.
fn quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    let inner = text.strip_prefix('"')?;
    let end = inner.char_indices().find(|(_, character)| {
        let ends = *character == '"' && !escaped;
        escaped = *character == '\\' && !escaped;
        ends
    });
    end.map(|(at, _)| at + 2)
}

/// The length of the date at the beginning of the text, such as `Wed, 01 Jan 2098 00:00:00 GMT`. A date is the only
/// unquoted value that can contain white space. The day of the week has three letters or is written in full, and the
/// parts of the date are separated by hyphens or white space.
fn date(text: &str) -> Option<usize> {
    let weekday = text.find(',')?;
    let is_weekday = weekday == 3 || (text[..weekday].ends_with("day") && (6..=9).contains(&weekday));
    let bytes = text.as_bytes();
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if !is_weekday || !bytes[..weekday].iter().all(word) || !bytes.get(weekday + 1)?.is_ascii_whitespace() {
        return None;
    }
    (9..=11).rev().find_map(|length| {
        let day = weekday + 2;
        let time = day + length + 1;
        let end = time + 12;
        let is_day = bytes.get(day..time - 1)?.iter().all(|b| word(b) || b.is_ascii_whitespace() || *b == b'-');
        let is_time = bytes.get(time..time + 8)?.iter().all(|b| b.is_ascii_digit() || *b == b':');
        let blanks = bytes[time - 1].is_ascii_whitespace() && bytes.get(time + 8)?.is_ascii_whitespace();
        (is_day && is_time && blanks && bytes.get(time + 9..end)? == b"GMT").then_some(end)
    })
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c'])
}

/// True for the characters that CPython parses as part of a key. Many of them are not allowed in a name, and are
/// rejected later.
fn is_key(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_!#%&'~`><@,:/$*+-.^|)(?}{=".contains(character)
}

/// True for the characters that can occur in an unquoted value. As in CPython 3.15, these include the quotation mark.
fn is_value(character: char) -> bool {
    is_key(character) || "[]\"".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(&str, Option<&str>)> {
        Items::new(text).map(|item| (item.key, item.value)).collect()
    }

    #[test]
    fn items_end_at_semicolons_and_blanks() {
        for (text, expected) in [
            ("", &[][..]),
            ("a=1;b=2; c=3", &[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))]),
            ("a=1 b=2", &[("a", Some("1")), ("b", Some("2"))]),
            ("a = 1 ;", &[("a", Some("1"))]),
            ("a=; b", &[("a", Some("")), ("b", None)]),
            ("key:term=value:term", &[("key:term", Some("value:term"))]),
            ("a=b=c", &[("a", Some("b=c"))]),
            ("=a", &[("=a", None)]),
            ("a= \u{e9}", &[("a", Some(""))]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn reading_stops_at_the_first_place_that_is_not_an_item() {
        assert_eq!(read("a=1; b[c]=2; d=3"), [("a", Some("1"))]);
        assert_eq!(read("a=1; b=x\\y; d=3"), [("a", Some("1"))]);
        assert_eq!(read("a=1;; b=2"), [("a", Some("1"))]);
        assert_eq!(read("caf\u{e9}=1"), []);
    }

    #[test]
    fn quoted_values_hold_semicolons_and_escapes() {
        assert_eq!(read(r#"a="b; c=\"d\"; e"; f=1"#), [("a", Some(r#""b; c=\"d\"; e""#)), ("f", Some("1"))]);
        assert_eq!(read(r#"a="\\"; f=1"#), [("a", Some(r#""\\""#)), ("f", Some("1"))]);
    }

    /// CPython 3.13 stops parsing at a quote inside an unquoted value.
    #[test]
    fn quotes_inside_a_value_belong_to_it() {
        assert_eq!(read(r#"a={"x":1}; b=2"#), [("a", Some(r#"{"x":1}"#)), ("b", Some("2"))]);
        assert_eq!(read(r#"a="b; c=d"#), [("a", Some("\"b")), ("c", Some("d"))]);
        assert_eq!(read(r#"a="b"c; d=e"#), [("a", Some("\"b\"c")), ("d", Some("e"))]);
    }

    #[test]
    fn a_date_is_the_only_value_with_blanks() {
        for date in [
            "Wed, 01 Jan 2098 00:00:00 GMT",
            "Wed, 01-Jan-2098 00:00:00 GMT",
            "Wed, 01-Jan-98 00:00:00 GMT",
            "Wednesday, 01-Jan-98 00:00:00 GMT",
        ] {
            assert_eq!(read(&format!("expires={date}; a=b")), [("expires", Some(date)), ("a", Some("b"))]);
        }
        for short in ["Wed, 01 Jan 2098 00:00:00", "Wed, 1", "dday, 01 Jan 2098 00:00:00 GMT", "é, 1"] {
            assert_ne!(read(&format!("expires={short}")), [("expires", Some(short))], "{short}");
        }
    }
}
