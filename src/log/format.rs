//! Python's log format, and the parts that other formats share with it: times, addresses and escaping.
//!
//! The functions append to a buffer, so that formatting a line needs no allocation once the buffer is large enough.
//! Lines are buffered and written in `sink` and `target`.
//!
//! Invariant: a line never contains control characters from a client, so a client cannot send commands to the terminal
//! that shows the log.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::record::Record;
use crate::http::Status;

/// The abbreviated names of the months, which are in English in every locale, as in Python.
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The formats of a time in a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `20/Nov/2026 10:45:20`, the local time without its zone.
    Python,
    /// `20/Nov/2026:10:45:20 +0100`, the local time with its offset from UTC.
    Common,
    /// `2026-11-20T09:45:20`, the time in UTC. The caller adds the fraction and the zone.
    Utc,
}

/// Formats times. The text is cached for the current second, because computing the calendar date for every request
/// would be too slow.
#[derive(Debug)]
pub(super) struct Clock {
    zone: TimeZone,
    style: Style,
    /// The second that `text` represents, in seconds since 1970; `None` before the first time is formatted.
    second: Option<u64>,
    text: Vec<u8>,
}

impl Clock {
    /// Creates a clock in the system's time zone. As in Python, the time zone is read once. It stays the same even if
    /// the process changes its root directory later.
    pub(super) fn local() -> Clock {
        Clock::in_zone(local_zone())
    }

    pub(super) fn in_zone(zone: TimeZone) -> Clock {
        Clock { zone, style: Style::Python, second: None, text: Vec::with_capacity(26) }
    }

    pub(super) fn set_style(&mut self, style: Style) {
        self.style = style;
        self.second = None;
    }

    /// Returns the text of a time. A time outside the years 1970 to 9999 is shown as the first second of 1970.
    pub(super) fn stamp(&mut self, now: SystemTime) -> &[u8] {
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.second != Some(second) {
            self.second = Some(second);
            self.render(second);
        }
        &self.text
    }

    fn render(&mut self, second: u64) {
        let time = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
        let time = time.unwrap_or(Timestamp::UNIX_EPOCH);
        let zone = if self.style == Style::Utc { &TimeZone::UTC } else { &self.zone };
        let (offset, local) = (zone.to_offset(time).seconds(), zone.to_datetime(time));
        let month = MONTHS[usize::from(local.month().unsigned_abs() - 1)];
        let (day, year) = (local.day(), local.year());
        let (hour, minute, second) = (local.hour(), local.minute(), local.second());
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs() / 60);
        let out = &mut self.text;
        out.clear();
        // Writing to a vector cannot fail, here and below.
        _ = match self.style {
            Style::Python => write!(out, "{day:02}/{month}/{year:04} {hour:02}:{minute:02}:{second:02}"),
            Style::Common => write!(
                out,
                "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} {sign}{:02}{:02}",
                minutes / 60,
                minutes % 60
            ),
            Style::Utc => {
                let month = local.month();
                write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
            }
        };
    }
}

/// Returns the time zone that libc would use: `TZ`, or else `/etc/localtime`.
///
/// The file is read directly, because `TimeZone::system` also searches the whole zone database for the name of the
/// zone. That search would take up most of the server's startup time, and the name is not used.
fn local_zone() -> TimeZone {
    if std::env::var_os("TZ").is_some() {
        return TimeZone::system();
    }
    let file = std::fs::read("/etc/localtime").ok();
    file.and_then(|data| TimeZone::tzif("Local", &data).ok()).unwrap_or_else(TimeZone::system)
}

/// Writes `ADDR - - [DATE] `, the beginning of a line without a user.
pub(super) fn write_start(out: &mut Vec<u8>, peer: Option<SocketAddr>, stamp: &[u8]) {
    write_address(out, peer);
    out.extend_from_slice(b" - -");
    write_stamp(out, stamp);
}

/// Writes the address without its port and, if it is link-local, without its scope. If the address is missing, writes
/// `-`.
pub(super) fn write_address(out: &mut Vec<u8>, peer: Option<SocketAddr>) {
    match peer.map(|peer| peer.ip()) {
        Some(IpAddr::V4(address)) => write_ipv4(out, address),
        Some(address) => _ = write!(out, "{address}"),
        None => out.push(b'-'),
    }
}

/// Writes ` [DATE] `.
pub(super) fn write_stamp(out: &mut Vec<u8>, stamp: &[u8]) {
    out.extend_from_slice(b" [");
    out.extend_from_slice(stamp);
    out.extend_from_slice(b"] ");
}

/// Writes an IPv4 address, by far the most common kind. `fmt` is avoided, because it would account for half the cost of
/// a line.
fn write_ipv4(out: &mut Vec<u8>, address: Ipv4Addr) {
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        // Writing a number below 256 digit by digit is faster than a function for arbitrary numbers.
        if octet > 99 {
            out.push(b'0' + octet / 100);
        }
        if octet > 9 {
            out.push(b'0' + octet / 10 % 10);
        }
        out.push(b'0' + octet % 10);
    }
}

#[inline]
fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes `"LINE" STATUS SIZE`. The size is `-` unless [`Record::is_counted`] is true: Python writes `-` for an error
/// and for a response whose length was not known in advance, and programs that parse Python's log expect the same.
pub(super) fn write_request(out: &mut Vec<u8>, record: &Record<'_>) {
    // As in Python, quotes within the request line are not escaped. A parser can still find the end of the request
    // line, which is at the last quote of the log line.
    out.push(b'"');
    write_escaped(out, record.request.line);
    out.extend_from_slice(b"\" ");
    write_number(out, u64::from(record.status.code()));
    out.push(b' ');
    match record.is_counted {
        true => write_number(out, record.sent),
        false => out.push(b'-'),
    }
}

/// Writes `cut after N bytes: REASON`, which precedes the line of a request whose response was cut short.
pub(super) fn write_cut(out: &mut Vec<u8>, sent: u64, reason: &str) {
    let plural = if sent == 1 { "" } else { "s" };
    _ = write!(out, "cut after {sent} byte{plural}: ");
    write_message(out, reason);
}

/// Writes the line that reports dropped lines: `N log lines dropped`, without a newline.
pub(super) fn write_gap(out: &mut Vec<u8>, lines: u64) {
    let plural = if lines == 1 { "" } else { "s" };
    _ = write!(out, "{lines} log line{plural} dropped");
}

/// Writes the text of the line for an error: `code STATUS, message MESSAGE`.
pub(super) fn write_error(out: &mut Vec<u8>, status: Status, message: &str) {
    _ = write!(out, "code {status}, message ");
    write_message(out, message);
}

/// Writes a message, which may contain text from a client. Only control characters and backslashes are escaped.
pub(super) fn write_message(out: &mut Vec<u8>, text: &str) {
    let mut utf8 = [0; 4];
    for character in text.chars() {
        match u8::try_from(character) {
            Ok(byte) if needs_escape(byte) && !(0xa0..).contains(&byte) => write_escaped(out, &[byte]),
            _ => out.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes()),
        }
    }
}

/// Writes bytes from a client. Control characters and non-ASCII bytes become `\xNN`, and backslashes are doubled, so
/// that an escape can be distinguished from the same characters sent by a client.
///
/// Python escapes only 0x00 to 0x1f and 0x7f to 0x9f, and shows higher bytes as Latin-1 characters. Here higher bytes
/// are escaped too, because the client may have used another encoding, and the terminal may use yet another one.
pub(super) fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    // In most cases no byte needs escaping. The loop does not stop at the first byte that needs it, because the
    // compiler can only vectorise a loop without an early exit.
    if !bytes.iter().fold(false, |needed, byte| needed | needs_escape(*byte)) {
        return out.extend_from_slice(bytes);
    }
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
        out.extend_from_slice(&rest[..at]);
        _ = match rest[at] {
            b'\\' => out.write(br"\\"),
            byte => write!(out, "\\x{byte:02x}").map(|()| 0),
        };
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

fn needs_escape(byte: u8) -> bool {
    matches!(byte, 0..=0x1f | b'\\' | 0x7f..)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn made(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn pythons_style_is_the_local_time_without_zone() {
        let mut utc = Clock::in_zone(TimeZone::UTC);
        assert_eq!(utc.stamp(at(1_795_171_520)), b"20/Nov/2026 10:45:20");
        let mut new_york = Clock::in_zone(jiff::tz::offset(-5).to_time_zone());
        assert_eq!(new_york.stamp(at(1_795_171_520)), b"20/Nov/2026 05:45:20");
        assert_eq!(utc.stamp(at(946_684_799)), b"31/Dec/1999 23:59:59");
    }

    #[test]
    fn the_common_style_has_the_offset_and_the_utc_style_has_none() {
        let mut clock = Clock::in_zone(TimeZone::fixed(jiff::tz::Offset::from_seconds(-12_600).unwrap()));
        assert_eq!(clock.stamp(at(1_795_171_520)), b"20/Nov/2026 07:15:20");
        clock.set_style(Style::Common);
        assert_eq!(clock.stamp(at(1_795_171_520)), b"20/Nov/2026:07:15:20 -0330");
        clock.set_style(Style::Utc);
        assert_eq!(clock.stamp(at(1_795_171_520)), b"2026-11-20T10:45:20");
        let mut utc = Clock::in_zone(TimeZone::UTC);
        utc.set_style(Style::Common);
        assert_eq!(utc.stamp(at(1_795_171_520)), b"20/Nov/2026:10:45:20 +0000");
    }

    #[test]
    fn the_text_changes_with_the_second_and_not_with_the_fraction() {
        let mut clock = Clock::in_zone(TimeZone::UTC);
        assert_eq!(clock.stamp(at(1)), b"01/Jan/1970 00:00:01");
        assert_eq!(clock.stamp(at(1) + Duration::from_millis(999)), b"01/Jan/1970 00:00:01");
        assert_eq!(clock.stamp(at(2)), b"01/Jan/1970 00:00:02");
        assert_eq!(clock.stamp(at(1)), b"01/Jan/1970 00:00:01");
    }

    #[test]
    fn within_a_second_the_text_is_reused() {
        let mut clock = Clock::in_zone(TimeZone::UTC);
        clock.stamp(at(1));
        clock.text = b"the cached text".to_vec();
        assert_eq!(clock.stamp(at(1)), b"the cached text");
    }

    #[test]
    fn times_outside_1970_to_9999_become_the_first_second_of_1970() {
        let mut clock = Clock::in_zone(TimeZone::UTC);
        assert_eq!(clock.stamp(UNIX_EPOCH - Duration::from_secs(9)), b"01/Jan/1970 00:00:00");
        assert_eq!(clock.stamp(at(1 << 40)), b"01/Jan/1970 00:00:00");
    }

    #[test]
    fn addresses_have_no_port_and_no_scope() {
        let start = |peer: &str| made(|out| write_start(out, Some(peer.parse().unwrap()), b"D"));
        assert_eq!(start("127.0.0.1:80"), "127.0.0.1 - - [D] ");
        assert_eq!(start("9.10.99.100:80"), "9.10.99.100 - - [D] ");
        assert_eq!(start("255.200.0.109:80"), "255.200.0.109 - - [D] ");
        assert_eq!(start("[::1]:80"), "::1 - - [D] ");
        assert_eq!(start("[fe80::1%3]:80"), "fe80::1 - - [D] ");
        assert_eq!(made(|out| write_start(out, None, b"D")), "- - - [D] ");
    }

    #[test]
    fn control_characters_of_a_request_line_are_escaped() {
        let line = b"GET /\x1b[31m\x07\x7f\x80\x9f\xa0\xff\0\n\\x1b \"q\" HTTP/1.0";
        assert_eq!(
            made(|out| write_request(out, &Record { sent: 7, ..Record::of(line) })),
            r#""GET /\x1b[31m\x07\x7f\x80\x9f\xa0\xff\x00\x0a\\x1b "q" HTTP/1.0" 200 7"#
        );
    }

    #[test]
    fn every_byte_is_printable_ascii_or_escaped() {
        for byte in 0..=u8::MAX {
            let text = made(|out| write_escaped(out, &[byte]));
            assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{byte:#x}");
            assert_eq!(text.len() == 1, (0x20..0x7f).contains(&byte) && byte != b'\\', "{byte:#x}");
        }
    }

    #[test]
    fn control_characters_of_a_message_are_escaped_and_others_kept() {
        assert_eq!(
            made(|out| write_error(out, Status::BAD_REQUEST, "Bad \u{1b}[0m \u{9b} \\ é \u{2026}")),
            r"code 400, message Bad \x1b[0m \x9b \\ é …"
        );
    }
}
