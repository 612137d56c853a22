//! A view of the header fields of a request.
//!
//! The bytes of the fields are in `request`, and their positions in `fields`. This module does not interpret values.

use std::borrow::Cow;

use super::{Fields, latin1};

/// The header fields of a request, in order, including duplicates, with raw bytes as values.
///
/// As in Python's `MessageClass`, [`get`](RequestFields::get) returns the first field with a name, and
/// [`get_all`](RequestFields::get_all) returns all of them. Names are case-insensitive (RFC 9110 section 5.1).
#[derive(Debug, Clone, Copy)]
pub struct RequestFields<'a> {
    pub(super) head: &'a [u8],
    pub(super) fields: &'a Fields,
}

impl<'a> RequestFields<'a> {
    /// The value of the first field with this name, without surrounding white space.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.get_all(name).next()
    }

    /// The value of the first field with this name, decoded as Latin-1, in which each byte is a character, as in
    /// Python's `headers[name]`. For another encoding, decode the bytes that [`get`](RequestFields::get) returns.
    pub fn get_str(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).map(latin1)
    }

    /// The values of all fields with this name, in order.
    #[inline]
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let head = self.head;
        self.fields
            .candidates(name)
            .iter()
            .filter(move |field| field.name.slice(head).eq_ignore_ascii_case(name.as_bytes()))
            .map(move |field| field.value.slice(head))
    }

    /// True if a field with this name exists; case is ignored.
    #[inline]
    pub fn contains(&self, name: &str) -> bool {
        self.get_all(name).next().is_some()
    }

    /// The name and value of every field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.pairs().map(|(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value))
    }

    /// The name and value of every field, in order, as bytes.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let head = self.head;
        self.fields.all().iter().map(move |field| (field.name.slice(head), field.value.slice(head)))
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.fields.all().len()
    }

    /// True if the request has no header fields.
    pub fn is_empty(&self) -> bool {
        self.fields.all().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use crate::http::Request;

    #[test]
    fn names_are_case_insensitive_and_duplicates_are_kept() {
        let request = Request::builder("GET", "/").header("X-A", "1").header("x-a", "2").header("Y", b"\xe9").build();
        let headers = request.headers();
        assert_eq!(headers.get("X-a"), Some(&b"1"[..]));
        assert_eq!(headers.get_all("x-A").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(headers.get_str("x-a").as_deref(), Some("1"));
        assert_eq!(headers.get_str("y").as_deref(), Some("é"), "a value is Latin-1");
        assert_eq!(headers.len(), 3);
        assert!(!headers.contains("z"));
        assert_eq!(headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["X-A", "x-a", "Y"]);
    }
}
