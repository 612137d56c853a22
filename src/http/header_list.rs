//! `HeaderList`: an owned list of header fields. It is used for requests that a client sends, for responses that it has
//! received, and for trailer fields.
//!
//! The fields of a response that a server sends are in `field_block`. This module does not interpret fields.
//!
//! Invariant: `lines` contains only well-formed field lines (RFC 9110 section 5.5), each with its CRLF.

use std::borrow::Cow;
use std::fmt;

use super::{Field, FieldValue, Fields, InvalidHeader, NotLatin1, RequestFields, Span, is_field_value, is_token};

/// A list of header fields, which keeps their order, duplicates and the case of their names. Values are bytes.
///
/// ```
/// use serve_forever::http::HeaderList;
/// let mut headers = HeaderList::new();
/// headers.add("Accept", "text/html")?;
/// headers.add("X-Size", 5)?;
/// assert_eq!(headers.get("accept"), Some(&b"text/html"[..]));
/// assert_eq!(headers.lines(), b"Accept: text/html\r\nX-Size: 5\r\n");
/// assert!(headers.add("X", "a\r\nEvil: 1").is_err());
/// # Ok::<(), serve_forever::http::InvalidHeader>(())
/// ```
#[derive(Clone, Default)]
pub struct HeaderList {
    lines: Vec<u8>,
    fields: Fields,
}

impl HeaderList {
    /// Creates an empty list.
    pub fn new() -> HeaderList {
        HeaderList::default()
    }

    /// Adds a field after the existing ones. Text is written as Latin-1; see [`FieldValue`].
    ///
    /// # Errors
    /// Returns an error if the name is not a token, or if the value contains a control character or a character above
    /// U+00FF. The list is then unchanged.
    pub fn add(&mut self, name: &str, value: impl FieldValue) -> Result<(), InvalidHeader> {
        if !is_token(name.as_bytes()) {
            return Err(InvalidHeader::Name(name.to_owned()));
        }
        let start = self.begin_line(name.as_bytes());
        let value_start = self.lines.len();
        // The line is written first and checked in place. It is removed if the field is refused.
        let added = match value.append_to(&mut self.lines) {
            Err(NotLatin1(character)) => Err(InvalidHeader::NotLatin1(name.to_owned(), character)),
            Ok(()) if !is_field_value(&self.lines[value_start..]) => Err(InvalidHeader::Value(name.to_owned())),
            Ok(()) => Ok(()),
        };
        match &added {
            Ok(()) => self.end_line(start, value_start),
            Err(_) => self.lines.truncate(start),
        }
        added
    }

    /// Replaces all fields with this name (case is ignored) with one field at the end of the list.
    ///
    /// A proxy uses this for a field whose value must not come from the client:
    ///
    /// ```
    /// use serve_forever::http::HeaderList;
    /// let mut headers = HeaderList::new();
    /// headers.add("x-forwarded-proto", "https")?;
    /// headers.add("Accept", "*/*")?;
    /// headers.set("X-Forwarded-Proto", "http")?;
    /// assert_eq!(headers.lines(), b"Accept: */*\r\nX-Forwarded-Proto: http\r\n");
    /// # Ok::<(), serve_forever::http::InvalidHeader>(())
    /// ```
    ///
    /// # Errors
    /// Returns the same errors as [`add`](HeaderList::add). The list is then unchanged.
    pub fn set(&mut self, name: &str, value: impl FieldValue) -> Result<(), InvalidHeader> {
        let earlier = self.len();
        self.add(name, value)?;
        if self.get_all(name).nth(1).is_some() {
            self.retain(|at, other| at >= earlier || !other.eq_ignore_ascii_case(name.as_bytes()));
        }
        Ok(())
    }

    /// Removes all fields with this name; case is ignored.
    pub fn remove(&mut self, name: &str) {
        if self.contains(name) {
            self.retain(|_, other| !other.eq_ignore_ascii_case(name.as_bytes()));
        }
    }

    /// Keeps the fields for whose index and name `wanted` returns true.
    fn retain(&mut self, wanted: impl Fn(usize, &[u8]) -> bool) {
        let all = std::mem::take(self);
        for (at, (name, value)) in all.pairs().enumerate() {
            if wanted(at, name) {
                self.push(name, value);
            }
        }
    }

    /// Adds a field that has already been checked.
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        let start = self.begin_line(name);
        let value_start = self.lines.len();
        self.lines.extend_from_slice(value);
        self.end_line(start, value_start);
    }

    /// Adds a field that has already been checked from a head in which it has the position `field`.
    pub(crate) fn push_from(&mut self, head: &[u8], field: Field) {
        let (name, value) = (field.name.slice(head), field.value.slice(head));
        let line = head.get(field.name.start()..field.value.start() + value.len() + 2).unwrap_or_default();
        // Nearly every sender separates name and value by a colon and one space, as the lines of this list do. Such a
        // line is copied as a whole.
        let is_usual = line.len() == name.len() + value.len() + 4 && line[name.len()..].starts_with(b": ");
        if !is_usual || !line.ends_with(b"\r\n") {
            return self.push(name, value);
        }
        let (start, name_length) = (self.lines.len(), name.len());
        self.lines.extend_from_slice(line);
        let value_start = start + name_length + 2;
        let value = Span::new(value_start, value_start + value.len());
        self.fields.push(name, Field { name: Span::new(start, start + name_length), value });
    }

    /// Writes the name of a field. Returns the position of the name.
    fn begin_line(&mut self, name: &[u8]) -> usize {
        let start = self.lines.len();
        self.lines.extend_from_slice(name);
        self.lines.extend_from_slice(b": ");
        start
    }

    /// Ends the line whose name begins at `start`, and whose value begins at `value_start` and has been written.
    fn end_line(&mut self, start: usize, value_start: usize) {
        let name_end = value_start - 2;
        let field = Field { name: Span::new(start, name_end), value: Span::new(value_start, self.lines.len()) };
        self.lines.extend_from_slice(b"\r\n");
        self.fields.push(&self.lines[start..name_end], field);
    }

    /// Adds all fields of another list after the existing ones.
    pub fn append(&mut self, other: &HeaderList) {
        self.fields.append(&other.fields, self.lines.len());
        self.lines.extend_from_slice(&other.lines);
    }

    /// Reserves memory for `count` more fields, whose lines have `bytes` bytes.
    pub(crate) fn reserve(&mut self, count: usize, bytes: usize) {
        self.fields.reserve(count);
        self.lines.reserve(bytes);
    }

    /// Removes all fields, but keeps the capacity.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.fields.clear();
    }

    /// The value of the first field with this name; case is ignored.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.view().get(name)
    }

    /// The value of the first field with this name as Latin-1 text, in which each byte is a character.
    pub fn get_str(&self, name: &str) -> Option<Cow<'_, str>> {
        self.view().get_str(name)
    }

    /// The values of all fields with this name, in order.
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &[u8]> + use<'_, 'n> {
        self.view().get_all(name)
    }

    /// True if a field with this name exists; case is ignored.
    pub fn contains(&self, name: &str) -> bool {
        self.view().contains(name)
    }

    /// The name and value of every field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.view().iter()
    }

    /// The name and value of every field, in order, as bytes.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.view().pairs()
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// True if the list contains no fields.
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// The field lines as sent, each with its CRLF.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The line of every field, with its CRLF, and the length of its name.
    pub(super) fn stored_lines(&self) -> impl Iterator<Item = (&[u8], usize)> {
        self.fields.all().iter().map(|field| {
            let (start, name) = (field.name.start(), field.name.slice(&self.lines));
            let end = field.value.start() + field.value.slice(&self.lines).len() + 2;
            (&self.lines[start..end], name.len())
        })
    }

    pub(super) fn view(&self) -> RequestFields<'_> {
        RequestFields { head: &self.lines, fields: &self.fields }
    }
}

impl PartialEq for HeaderList {
    fn eq(&self, other: &HeaderList) -> bool {
        // Only the lines are compared, because the positions and the filter are derived from them.
        self.lines == other.lines
    }
}

impl Eq for HeaderList {}

impl fmt::Debug for HeaderList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, value.escape_ascii().to_string()))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_order_spelling_and_duplicates() {
        let mut list = HeaderList::new();
        list.add("x-B", 2).unwrap();
        list.add("X-a", "é").unwrap();
        list.add("X-b", b"\xff".as_slice()).unwrap();
        list.add("Empty", "").unwrap();
        assert_eq!(list.lines(), b"x-B: 2\r\nX-a: \xe9\r\nX-b: \xff\r\nEmpty: \r\n");
        assert_eq!(list.get_all("X-B").collect::<Vec<_>>(), [&b"2"[..], b"\xff"]);
        assert_eq!(list.get_str("x-a").as_deref(), Some("é"));
        assert_eq!((list.get("empty"), list.get("none")), (Some(&b""[..]), None));
        assert_eq!(list.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["x-B", "X-a", "X-b", "Empty"]);
        assert_eq!(format!("{list:?}"), r#"{"x-B": "2", "X-a": "\\xe9", "X-b": "\\xff", "Empty": ""}"#);
        list.clear();
        assert!(list.is_empty() && list == HeaderList::new() && !list.contains("x-a"));
    }

    #[test]
    fn a_field_that_is_set_replaces_all_of_its_name_unless_it_is_refused() {
        let mut list = HeaderList::new();
        for (name, value) in [("X-A", "1"), ("B", "2"), ("x-a", "3"), ("X-Ab", "4")] {
            list.add(name, value).unwrap();
        }
        let before = list.clone();
        assert!(list.set("x-A", "a\r\nY: b").is_err() && list == before);
        list.set("x-A", 5).unwrap();
        assert_eq!(list.lines(), b"B: 2\r\nX-Ab: 4\r\nx-A: 5\r\n");
        assert_eq!((list.get("X-A"), list.len()), (Some(&b"5"[..]), 3));
        list.set("New", "").unwrap();
        list.remove("b");
        list.remove("None");
        assert_eq!(list.lines(), b"X-Ab: 4\r\nx-A: 5\r\nNew: \r\n");
    }

    #[test]
    fn a_field_of_another_head_is_added_in_the_form_of_the_list() {
        for (line, value) in
            [("Name: a b\r\n", 6..9), ("Name:a b\r\n", 5..8), ("Name: \ta b \r\n", 7..10), ("Name: a b", 6..9)]
        {
            let head = format!("X: 1\r\n{line}");
            let field = Field { name: Span::new(6, 10), value: Span::new(6 + value.start, 6 + value.end) };
            let mut list = HeaderList::new();
            list.add("A", "1").unwrap();
            list.push_from(head.as_bytes(), field);
            assert_eq!(list.lines(), b"A: 1\r\nName: a b\r\n", "{line:?}");
            assert_eq!(list.get("name"), Some(&b"a b"[..]), "{line:?}");
        }
    }

    #[test]
    fn an_appended_list_follows_the_fields_that_are_there() {
        let (mut list, mut more) = (HeaderList::new(), HeaderList::new());
        list.add("A", "1").unwrap();
        for (name, value) in [("a", "2"), ("B", "3")] {
            more.add(name, value).unwrap();
        }
        list.append(&more);
        list.add("C", "4").unwrap();
        assert_eq!(list.lines(), b"A: 1\r\na: 2\r\nB: 3\r\nC: 4\r\n");
        assert_eq!(list.get_all("a").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!((list.get("b"), list.get("c")), (Some(&b"3"[..]), Some(&b"4"[..])));
    }

    #[test]
    fn a_field_that_could_split_a_message_is_refused() {
        let mut list = HeaderList::new();
        for (name, value) in [("", "b"), (" X", "b"), ("X:", "b"), ("X\n", "b"), ("X(", "b"), ("X\u{e9}", "b")] {
            assert!(matches!(list.add(name, value), Err(InvalidHeader::Name(_))), "{name:?}");
        }
        for value in ["a\r\nY: b", "a\n", "a\0b", "a\r\n b", "\u{10d}\u{10a}"] {
            assert!(list.add("X", value).is_err(), "{value:?}");
        }
        assert!(list.is_empty());
    }
}
