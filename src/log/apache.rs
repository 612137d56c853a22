//! Apache's log formats *common* and *combined*, which log analysers understand.
//!
//! Lines are buffered and written in `sink` and `target`.
//!
//! Invariant: text from a client never ends a field or a line. Quotes and backslashes are escaped with a backslash, and
//! every byte that is not printable ASCII becomes `\xNN`.

use std::io::Write;

use super::format::{write_address, write_escaped, write_stamp};
use super::record::Record;

/// Writes a line in the *common* format: `ADDR - USER [DATE] "LINE" STATUS SIZE`.
pub(super) fn write_common(out: &mut Vec<u8>, stamp: &[u8], record: &Record<'_>) {
    write_address(out, Some(record.peer));
    out.extend_from_slice(b" - ");
    write_user(out, record.user);
    write_stamp(out, stamp);
    write_quoted(out, record.request.line);
    // As in Apache's log, `-` stands for a response without a body. Writing to a vector cannot fail.
    _ = match record.sent {
        0 => write!(out, " {} -", record.status),
        sent => write!(out, " {} {sent}", record.status),
    };
}

/// Writes a line in the *combined* format: the *common* format, followed by ` "REFERER" "USER AGENT"`.
pub(super) fn write_combined(out: &mut Vec<u8>, stamp: &[u8], record: &Record<'_>) {
    write_common(out, stamp, record);
    for field in [record.request.referer, record.request.user_agent] {
        out.push(b' ');
        write_quoted(out, field.unwrap_or(b"-"));
    }
}

/// Writes the third field: the user, with spaces escaped so that they do not end the field. An empty name is written as
/// `""`. If there is no user, the field is `-`.
fn write_user(out: &mut Vec<u8>, user: Option<&str>) {
    match user {
        None => out.push(b'-'),
        Some("") => out.extend_from_slice(b"\"\""),
        Some(user) => {
            for (at, part) in user.split(' ').enumerate() {
                if at > 0 {
                    out.extend_from_slice(b"\\x20");
                }
                write_quotable(out, part.as_bytes());
            }
        }
    }
}

fn write_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    write_quotable(out, bytes);
    out.push(b'"');
}

/// Writes text with escapes, so that it can be put between quotes.
fn write_quotable(out: &mut Vec<u8>, bytes: &[u8]) {
    for (at, part) in bytes.split(|byte| *byte == b'"').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"\\\"");
        }
        write_escaped(out, part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Status;

    fn combined(record: &Record<'_>) -> String {
        let mut out = Vec::new();
        write_combined(&mut out, b"D", record);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_combined_format_has_apaches_fields() {
        let mut record = Record { sent: 9, ..Record::of(b"GET / HTTP/1.1") };
        assert_eq!(combined(&record), r#"127.0.0.1 - - [D] "GET / HTTP/1.1" 200 9 "-" "-""#);
        record.request.referer = Some(b"http://h/");
        record.request.user_agent = Some(b"curl/8");
        record.status = Status::NOT_MODIFIED;
        record.sent = 0;
        assert_eq!(combined(&record), r#"127.0.0.1 - - [D] "GET / HTTP/1.1" 304 - "http://h/" "curl/8""#);
    }

    #[test]
    fn the_user_is_the_third_field_and_cannot_end_it() {
        let third = |user: &str| {
            let line = combined(&Record { user: Some(user), ..Record::of(b"GET / HTTP/1.1") });
            line.strip_prefix("127.0.0.1 - ").unwrap().split(" [D] ").next().unwrap().to_owned()
        };
        assert_eq!(third("ann"), "ann");
        assert_eq!(third(""), r#""""#);
        assert_eq!(third("ann lee"), r"ann\x20lee");
        assert_eq!(third("a\"b\\c\n[\u{1b}ü"), r#"a\"b\\c\x0a[\x1b\xc3\xbc"#);
    }

    #[test]
    fn a_client_cannot_end_a_field_or_a_line() {
        for byte in 0..=u8::MAX {
            let mut record = Record::of(b"GET / HTTP/1.1");
            let agent = [b'a', byte, b'\\'];
            record.request.user_agent = Some(&agent);
            let line = combined(&record);
            assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{byte:#x}");
            let unescaped = line.replace(r"\\", "").replace("\\\"", "");
            assert_eq!(unescaped.matches('"').count(), 6, "{line}");
        }
    }
}
