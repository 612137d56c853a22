use super::Span;

/// Where the header fields of a request stand in its head, in their order, and which names there may be.
///
/// Most questions about a request are about fields that it does not have: whether it is conditional, wants a part,
/// takes a coding. So the names leave a mark each in one word, and a name without its mark need not be looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    places: Vec<Field>,
    marks: u64,
}

/// Where a header field stands in the head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

impl Fields {
    /// Adds a field of this name.
    pub(crate) fn push(&mut self, name: &[u8], field: Field) {
        self.marks |= mark(name);
        self.places.push(field);
    }

    /// The fields among which all of this name are: none if there are none, for certain.
    #[inline]
    pub(super) fn candidates(&self, name: &str) -> &[Field] {
        if self.marks & mark(name.as_bytes()) == 0 { &[] } else { &self.places }
    }

    pub(super) fn all(&self) -> &[Field] {
        &self.places
    }

    /// Keeps those that `wanted` says.
    pub(super) fn retain(&mut self, wanted: impl FnMut(&Field) -> bool) {
        self.places.retain(wanted);
    }

    /// Becomes the same as another, in the memory that it has.
    pub(super) fn copy_from(&mut self, other: &Fields) {
        self.places.clear();
        self.places.extend_from_slice(&other.places);
        self.marks = other.marks;
    }

    /// Removes all, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.marks = 0;
    }
}

/// One bit for a name, in any case: from its length, its first and its last letter, which tells those apart that the
/// services ask for and that browsers send.
#[inline]
fn mark(name: &[u8]) -> u64 {
    let letter = |byte: Option<&u8>| byte.map_or(0, |byte| usize::from(byte | 0x20));
    1 << ((name.len() + 2 * letter(name.first()) + 11 * letter(name.last())) % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_sends_hides_nothing_that_is_asked_for() {
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
        assert_eq!(fields.candidates("Accept-Encoding").len(), 0, "those of the last request have left no mark");
    }
}
