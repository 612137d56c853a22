//! The positions of a request's header fields, with a filter for absent names.
//!
//! The request owns the bytes of the fields, and `http1` parses them.
//!
//! Invariant: the bit of every name in `places` is set in `marks`. Other bits can be set too.

use super::Span;

/// The positions of the header fields in the head of a request, in order, and a filter for their names.
///
/// Most lookups are for fields that a request does not have, such as `Range` or `If-None-Match`. Therefore each name
/// sets one bit of `marks` (a Bloom filter with one hash function). If the bit of a name is not set, there is no such
/// field, so no search is needed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    places: Vec<Field>,
    marks: u64,
}

/// The position of a header field in the head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

impl Fields {
    /// Adds the position of a field, and sets the bit of its name in the filter.
    pub(crate) fn push(&mut self, name: &[u8], field: Field) {
        self.marks |= mark(name);
        self.places.push(field);
    }

    /// Adds the positions of `other`, whose head follows `start` bytes of this head.
    pub(super) fn append(&mut self, other: &Fields, start: usize) {
        let moved = |field: &Field| Field { name: field.name.moved_by(start), value: field.value.moved_by(start) };
        self.places.extend(other.places.iter().map(moved));
        self.marks |= other.marks;
    }

    /// Reserves memory for the positions of `count` more fields.
    pub(super) fn reserve(&mut self, count: usize) {
        self.places.reserve(count);
    }

    /// The fields that must be searched for this name: no fields if the filter shows that the name is absent, and
    /// otherwise all fields.
    #[inline]
    pub(super) fn candidates(&self, name: &str) -> &[Field] {
        if self.marks & mark(name.as_bytes()) == 0 { &[] } else { &self.places }
    }

    pub(super) fn all(&self) -> &[Field] {
        &self.places
    }

    /// Keeps the fields for which `wanted` returns true. The filter keeps all of its bits, which can only cause
    /// unnecessary searches.
    pub(super) fn retain(&mut self, wanted: impl FnMut(&Field) -> bool) {
        self.places.retain(wanted);
    }

    /// Makes `self` a copy of `other`, without allocating if the capacity is large enough.
    pub(super) fn copy_from(&mut self, other: &Fields) {
        self.places.clear();
        self.places.extend_from_slice(&other.places);
        self.marks = other.marks;
    }

    /// Removes all fields, but keeps the capacity.
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.marks = 0;
    }
}

/// The filter bit for a name, computed from its length, its first letter and its last letter; case is ignored. The
/// factors are chosen so that no field that browsers usually send shares a bit with a field that the services look up.
#[inline]
fn mark(name: &[u8]) -> u64 {
    let letter = |byte: Option<&u8>| byte.map_or(0, |byte| usize::from(byte | 0x20));
    1 << ((name.len() + 2 * letter(name.first()) + 11 * letter(name.last())) % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_browsers_send_share_no_bit_with_fields_that_services_look_up() {
        let sent = "Host User-Agent Accept Accept-Language Referer Connection Cookie Upgrade-Insecure-Requests DNT TE \
            Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User Priority Cache-Control Pragma";
        let asked = "if-match if-none-match if-modified-since if-unmodified-since if-range range accept-encoding \
            authorization access-control-request-method";
        let mut fields = Fields::default();
        let nowhere = Field { name: Span::default(), value: Span::default() };
        sent.split_whitespace().for_each(|name| fields.push(name.as_bytes(), nowhere));
        for name in asked.split_whitespace() {
            assert_eq!(fields.candidates(name).len(), 0, "{name}");
        }
        fields.push(b"ACCEPT-encoding", nowhere);
        assert_eq!(fields.candidates("Accept-Encoding").len(), fields.all().len());
        fields.clear();
        fields.push(b"Host", nowhere);
        assert_eq!(fields.candidates("Accept-Encoding").len(), 0, "the bits of the previous request are cleared");
    }
}
