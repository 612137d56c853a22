//! Converts text to field values and back. Both directions use Latin-1, like Python's `http.server`.
//!
//! The bytes in a field value are checked in `field_block`.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// A type that can be the value of a header field: text, bytes, an integer, or `format_args!` with any displayable
/// values.
///
/// Text is written as Latin-1, one byte per character, as in Python's `send_header`. Bytes are written unchanged, so a
/// value in another encoding must be given as bytes.
///
/// ```
/// use serve_forever::http::FieldBlock;
/// let mut head = FieldBlock::new();
/// head.add("X-Text", "é")?;
/// head.add("X-Bytes", "é".as_bytes())?;
/// head.add("X-Number", 5)?;
/// assert_eq!(head.lines(), b"X-Text: \xe9\r\nX-Bytes: \xc3\xa9\r\nX-Number: 5\r\n");
/// assert!(head.add("X-Text", "€").is_err());
/// # Ok::<(), serve_forever::http::InvalidHeader>(())
/// ```
pub trait FieldValue {
    /// Appends the value to the field line.
    ///
    /// # Errors
    /// Returns an error if the text contains a character above U+00FF, which is not in Latin-1. The error contains the
    /// first such character.
    fn append_to(&self, line: &mut Vec<u8>) -> Result<(), NotLatin1>;
}

/// A character that is not in Latin-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLatin1(pub char);

impl fmt::Display for NotLatin1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not in Latin-1", self.0)
    }
}

impl std::error::Error for NotLatin1 {}

impl FieldValue for str {
    #[inline]
    fn append_to(&self, line: &mut Vec<u8>) -> Result<(), NotLatin1> {
        if self.is_ascii() {
            line.extend_from_slice(self.as_bytes());
            return Ok(());
        }
        append_latin1(self, line)
    }
}

/// Appends text that is not ASCII. This is a separate function, so that the common case, ASCII, is inlined as a simple
/// copy.
#[cold]
fn append_latin1(text: &str, line: &mut Vec<u8>) -> Result<(), NotLatin1> {
    text.chars().try_for_each(|character| {
        // The conversion must be checked, because truncation to eight bits would turn U+010D into CR and U+010A into
        // LF.
        line.push(u8::try_from(character).map_err(|_| NotLatin1(character))?);
        Ok(())
    })
}

impl FieldValue for String {
    fn append_to(&self, line: &mut Vec<u8>) -> Result<(), NotLatin1> {
        self.as_str().append_to(line)
    }
}

impl FieldValue for [u8] {
    fn append_to(&self, line: &mut Vec<u8>) -> Result<(), NotLatin1> {
        line.extend_from_slice(self);
        Ok(())
    }
}

impl<const N: usize> FieldValue for [u8; N] {
    fn append_to(&self, line: &mut Vec<u8>) -> Result<(), NotLatin1> {
        self.as_slice().append_to(line)
    }
}

impl FieldValue for Vec<u8> {
    fn append_to(&self, line: &mut Vec<u8>) -> Result<(), NotLatin1> {
        self.as_slice().append_to(line)
    }
}

impl<T: FieldValue + ?Sized> FieldValue for &T {
    fn append_to(&self, line: &mut Vec<u8>) -> Result<(), NotLatin1> {
        (**self).append_to(line)
    }
}

impl<T: FieldValue + ToOwned + ?Sized> FieldValue for Cow<'_, T> {
    fn append_to(&self, line: &mut Vec<u8>) -> Result<(), NotLatin1> {
        (**self).append_to(line)
    }
}

impl FieldValue for fmt::Arguments<'_> {
    fn append_to(&self, line: &mut Vec<u8>) -> Result<(), NotLatin1> {
        let mut latin1 = Latin1Writer { line, refused: None };
        _ = latin1.write_fmt(*self);
        latin1.refused.map_or(Ok(()), Err)
    }
}

/// Implements the trait for integer types, which are written in decimal digits.
macro_rules! numbers {
    ($($number:ty)*) => {
        $(impl FieldValue for $number {
            fn append_to(&self, line: &mut Vec<u8>) -> Result<(), NotLatin1> {
                line.extend_from_slice(itoa::Buffer::new().format(*self).as_bytes());
                Ok(())
            }
        })*
    };
}

numbers! { i32 i64 u16 u32 u64 usize }

/// Appends formatted text as Latin-1. A character that is not in Latin-1 is stored here, because `fmt::Error` cannot
/// contain it.
struct Latin1Writer<'l> {
    line: &'l mut Vec<u8>,
    refused: Option<NotLatin1>,
}

impl Write for Latin1Writer<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        piece.append_to(self.line).map_err(|refused| {
            self.refused = Some(refused);
            fmt::Error
        })
    }
}

/// Decodes bytes as Latin-1, in which every byte is a character. Does not allocate if all bytes are ASCII.
pub(crate) fn latin1(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => bytes.iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: impl FieldValue) -> Result<Vec<u8>, NotLatin1> {
        let mut line = b"before ".to_vec();
        value.append_to(&mut line)?;
        Ok(line.split_off(b"before ".len()))
    }

    #[test]
    fn every_latin1_character_is_one_byte_and_is_read_back() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        let text = latin1(&all);
        assert_eq!(text.chars().map(u32::from).collect::<Vec<_>>(), (0..=255).collect::<Vec<_>>());
        assert_eq!(written(&text).as_deref(), Ok(&all[..]));
        assert_eq!(written(text.to_string()).as_deref(), Ok(&all[..]));
        assert_eq!(written(format_args!("{text}{}", 5)).as_deref(), Ok(&[&all[..], b"5"].concat()[..]));
        assert!(matches!(latin1(b"plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn a_character_above_latin1_is_refused_and_not_truncated_to_eight_bits() {
        for character in ['\u{100}', '\u{10a}', '\u{10d}', '€', '日', '\u{ffff}', '😀'] {
            let text = format!("a{character}b");
            assert_eq!(written(&text), Err(NotLatin1(character)));
            assert_eq!(written(format_args!("{text}")), Err(NotLatin1(character)));
        }
        assert_eq!(NotLatin1('€').to_string(), "'€' is not in Latin-1");
    }

    #[test]
    fn bytes_are_written_unchanged_and_numbers_in_decimal() {
        assert_eq!(written("€".as_bytes()).as_deref(), Ok("€".as_bytes()));
        assert_eq!(written(b"\xff\x80").as_deref(), Ok(&b"\xff\x80"[..]));
        assert_eq!(written(Cow::Borrowed(&b"\xff"[..])).as_deref(), Ok(&b"\xff"[..]));
        assert_eq!(written(vec![1, 2]).as_deref(), Ok(&[1, 2][..]));
        assert_eq!(written(-5).as_deref(), Ok(&b"-5"[..]));
        assert_eq!(written(u64::MAX).as_deref(), Ok(&b"18446744073709551615"[..]));
    }
}
