//! What a line of the log looks like, with everything that could fool a terminal escaped: Python's form, and what the
//! others have in common with it.
//!
//! The functions append to the buffer they are given, so that a line costs no allocation once the buffer has grown.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::record::Record;
use crate::http::Status;

/// English whatever the locale (contract row HB48).
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// How a log writes the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `20/Nov/2026 10:45:20`, the local time without its zone (contract row HB43).
    Python,
    /// `20/Nov/2026:10:45:20 +0100`, the local time with its distance from UTC.
    Common,
    /// `2026-11-20T09:45:20`, the time in UTC; its zone and fraction are left to be added.
    Utc,
}

/// The time as a log writes it, made once a second: the calendar is too dear for every request.
#[derive(Debug)]
pub(super) struct Clock {
    zone: TimeZone,
    style: Style,
    /// The second, since 1970, that `text` is about.
    second: Option<u64>,
    text: Vec<u8>,
}

impl Clock {
    /// In the zone of this system. It is read here and only here, as in Python: what a log is written in does not
    /// change in the middle, and not if the process later moves to another root.
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

    /// The time in the style of the log. Times outside the years 1970 to 9999 are shown as the first second of 1970.
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
        // A write to a vector cannot fail, here and below.
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

/// The zone that libc would take: `TZ`, or else `/etc/localtime`.
///
/// The file is read directly, because looking for the name of the zone walks the whole zone database, and nobody asks
/// for the name. It would be most of the time that a start takes.
fn local_zone() -> TimeZone {
    if std::env::var_os("TZ").is_some() {
        return TimeZone::system();
    }
    let file = std::fs::read("/etc/localtime").ok();
    file.and_then(|data| TimeZone::tzif("Local", &data).ok()).unwrap_or_else(TimeZone::system)
}

/// `ADDR - - [DATE] `: the beginning of a line that names no user.
pub(super) fn write_start(out: &mut Vec<u8>, peer: Option<SocketAddr>, stamp: &[u8]) {
    write_address(out, peer);
    out.extend_from_slice(b" - -");
    write_stamp(out, stamp);
}

/// The address without port, and without the scope of a link-local one; `-` for none.
pub(super) fn write_address(out: &mut Vec<u8>, peer: Option<SocketAddr>) {
    match peer.map(|peer| peer.ip()) {
        Some(IpAddr::V4(address)) => write_ipv4(out, address),
        Some(address) => _ = write!(out, "{address}"),
        None => out.push(b'-'),
    }
}

/// ` [DATE] `.
pub(super) fn write_stamp(out: &mut Vec<u8>, stamp: &[u8]) {
    out.extend_from_slice(b" [");
    out.extend_from_slice(stamp);
    out.extend_from_slice(b"] ");
}

/// The most common address by far, without the formatting machinery, which would be half the cost of a line.
fn write_ipv4(out: &mut Vec<u8>, address: Ipv4Addr) {
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        write_number(out, u64::from(octet));
    }
}

#[inline]
fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// `"LINE" STATUS SIZE`, without the size for an error, whose page is not what was asked for, and for what nobody knew
/// the size of when it began: scripts that read Python's log expect `-` there (contract row HB45).
pub(super) fn write_request(out: &mut Vec<u8>, record: &Record<'_>) {
    // A quote inside the line is not escaped, as in Python: three fields follow the last one.
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

/// `cut after N bytes: REASON`, the line before that of a request whose response lacks its end.
pub(super) fn write_cut(out: &mut Vec<u8>, sent: u64, reason: &str) {
    let plural = if sent == 1 { "" } else { "s" };
    _ = write!(out, "cut after {sent} byte{plural}: ");
    write_message(out, reason);
}

/// `N log lines dropped`.
pub(super) fn write_gap(out: &mut Vec<u8>, lines: u64) {
    let plural = if lines == 1 { "" } else { "s" };
    _ = write!(out, "{lines} log line{plural} dropped");
}

/// `code STATUS, message MESSAGE`.
pub(super) fn write_error(out: &mut Vec<u8>, status: Status, message: &str) {
    _ = write!(out, "code {status}, message ");
    write_message(out, message);
}

/// A text of ours, in which a client's bytes may be quoted: its characters stay, its control characters do not.
pub(super) fn write_message(out: &mut Vec<u8>, text: &str) {
    let mut utf8 = [0; 4];
    for character in text.chars() {
        match u8::try_from(character) {
            Ok(byte) if needs_escape(byte) && !(0xa0..).contains(&byte) => write_escaped(out, &[byte]),
            _ => out.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes()),
        }
    }
}

/// Bytes from a client: control characters and whatever is not ASCII as `\xNN`, a backslash doubled, so that what
/// was escaped can be told from what was sent like that.
///
/// Python shows bytes from 0xa0 on as the Latin-1 characters they may not have been (contract row HB44 escapes only
/// 0x00 to 0x1f and 0x7f to 0x9f); escaped, they are exact and safe in any encoding.
pub(super) fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
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
    fn local_time_in_pythons_form() {
        let mut utc = Clock::in_zone(TimeZone::UTC);
        assert_eq!(utc.stamp(at(1_795_171_520)), b"20/Nov/2026 10:45:20");
        let mut new_york = Clock::in_zone(jiff::tz::offset(-5).to_time_zone());
        assert_eq!(new_york.stamp(at(1_795_171_520)), b"20/Nov/2026 05:45:20");
        assert_eq!(utc.stamp(at(946_684_799)), b"31/Dec/1999 23:59:59");
    }

    #[test]
    fn the_other_styles() {
        let mut clock = Clock::in_zone(TimeZone::fixed(jiff::tz::Offset::from_seconds(-12_600).unwrap()));
        assert_eq!(clock.stamp(at(1_795_171_520)), b"20/Nov/2026 07:15:20");
        clock.set_style(Style::Common);
        assert_eq!(clock.stamp(at(1_795_171_520)), b"20/Nov/2026:07:15:20 -0330");
        clock.set_style(Style::Utc);
        assert_eq!(clock.stamp(at(1_795_171_520)), b"2026-11-20T10:45:20");
    }

    #[test]
    fn the_stamp_follows_the_second_and_not_the_fraction() {
        let mut clock = Clock::in_zone(TimeZone::UTC);
        assert_eq!(clock.stamp(at(1)), b"01/Jan/1970 00:00:01");
        assert_eq!(clock.stamp(at(1) + Duration::from_millis(999)), b"01/Jan/1970 00:00:01");
        assert_eq!(clock.stamp(at(2)), b"01/Jan/1970 00:00:02");
        assert_eq!(clock.stamp(at(1)), b"01/Jan/1970 00:00:01");
    }

    #[test]
    fn within_a_second_the_calendar_is_not_asked_again() {
        let mut clock = Clock::in_zone(TimeZone::UTC);
        clock.stamp(at(1));
        clock.text = b"the cached text".to_vec();
        assert_eq!(clock.stamp(at(1)), b"the cached text");
    }

    #[test]
    fn odd_times_do_no_harm() {
        let mut clock = Clock::in_zone(TimeZone::UTC);
        assert_eq!(clock.stamp(UNIX_EPOCH - Duration::from_secs(9)), b"01/Jan/1970 00:00:00");
        assert_eq!(clock.stamp(at(1 << 40)), b"01/Jan/1970 00:00:00");
    }

    #[test]
    fn addresses_without_port_and_scope() {
        let start = |peer: &str| made(|out| write_start(out, Some(peer.parse().unwrap()), b"D"));
        assert_eq!(start("127.0.0.1:80"), "127.0.0.1 - - [D] ");
        assert_eq!(start("[::1]:80"), "::1 - - [D] ");
        assert_eq!(start("[fe80::1%3]:80"), "fe80::1 - - [D] ");
        assert_eq!(made(|out| write_start(out, None, b"D")), "- - - [D] ");
    }

    #[test]
    fn a_clients_bytes_cannot_reach_the_terminal() {
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
    fn messages_keep_their_characters_but_no_control_characters() {
        assert_eq!(
            made(|out| write_error(out, Status::BAD_REQUEST, "Bad \u{1b}[0m \u{9b} \\ é \u{2026}")),
            r"code 400, message Bad \x1b[0m \x9b \\ é …"
        );
    }
}
