//! Inspects the first bytes from a client before rustls processes them, to find out if they are TLS and if the
//! ClientHello is complete. Also extracts two values that the unbuffered connection of rustls does not expose: the
//! server name (RFC 6066 section 3) and the cipher suite that the client prefers.
//!
//! This file does not validate the message. Bytes that are not a valid ClientHello are passed to rustls, which responds
//! with an alert.

use std::borrow::Cow;

/// The classification of a client's first bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientOpening {
    /// The beginning of a ClientHello.
    Incomplete,
    /// A complete ClientHello.
    Hello {
        /// The server name that the client has requested, if any.
        server_name: Option<Box<str>>,
        /// True if the client's first cipher suite uses ChaCha20.
        prefers_chacha: bool,
    },
    /// A complete ClientHello that offers no version from TLS 1.2 onwards.
    TooOld,
    /// Unencrypted HTTP from a client that does not know that this is a TLS port. The bytes begin with a capital
    /// letter, as HTTP methods do.
    Text,
    /// Bytes that are neither a ClientHello nor unencrypted HTTP.
    Other,
}

const RECORD_HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;
/// The content type of records that carry handshake messages (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// The maximum size of a ClientHello in bytes. rustls rejects a larger one, so the server does not wait for the rest of
/// it.
const MOST_HELLO: usize = 0xffff;

/// Classifies a client by the bytes that have arrived so far, and reads the ClientHello if it is complete.
pub(super) fn look_at(input: &[u8]) -> ClientOpening {
    match input.first() {
        None => return ClientOpening::Incomplete,
        // HTTP methods consist of capital letters, whereas a TLS connection begins with a content type, which is below
        // 0x20.
        Some(b'A'..=b'Z') => return ClientOpening::Text,
        Some(_) => {}
    }
    match whole_message(input) {
        // A TLS 1.3 client announces version 1.2 in these two bytes, and version 1.3 in an extension.
        Ok(Some(hello)) if matches!(hello[MESSAGE_HEADER..], [3, 0..=2, ..]) => ClientOpening::TooOld,
        Ok(Some(hello)) => {
            let mut fields = HelloFields::of(&hello[MESSAGE_HEADER..]).unwrap_or_default();
            ClientOpening::Hello {
                server_name: fields.server_name().map(Into::into),
                prefers_chacha: fields.prefers_chacha(),
            }
        }
        Ok(None) => ClientOpening::Incomplete,
        Err(NotHello) => ClientOpening::Other,
    }
}

struct NotHello;

/// The ClientHello and its message header, without the headers of the records that it spans. `None` if it is
/// incomplete.
fn whole_message(mut input: &[u8]) -> Result<Option<Cow<'_, [u8]>>, NotHello> {
    let mut message = Cow::Borrowed(&[][..]);
    loop {
        // Each byte of the header is checked as soon as it has arrived, so that other protocols are rejected early.
        match *input {
            [kind, ..] if kind != HANDSHAKE => return Err(NotHello),
            [_, major, ..] if major != 3 => return Err(NotHello),
            // Empty records are rejected, because they would let a client keep the server waiting forever.
            [_, _, _, 0, 0, ..] => return Err(NotHello),
            _ => {}
        }
        let Some((header, rest)) = input.split_first_chunk::<RECORD_HEADER>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        // A record that is too long is rejected before the rest of it arrives, so that the client gets an alert
        // immediately.
        if length > 16 * 1024 {
            return Err(NotHello);
        }
        let (payload, rest) = rest.split_at(length.min(rest.len()));
        // A ClientHello that fits into one record, as most do, is not copied.
        if message.is_empty() {
            message = Cow::Borrowed(payload)
        } else {
            message.to_mut().extend_from_slice(payload)
        }
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(NotHello);
        }
        if let Some(&[_, high, middle, low]) = message.first_chunk::<MESSAGE_HEADER>() {
            let whole = MESSAGE_HEADER + u32::from_be_bytes([0, high, middle, low]) as usize;
            // The announced length is checked before the whole message has arrived, so that a client cannot make the
            // server store more than the maximum.
            match message.len() {
                _ if whole > MOST_HELLO => return Err(NotHello),
                length if length >= whole => return Ok(Some(message)),
                _ => {}
            }
        }
        // An incomplete record is always the last one in the input.
        if payload.len() < length {
            return Ok(None);
        }
        input = rest;
    }
}

/// The fields of a ClientHello that this module reads.
#[derive(Default)]
struct HelloFields<'h> {
    cipher_suites: &'h [u8],
    extensions: &'h [u8],
}

impl<'h> HelloFields<'h> {
    /// Splits the body of a ClientHello into its fields.
    fn of(hello: &'h [u8]) -> Option<HelloFields<'h>> {
        const VERSION_AND_RANDOM: usize = 2 + 32;
        let mut rest = hello.get(VERSION_AND_RANDOM..)?;
        let _session_id = take_short(&mut rest)?;
        let cipher_suites = take_long(&mut rest)?;
        let _compression_methods = take_short(&mut rest)?;
        // A TLS 1.2 client can leave out the extensions.
        Some(HelloFields { cipher_suites, extensions: take_long(&mut rest).unwrap_or_default() })
    }

    fn server_name(&mut self) -> Option<&'h str> {
        const SERVER_NAME: u16 = 0;
        const HOST_NAME: u8 = 0;
        loop {
            let kind = take_number(&mut self.extensions)?;
            let mut data = take_long(&mut self.extensions)?;
            if kind == SERVER_NAME {
                let names = take_long(&mut data)?;
                let (&kind, mut rest) = names.split_first()?;
                let name = take_long(&mut rest).filter(|_| kind == HOST_NAME)?;
                // A name need not be validated here, because rustls rejects one that is not a DNS name before the
                // handshake is complete.
                return std::str::from_utf8(name).ok();
            }
        }
    }

    fn prefers_chacha(&self) -> bool {
        let mut suites = self.cipher_suites.chunks_exact(2).map(|suite| [suite[0], suite[1]]);
        // Reserved values are skipped. Browsers put a reserved value first, to check that servers ignore unknown values
        // (RFC 8701).
        let first = suites.find(|[high, low]| high != low || high & 0x0f != 0x0a);
        // The values are those of `TLS_CHACHA20_POLY1305_SHA256` and of the ECDHE suites with ChaCha20 for RSA and
        // ECDSA keys.
        matches!(first, Some([0x13, 0x03] | [0xcc, 0xa8 | 0xa9]))
    }
}

fn take_number(rest: &mut &[u8]) -> Option<u16> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u16::from_be_bytes(*number))
}

/// Removes a byte string with a length prefix of one byte from the front of `rest`, and returns it without the prefix.
fn take_short<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (&length, after) = rest.split_first()?;
    *rest = after;
    take(rest, usize::from(length))
}

/// Removes a byte string with a length prefix of two bytes from the front of `rest`, and returns it without the prefix.
fn take_long<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = take_number(rest)?;
    take(rest, usize::from(length))
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::HelloFields;

    #[test]
    fn the_preferred_suite_is_the_first_that_has_a_meaning() {
        let prefers_chacha = |cipher_suites: &[u8]| HelloFields { cipher_suites, extensions: &[] }.prefers_chacha();
        for (suites, wanted) in [
            (&[0x13, 0x03, 0x13, 0x01][..], true),
            (&[0x13, 0x01, 0x13, 0x03], false),
            (&[0x7a, 0x7a, 0x13, 0x03], true),
            (&[0x7a, 0x7a, 0x13, 0x02, 0xcc, 0xa9], false),
            (&[0xcc, 0xa8], true),
            (&[0xcc, 0xa9], true),
            (&[0x1a, 0x2a, 0x13, 0x03], false),
            (&[0x13], false),
            (&[], false),
        ] {
            assert_eq!(prefers_chacha(suites), wanted, "{suites:x?}");
        }
    }
}
