//! The JSON format: each line is one object and consists of ASCII characters.
//!
//! The caller adds the newline at the end of a line. Lines are buffered and written in `sink` and `target`.

use std::fmt::Display;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use super::record::Record;
use crate::tls_info::TlsInfo;

/// Writes `{"time":...,"address":...,"request":...,"status":...,"bytes":...,"duration":...}`. The duration is in
/// seconds. If the request was authenticated, `user` follows the address. Other optional members are at the end of the
/// object: `cut`, with the reason, if the response was cut short; `referer` and `user_agent` if the client sent these
/// fields; `tls` if the connection is encrypted.
pub(super) fn write_request(out: &mut Vec<u8>, stamp: &[u8], record: &Record<'_>) {
    write_start(out, stamp, record.at, Some(record.peer));
    if let Some(user) = record.user {
        write_text(out, "user", user.as_bytes());
    }
    write_text(out, "request", record.request.line);
    write_number(out, "status", record.status.code());
    write_number(out, "bytes", record.sent);
    let took = record.ended.saturating_duration_since(record.request.arrived);
    write_number(out, "duration", format_args!("{}.{:06}", took.as_secs(), took.subsec_micros()));
    if let Some(reason) = record.cut {
        write_text(out, "cut", reason.as_bytes());
    }
    for (name, field) in [("referer", record.request.referer), ("user_agent", record.request.user_agent)] {
        if let Some(value) = field {
            write_text(out, name, value);
        }
    }
    if let Some(tls) = record.request.tls {
        write_tls(out, tls);
    }
    out.push(b'}');
}

/// Writes `,"tls":{"version":...,"cipher":...,"sni":...,"resumed":...}`, without `sni` if the client sent no server
/// name.
fn write_tls(out: &mut Vec<u8>, tls: &TlsInfo) {
    // The names of TLS versions and ciphers come from this program and not from the client, so they need no escaping.
    _ = write!(out, ",\"tls\":{{\"version\":\"{}\",\"cipher\":\"{}\"", tls.version(), tls.cipher());
    if let Some(name) = tls.server_name() {
        write_text(out, "sni", name.as_bytes());
    }
    _ = write!(out, ",\"resumed\":{}}}", tls.is_resumed());
}

/// Writes `{"time":...,"address":...,"message":...}`, without `address` if the message is not about a peer.
pub(super) fn write_message(out: &mut Vec<u8>, stamp: &[u8], at: SystemTime, peer: Option<SocketAddr>, text: &str) {
    write_start(out, stamp, at, peer);
    write_text(out, "message", text.as_bytes());
    out.push(b'}');
}

/// Writes `{"dropped":N}` in place of N dropped lines.
pub(super) fn write_gap(out: &mut Vec<u8>, lines: u64) {
    // Writing to a vector cannot fail, here and below.
    _ = write!(out, "{{\"dropped\":{lines}}}");
}

fn write_start(out: &mut Vec<u8>, stamp: &[u8], at: SystemTime, peer: Option<SocketAddr>) {
    out.extend_from_slice(b"{\"time\":\"");
    out.extend_from_slice(stamp);
    // The cached text contains only whole seconds, so the fraction is added here.
    let millis = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_millis());
    _ = write!(out, ".{millis:03}Z\"");
    if let Some(peer) = peer {
        _ = write!(out, ",\"address\":\"{}\"", peer.ip());
    }
}

fn write_number(out: &mut Vec<u8>, name: &str, number: impl Display) {
    _ = write!(out, ",\"{name}\":{number}");
}

/// Writes a string member. Characters that are not printable ASCII are escaped, so that they cannot affect a terminal.
/// Bytes that are not UTF-8 become U+FFFD, because JSON cannot contain them.
fn write_text(out: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    _ = write!(out, ",\"{name}\":\"");
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            write_character(out, character);
        }
        if !chunk.invalid().is_empty() {
            write_character(out, char::REPLACEMENT_CHARACTER);
        }
    }
    out.push(b'"');
}

fn write_character(out: &mut Vec<u8>, character: char) {
    match character {
        '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
        ' '..='~' => out.push(character as u8),
        // JSON escapes represent UTF-16 code units, so a character above U+FFFF needs two escapes.
        _ => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;

    fn request(record: &Record<'_>) -> String {
        let mut out = Vec::new();
        write_request(&mut out, b"2026-11-20T10:45:20", record);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_request_has_its_fields_in_order() {
        let mut record = Record { sent: 9, ..Record::of(b"GET / HTTP/1.1") };
        record.ended += Duration::from_micros(1_500);
        record.request.user_agent = Some(b"curl/8");
        assert_eq!(
            request(&record),
            "{\"time\":\"2026-11-20T10:45:20.045Z\",\"address\":\"127.0.0.1\",\"request\":\"GET / HTTP/1.1\",\
             \"status\":200,\"bytes\":9,\"duration\":0.001500,\"user_agent\":\"curl/8\"}"
        );
    }

    #[test]
    fn an_authenticated_request_has_a_user() {
        let line = |user| request(&Record { user, ..Record::of(b"GET / HTTP/1.1") });
        let value: Value = serde_json::from_str(&line(Some("ann \"lee\"\n"))).unwrap();
        assert_eq!(value["user"], "ann \"lee\"\n");
        assert!(!line(None).contains("user"));
    }

    #[test]
    fn a_response_that_was_cut_short_has_the_reason() {
        let record = Record { cut: Some("client too slow to read"), ..Record::of(b"GET / HTTP/1.1") };
        let value: Value = serde_json::from_str(&request(&record)).unwrap();
        assert_eq!(value["cut"], "client too slow to read");
    }

    #[test]
    fn a_request_over_tls_has_an_object_for_it() {
        let mut tls = TlsInfo { version: "TLSv1.3", cipher: "TLS_X", is_resumed: true, ..TlsInfo::default() };
        let line = |tls: TlsInfo| {
            let tls = std::sync::Arc::new(tls);
            let mut record = Record::of(b"GET / HTTP/1.1");
            record.request.tls = Some(&tls);
            serde_json::from_str::<Value>(&request(&record)).unwrap()["tls"].to_string()
        };
        assert_eq!(line(tls.clone()), r#"{"cipher":"TLS_X","resumed":true,"version":"TLSv1.3"}"#);
        tls.server_name = Some("a\"b".into());
        assert_eq!(line(tls), r#"{"cipher":"TLS_X","resumed":true,"sni":"a\"b","version":"TLSv1.3"}"#);
        assert!(!request(&Record::of(b"GET / HTTP/1.1")).contains("tls"));
    }

    #[test]
    fn escaped_text_is_parsed_back_unchanged() {
        let text = "a\"b\\c\n\u{1b}[31m\u{7f}\u{9b}é\u{202e}😀";
        let line = request(&Record::of(text.as_bytes()));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["request"], text);
        assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{line}");
    }

    #[test]
    fn any_two_bytes_give_valid_json_on_one_line() {
        for pair in 0..=u16::MAX {
            let line = request(&Record::of(&pair.to_be_bytes()));
            assert!(serde_json::from_str::<Value>(&line).is_ok(), "{pair:#x}: {line}");
            assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{pair:#x}: {line}");
        }
    }

    #[test]
    fn messages_and_dropped_lines_are_objects() {
        let mut out = Vec::new();
        write_message(&mut out, b"T", UNIX_EPOCH, None, "a \"b\"");
        assert_eq!(out, br#"{"time":"T.000Z","message":"a \"b\""}"#);
        out.clear();
        write_gap(&mut out, 3);
        assert_eq!(out, br#"{"dropped":3}"#);
    }
}
