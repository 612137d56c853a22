//! The grammar of a host and a port, in the `Host` field and in request targets.

use std::net::Ipv6Addr;

/// True for `uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2) if the host is not empty. The port is
/// any number of digits, including none.
pub(crate) fn is_authority(authority: &[u8]) -> bool {
    // Fast path: nearly every host is a plain name or an IPv4 address, without brackets or percent-encoding.
    let plain = authority.iter().position(|byte| !is_name_byte(*byte)).unwrap_or(authority.len());
    let (host, port) = match authority {
        // An address in brackets contains colons, so the port can begin only after the closing bracket.
        [b'[', ..] => match memchr::memchr(b']', authority) {
            Some(end) => authority.split_at(end + 1),
            None => return false,
        },
        _ if plain > 0 && authority.get(plain).is_none_or(|byte| *byte == b':') => {
            return is_port_suffix(&authority[plain..]);
        }
        _ => authority.split_at(memchr::memchr(b':', authority).unwrap_or(authority.len())),
    };
    is_host(host) && is_port_suffix(port)
}

fn is_port_suffix(suffix: &[u8]) -> bool {
    match suffix {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn is_host(host: &[u8]) -> bool {
    match host {
        [b'[', b'v' | b'V', future @ .., b']'] => is_ip_future(future),
        [b'[', address @ .., b']'] => {
            // std's parser rejects a zone (`%eth0`), which RFC 3986 section 3.2.2 does not allow either.
            std::str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok())
        }
        name => !name.is_empty() && is_reg_name(name),
    }
}

/// True for an IPvFuture without its `v`: `1*HEXDIG "." 1*( unreserved / sub-delims / ":" )` (RFC 3986 section 3.2.2).
fn is_ip_future(text: &[u8]) -> bool {
    let Some(dot) = memchr::memchr(b'.', text) else { return false };
    let (version, rest) = (&text[..dot], &text[dot + 1..]);
    !version.is_empty()
        && version.iter().all(u8::is_ascii_hexdigit)
        && !rest.is_empty()
        && rest.iter().all(|byte| is_name_byte(*byte) || *byte == b':')
}

/// True for `*( unreserved / pct-encoded / sub-delims )` (RFC 3986 section 3.2.2).
fn is_reg_name(mut name: &[u8]) -> bool {
    loop {
        name = match name {
            [] => return true,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            [byte, rest @ ..] if is_name_byte(*byte) => rest,
            _ => return false,
        }
    }
}

/// A table that is true at the index of each byte in `unreserved` and `sub-delims` (RFC 3986 sections 2.2 and 2.3).
const NAME_BYTES: [bool; 256] = {
    // These are `while` loops, because `for` loops and iterators are not allowed in a constant.
    let (mut table, others, mut at) = ([false; 256], b"-._~!$&'()*+,;=", 0);
    while at < 128 {
        table[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

fn is_name_byte(byte: u8) -> bool {
    NAME_BYTES[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::is_authority;

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        for good in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:80",
            "[::1]:80",
            "[::1]",
            "LOCALHOST",
            "localhost.",
            "localhost:",
            "a_b.example",
            "a,b",
            "%41",
            "%41b",
            "a%41",
            "[v1.x:y]",
            "localhost:70000",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            ":80",
            ":",
            "local host",
            "localhost/x",
            "u@localhost",
            "localhost:a",
            "localhost:80:80",
            "[::1",
            "[::1]x",
            "\"localhost\"",
            "<localhost>",
            "localhost?x",
            "localhost#x",
            "local\\host",
            "http://localhost/",
            "local%zzhost",
            "local%4zhost",
            "local%z4host",
            "local\x01host",
            "local\0host",
            "local\u{e9}host",
            "localhost:-80",
            "localhost, other",
            "[]",
            "[v.x]",
            "[v1.]",
            "%4",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }
}
