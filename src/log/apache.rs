//! The formats of Apache's logs, which analysers read: *common* and *combined*.
//!
//! A quote or a backslash that a client sent has a backslash before it, everything that is not printable ASCII is
//! `\xNN`: a line has exactly the fields that we gave it.

use std::io::Write;

use super::format::{write_escaped, write_start};
use super::record::Record;

/// `ADDR - - [DATE] "LINE" STATUS SIZE`.
pub(super) fn write_common(out: &mut Vec<u8>, stamp: &[u8], record: &Record<'_>) {
    write_start(out, Some(record.peer), stamp);
    write_quoted(out, record.asked.line);
    // A write to a vector cannot fail.
    _ = match record.sent {
        0 => write!(out, " {} -", record.status),
        sent => write!(out, " {} {sent}", record.status),
    };
}

/// The same with ` "REFERER" "USER AGENT"` behind it.
pub(super) fn write_combined(out: &mut Vec<u8>, stamp: &[u8], record: &Record<'_>) {
    write_common(out, stamp, record);
    for field in [record.asked.referer, record.asked.user_agent] {
        out.push(b' ');
        write_quoted(out, field.unwrap_or(b"-"));
    }
}

fn write_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for (at, part) in bytes.split(|byte| *byte == b'"').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"\\\"");
        }
        write_escaped(out, part);
    }
    out.push(b'"');
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
    fn the_fields_are_apaches() {
        let mut record = Record { sent: 9, ..Record::of(b"GET / HTTP/1.1") };
        assert_eq!(combined(&record), r#"127.0.0.1 - - [D] "GET / HTTP/1.1" 200 9 "-" "-""#);
        record.asked.referer = Some(b"http://h/");
        record.asked.user_agent = Some(b"curl/8");
        record.status = Status::NOT_MODIFIED;
        record.sent = 0;
        assert_eq!(combined(&record), r#"127.0.0.1 - - [D] "GET / HTTP/1.1" 304 - "http://h/" "curl/8""#);
    }

    #[test]
    fn a_client_cannot_end_a_field_or_a_line() {
        for byte in 0..=u8::MAX {
            let mut record = Record::of(b"GET / HTTP/1.1");
            let agent = [b'a', byte, b'\\'];
            record.asked.user_agent = Some(&agent);
            let line = combined(&record);
            assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{byte:#x}");
            let unescaped = line.replace(r"\\", "").replace("\\\"", "");
            assert_eq!(unescaped.matches('"').count(), 6, "{line}");
        }
    }
}
