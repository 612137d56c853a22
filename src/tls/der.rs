//! A parser for the parts of DER (X.690) that certificates and private keys need: elements with their tags, in order.
//!
//! `x509` and `private_key` interpret the elements.

/// The tags of the supported element types.
pub(super) mod tag {
    pub(in crate::tls) const BOOLEAN: u8 = 0x01;
    pub(in crate::tls) const INTEGER: u8 = 0x02;
    pub(in crate::tls) const OCTET_STRING: u8 = 0x04;
    pub(in crate::tls) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(in crate::tls) const UTC_TIME: u8 = 0x17;
    pub(in crate::tls) const GENERALIZED_TIME: u8 = 0x18;
    pub(in crate::tls) const BMP_STRING: u8 = 0x1e;
    pub(in crate::tls) const SEQUENCE: u8 = 0x30;
    pub(in crate::tls) const SET: u8 = 0x31;

    /// The tag of a context-specific element `[number]` that contains other elements.
    pub(in crate::tls) const fn context(number: u8) -> u8 {
        0xa0 | number
    }

    /// The tag of a context-specific element `[number]` that contains bytes.
    pub(in crate::tls) const fn context_bytes(number: u8) -> u8 {
        0x80 | number
    }
}

/// One DER element: its tag, its contents, and all of its bytes including the tag and the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'d> {
    pub(super) tag: u8,
    pub(super) contents: &'d [u8],
    pub(super) whole: &'d [u8],
}

impl<'d> Element<'d> {
    /// An iterator over the elements inside this one.
    pub(super) fn reader(self) -> Elements<'d> {
        Elements(self.contents)
    }
}

/// A sequence of elements.
///
/// Iteration ends at the end of the bytes, or at the first byte that does not begin a valid element. In both cases, a
/// caller that expects another element gets `None`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elements<'d>(pub(super) &'d [u8]);

impl<'d> Elements<'d> {
    /// Returns the next element if it has this tag. Otherwise the position does not change.
    pub(super) fn next_with(&mut self, tag: u8) -> Option<Element<'d>> {
        let mut rest = *self;
        let element = rest.next().filter(|element| element.tag == tag)?;
        *self = rest;
        Some(element)
    }

    /// Returns the elements inside the next element, if that element has this tag.
    pub(super) fn enter(&mut self, tag: u8) -> Option<Elements<'d>> {
        self.next_with(tag).map(Element::reader)
    }
}

impl<'d> Iterator for Elements<'d> {
    type Item = Element<'d>;

    fn next(&mut self) -> Option<Element<'d>> {
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>()?;
        // The low seven bits contain the length, or the number of length bytes that follow.
        let (length, rest) = match usize::from(first) {
            short @ 0..=0x7f => (short, rest),
            long @ 0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(long - 0x80)?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        Some(Element { tag, contents, whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_in_order_and_by_their_tags() {
        let bytes = [0x30, 0x05, 0x02, 0x01, 0x07, 0x04, 0x00, 0x01, 0x01, 0xff];
        let mut all = Elements(&bytes);
        assert_eq!(all.next_with(tag::INTEGER), None);
        let mut inner = all.enter(tag::SEQUENCE).unwrap();
        assert_eq!(inner.next_with(tag::INTEGER).unwrap().contents, [7]);
        assert_eq!(inner.next().unwrap().whole, [0x04, 0x00]);
        assert_eq!(inner.next(), None);
        assert_eq!(all.next().unwrap(), Element { tag: tag::BOOLEAN, contents: &[0xff], whole: &bytes[7..] });
    }

    #[test]
    fn long_lengths_are_read_and_lengths_beyond_the_end_are_refused() {
        let mut bytes = vec![0x04, 0x82, 0x01, 0x00];
        bytes.resize(4 + 256, 9);
        assert_eq!(Elements(&bytes).next().unwrap().contents, [9; 256]);
        assert_eq!(Elements(&bytes[..259]).next(), None);
        for wrong in [&[0x04][..], &[0x04, 0x80, 0, 0], &[0x04, 0x85, 0, 0, 0, 0, 0], &[0x04, 0x84, 0xff, 0xff, 0xff]] {
            assert_eq!(Elements(wrong).next(), None, "{wrong:x?}");
        }
    }
}
