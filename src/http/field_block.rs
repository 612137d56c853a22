//! The header fields of a response, checked when they are added and stored as the bytes that are sent.
//!
//! The connection adds `Date`, `Server` and the framing fields.
//!
//! Invariant: `lines` contains only well-formed field lines (RFC 9110 section 5.5), each with its CRLF, and neither
//! `Connection` nor `Transfer-Encoding`.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use super::{FieldValue, HeaderList, NotLatin1, is_token, list_elements};

/// The header fields of a response, stored as the bytes that will be sent.
///
/// Names and values are checked when they are added. Fields that affect the connection are treated differently. The
/// connection compares `Content-Length` with the length of the body. `Connection` can be `close` or `keep-alive`. It
/// determines whether the connection persists, and is not stored as a line. If there is an `Upgrade` field, the
/// connection sends the `upgrade` option. `Transfer-Encoding` is refused, because the connection chooses the framing.
///
/// Many responses can [share](FieldBlock::share) the bytes of a block. Cloning the block then only increments a
/// reference count.
#[derive(Debug, Clone, Default)]
pub struct FieldBlock {
    lines: Lines,
    content_length: Option<u64>,
    keep_alive: Option<bool>,
    has_date: bool,
    has_server: bool,
    has_upgrade: bool,
}

/// Consecutive field lines of the form `Name: value\r\n`.
#[derive(Debug, Clone)]
enum Lines {
    Owned(Vec<u8>),
    Shared(Arc<[u8]>),
}

impl Default for Lines {
    fn default() -> Self {
        Lines::Owned(Vec::new())
    }
}

/// The number of bytes that are reserved for a value. Most values are not longer.
const VALUE: usize = 48;

/// The reason why a header field was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidHeader {
    /// The name is not a token (RFC 9110 section 5.1).
    Name(String),
    /// The value of the named field contains CR, LF, NUL or another control character (RFC 9110 section 5.5).
    Value(String),
    /// The text value of the named field contains this character, which is above U+00FF and therefore not in Latin-1. A
    /// value in another encoding can be given as bytes.
    NotLatin1(String, char),
    /// The value of `Content-Length` is not a decimal number, or the field is set a second time.
    ContentLength(String),
    /// The field is `Transfer-Encoding`, or it is `Connection` and has an option other than `close` and `keep-alive`.
    Framing(String),
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidHeader::Name(name) => write!(f, "invalid header name {name:?}"),
            InvalidHeader::Value(name) => write!(f, "invalid value for header {name:?}"),
            InvalidHeader::NotLatin1(name, character) => {
                write!(f, "invalid value for header {name:?}: {}", NotLatin1(*character))
            }
            InvalidHeader::ContentLength(value) => write!(f, "invalid Content-Length {value:?}"),
            InvalidHeader::Framing(field) => write!(f, "{field}: the connection frames its messages itself"),
        }
    }
}

impl std::error::Error for InvalidHeader {}

impl From<InvalidHeader> for std::io::Error {
    fn from(error: InvalidHeader) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidInput, error)
    }
}

/// True if all of the bytes are allowed in a field value: visible characters, SP, HTAB and bytes above 0x7f (RFC 9110
/// section 5.5).
pub(crate) fn is_field_value(value: &[u8]) -> bool {
    // The loop does not stop at the first invalid byte, so that it can be vectorised. Nearly all values are valid.
    value.iter().fold(true, |valid, byte| valid & ((*byte >= 0x20) & (*byte != 0x7f) | (*byte == b'\t')))
}

impl FieldBlock {
    /// Creates an empty block.
    pub fn new() -> FieldBlock {
        FieldBlock::default()
    }

    /// Adds a field. Like Python's `send_header`, it does not replace earlier fields with the same name. Text is
    /// written as Latin-1; see [`FieldValue`].
    ///
    /// # Errors
    /// Returns an error if the name is not a token, if the value contains a control character or a character above
    /// U+00FF, or if the field would contradict the framing of the message; see [`InvalidHeader`]. The fields are then
    /// unchanged.
    pub fn add(&mut self, name: &str, value: impl FieldValue) -> Result<(), InvalidHeader> {
        if !is_token(name.as_bytes()) {
            return Err(InvalidHeader::Name(name.to_owned()));
        }
        let lines = self.owned_lines();
        let start = lines.len();
        lines.reserve(name.len() + VALUE + 4);
        lines.extend_from_slice(name.as_bytes());
        lines.extend_from_slice(b": ");
        let added = match value.append_to(lines) {
            Ok(()) => self.check_added(start, name),
            Err(NotLatin1(character)) => Err(InvalidHeader::NotLatin1(name.to_owned(), character)),
        };
        // The line is written first and checked in place. It is removed if the field is refused, or if it is
        // `Connection`.
        match added {
            Ok(true) => self.owned_lines().extend_from_slice(b"\r\n"),
            Ok(false) | Err(_) => self.owned_lines().truncate(start),
        }
        added.map(drop)
    }

    /// Checks the field whose line begins at `start`. Returns true if the line is to be kept.
    fn check_added(&mut self, start: usize, name: &str) -> Result<bool, InvalidHeader> {
        let at = start + name.len() + 2;
        if !is_field_value(&self.lines()[at..]) {
            return Err(InvalidHeader::Value(name.to_owned()));
        }
        // The length of the name is compared first, because most names differ in length from the names below.
        match name.len() {
            17 if name.eq_ignore_ascii_case("transfer-encoding") => Err(InvalidHeader::Framing(name.to_owned())),
            10 if name.eq_ignore_ascii_case("connection") => {
                let value = self.lines()[at..].to_vec();
                self.set_connection(&value).map(|()| false)
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                let length = parse_length(&self.lines()[at..], self.content_length)?;
                self.content_length = Some(length);
                Ok(true)
            }
            4 => {
                self.has_date |= name.eq_ignore_ascii_case("date");
                Ok(true)
            }
            6 => {
                self.has_server |= name.eq_ignore_ascii_case("server");
                Ok(true)
            }
            7 => {
                self.has_upgrade |= name.eq_ignore_ascii_case("upgrade");
                Ok(true)
            }
            _ => Ok(true),
        }
    }

    /// Adds a field whose value is always valid, because it consists of numbers, dates and constants.
    ///
    /// # Panics
    /// Panics if the name or the formatted value is invalid, which is a bug in the caller.
    pub(crate) fn put(&mut self, name: &str, value: impl fmt::Display) {
        if let Err(error) = self.add(name, format_args!("{value}")) {
            panic!("{error}");
        }
    }

    /// Adds all fields of a list, like [`add`](FieldBlock::add) for each of them. Takes less time, because the list
    /// contains only well-formed fields.
    ///
    /// # Errors
    /// Returns an error if a field would contradict the framing of the message. The fields are then unchanged.
    pub fn add_all(&mut self, fields: &HeaderList) -> Result<(), InvalidHeader> {
        let length = self.lines().len();
        let before = FieldBlock { lines: Lines::default(), ..*self };
        for (line, name_length) in fields.stored_lines() {
            if let Err(error) = self.add_line(line, name_length) {
                self.owned_lines().truncate(length);
                *self = FieldBlock { lines: std::mem::take(&mut self.lines), ..before };
                return Err(error);
            }
        }
        Ok(())
    }

    /// Adds a well-formed line with its CRLF.
    fn add_line(&mut self, line: &[u8], name_length: usize) -> Result<(), InvalidHeader> {
        let name = &line[..name_length];
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        match name_length {
            10 | 14 | 17 if is("connection") || is("content-length") || is("transfer-encoding") => {
                let name = std::str::from_utf8(name).unwrap_or_default();
                return self.add(name, &line[name_length + 2..line.len() - 2]);
            }
            4 => self.has_date |= is("date"),
            6 => self.has_server |= is("server"),
            7 => self.has_upgrade |= is("upgrade"),
            _ => {}
        }
        self.owned_lines().extend_from_slice(line);
        Ok(())
    }

    /// Reserves memory for lines with `bytes` bytes.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.owned_lines().reserve(bytes);
    }

    /// Appends all fields in `other` except `Connection`.
    pub(crate) fn append(&mut self, other: &FieldBlock) {
        // If the lines of `other` are shared, cloning them copies no bytes.
        if self.lines().is_empty() {
            self.lines = other.lines.clone();
        } else {
            self.owned_lines().extend_from_slice(other.lines());
        }
        self.content_length = self.content_length.or(other.content_length);
        self.has_date |= other.has_date;
        self.has_server |= other.has_server;
        self.has_upgrade |= other.has_upgrade;
    }

    /// Removes all fields with this name; case is ignored.
    pub fn remove(&mut self, name: &str) {
        let mut kept = Vec::with_capacity(self.lines().len());
        for (other, value) in self.iter().filter(|(other, _)| !other.eq_ignore_ascii_case(name)) {
            _ = write!(kept, "{other}: ");
            kept.extend_from_slice(value);
            kept.extend_from_slice(b"\r\n");
        }
        self.lines = Lines::Owned(kept);
        match name.to_ascii_lowercase().as_str() {
            "content-length" => self.content_length = None,
            "connection" => self.keep_alive = None,
            "date" => self.has_date = false,
            "server" => self.has_server = false,
            "upgrade" => self.has_upgrade = false,
            _ => {}
        }
    }

    /// The value of the first field with this name; case is ignored. `None` for `Connection`, whose value is available
    /// as [`keep_alive`](FieldBlock::keep_alive).
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The name and value of every field except `Connection`, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let lines = self.lines().split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\r"));
        lines.filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            Some((std::str::from_utf8(&line[..colon]).ok()?, &line[colon + 2..]))
        })
    }

    /// Makes clones cheap: they share the bytes with this block until they are changed.
    pub fn share(mut self) -> FieldBlock {
        if let Lines::Owned(lines) = self.lines {
            self.lines = Lines::Shared(lines.into());
        }
        self
    }

    /// The field lines as sent, each with its CRLF.
    pub fn lines(&self) -> &[u8] {
        match &self.lines {
            Lines::Owned(lines) => lines,
            Lines::Shared(lines) => lines,
        }
    }

    /// The value of `Content-Length`, if it was set.
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// The value of `Connection`, if it was set: `Some(false)` for `close`, `Some(true)` for `keep-alive`.
    pub fn keep_alive(&self) -> Option<bool> {
        self.keep_alive
    }

    /// True if `Date` was added. The connection then does not add it.
    pub fn has_date(&self) -> bool {
        self.has_date
    }

    /// True if `Server` was added. The connection then does not add it.
    pub fn has_server(&self) -> bool {
        self.has_server
    }

    /// True if `Upgrade` was added. The connection then adds the `Upgrade` option to the `Connection` field (RFC 9110
    /// section 7.8).
    pub(crate) fn has_upgrade(&self) -> bool {
        self.has_upgrade
    }

    #[inline]
    fn owned_lines(&mut self) -> &mut Vec<u8> {
        if let Lines::Shared(lines) = &self.lines {
            self.lines = Lines::Owned(lines.to_vec());
        }
        match &mut self.lines {
            Lines::Owned(lines) => lines,
            Lines::Shared(_) => unreachable!("the lines were copied above"),
        }
    }

    /// Sets `keep_alive` from the value of a `Connection` field. `close` takes precedence over `keep-alive`, regardless
    /// of their order.
    fn set_connection(&mut self, value: &[u8]) -> Result<(), InvalidHeader> {
        // The result is stored after the last option, because a refused field must change nothing.
        let mut keep_alive = self.keep_alive;
        for option in list_elements([value].into_iter()) {
            if option.eq_ignore_ascii_case(b"close") {
                keep_alive = Some(false);
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                keep_alive.get_or_insert(true);
            } else {
                return Err(InvalidHeader::Framing(format!("Connection: {}", String::from_utf8_lossy(option))));
            }
        }
        self.keep_alive = keep_alive;
        Ok(())
    }
}

/// Parses the value of `Content-Length`. `before` is the value of an earlier field. A second field is an error, even if
/// both values are equal.
fn parse_length(value: &[u8], before: Option<u64>) -> Result<u64, InvalidHeader> {
    let bad = || InvalidHeader::ContentLength(String::from_utf8_lossy(value).into_owned());
    // The digits are checked, because `parse` alone would accept a plus sign.
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits && before.is_none()).ok_or_else(bad)?;
    text.parse().map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_that_would_split_a_response_are_refused() {
        let mut head = FieldBlock::new();
        for (name, value) in [("A", "b\r\nC: d"), ("A", "b\nc"), ("A", "\0"), ("A", "\x1b"), ("A", "\x7f")] {
            assert_eq!(head.add(name, value), Err(InvalidHeader::Value("A".into())), "{value:?}");
        }
        for name in ["", "A B", "A:", "A\r\n", "Ä"] {
            assert_eq!(head.add(name, "x"), Err(InvalidHeader::Name(name.into())));
        }
        // Truncation to eight bits would turn these two characters into CR and LF.
        assert_eq!(head.add("A", "b\u{10d}\u{10a}C: d"), Err(InvalidHeader::NotLatin1("A".into(), '\u{10d}')));
        assert_eq!(head.add("A", b"b\r\nC: d"), Err(InvalidHeader::Value("A".into())));
        assert!(head.add("Transfer-Encoding", "chunked").is_err());
        assert!(head.add("Connection", "upgrade").is_err());
        assert_eq!(head.lines(), b"");
    }

    #[test]
    fn connection_and_content_length_are_noted_and_checked() {
        let mut head = FieldBlock::new();
        head.add("connection", "Keep-Alive").unwrap();
        assert_eq!(head.keep_alive(), Some(true));
        head.add("Connection", "close").unwrap();
        assert_eq!(head.keep_alive(), Some(false));
        for bad in ["", "+1", "0x1", "1,1", "99999999999999999999999"] {
            assert!(head.add("Content-Length", bad).is_err(), "{bad}");
        }
        head.add("Content-Length", "12").unwrap();
        assert!(head.add("Content-Length", "12").is_err());
        assert_eq!(head.content_length(), Some(12));
        head.remove("content-length");
        assert_eq!(head.content_length(), None);
    }

    #[test]
    fn a_refused_connection_field_changes_nothing() {
        for value in ["close, upgrade", "keep-alive, upgrade"] {
            let mut head = FieldBlock::new();
            assert!(head.add("Connection", value).is_err());
            assert_eq!(head.keep_alive(), None, "{value}");
        }
    }

    #[test]
    fn a_list_is_added_like_its_fields_or_not_at_all() {
        let list = |fields: &[(&str, &str)]| {
            let mut list = HeaderList::new();
            fields.iter().for_each(|(name, value)| list.add(name, *value).unwrap());
            list
        };
        let (mut one, mut all) = (FieldBlock::new(), FieldBlock::new());
        let fields = [
            ("X", "1"),
            ("date", "d"),
            ("Server", "s"),
            ("Upgrade", "u"),
            ("content-length", "5"),
            ("Connection", "close"),
        ];
        fields.iter().for_each(|(name, value)| one.add(name, *value).unwrap());
        all.add_all(&list(&fields)).unwrap();
        assert_eq!(format!("{all:?}"), format!("{one:?}"));
        assert_eq!(all.lines(), b"X: 1\r\ndate: d\r\nServer: s\r\nUpgrade: u\r\ncontent-length: 5\r\n");
        for refused in [("Content-Length", "6"), ("Transfer-Encoding", "chunked"), ("Connection", "x")] {
            let mut block = FieldBlock::new();
            block.add("Content-Length", 5).unwrap();
            let before = format!("{block:?}");
            assert!(block.add_all(&list(&[("Date", "d"), refused, ("X", "1")])).is_err(), "{refused:?}");
            assert_eq!(format!("{block:?}"), before);
        }
    }

    #[test]
    fn a_shared_field_block_is_copied_when_it_is_changed() {
        let mut head = FieldBlock::new();
        head.put("X-Number", 5);
        let head = head.share();
        let mut copy = head.clone();
        copy.add("Date", "now").unwrap();
        assert_eq!(head.lines(), b"X-Number: 5\r\n");
        assert_eq!(copy.lines(), b"X-Number: 5\r\nDate: now\r\n");
        assert!(copy.has_date() && !head.has_date());
        assert_eq!(copy.iter().collect::<Vec<_>>(), [("X-Number", &b"5"[..]), ("Date", b"now")]);
    }
}
