//! Looks at the first bytes of a client before rustls does: whether they are TLS, whether the ClientHello is complete, and the
//! name of the server in it (RFC 6066 section 3), which rustls' unbuffered connection does not show.
//!
//! What stays out: judging the message. Bytes that are not a proper ClientHello go to rustls, which answers with an alert.

use std::borrow::Cow;

/// The first bytes of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientOpening {
    /// A ClientHello of which a part is missing.
    Incomplete,
    /// A whole ClientHello, with the server's name if it has one.
    Hello(Option<Box<str>>),
    /// A whole ClientHello whose newest version is older than TLS 1.2.
    TooOld,
    /// Text that begins as a method of HTTP does: a client that does not know that this is a port for TLS.
    Text,
    /// Anything else.
    Other,
}

const RECORD_HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;
/// The type of a record with messages of the handshake.
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// A larger ClientHello is refused by rustls, so that its rest is not awaited.
const MOST_HELLO: usize = 0xffff;

/// Looks at the bytes that have come.
pub(super) fn look_at(input: &[u8]) -> ClientOpening {
    match input.first() {
        None => return ClientOpening::Incomplete,
        // The methods of HTTP are in capital letters. TLS begins with a record type, which is below 0x20.
        Some(b'A'..=b'Z') => return ClientOpening::Text,
        Some(_) => {}
    }
    match whole_message(input) {
        // TLS 1.3 writes the version 1.2 here, and its own into an extension.
        Ok(Some(hello)) if matches!(hello[MESSAGE_HEADER..], [3, 0..=2, ..]) => ClientOpening::TooOld,
        Ok(Some(hello)) => ClientOpening::Hello(server_name(&hello[MESSAGE_HEADER..]).map(Into::into)),
        Ok(None) => ClientOpening::Incomplete,
        Err(NotHello) => ClientOpening::Other,
    }
}

struct NotHello;

/// The ClientHello with its header, joined if it comes in several records. `None` if a part is missing.
fn whole_message(mut input: &[u8]) -> Result<Option<Cow<'_, [u8]>>, NotHello> {
    let mut message = Cow::Borrowed(&[][..]);
    loop {
        // Every byte that has come is checked, so that other protocols are refused without waiting for a whole header.
        match *input {
            [kind, ..] if kind != HANDSHAKE => return Err(NotHello),
            [_, major, ..] if major != 3 => return Err(NotHello),
            // An empty record would let a client make the server wait for ever with records that add nothing.
            [_, _, _, 0, 0, ..] => return Err(NotHello),
            _ => {}
        }
        let Some((header, rest)) = input.split_first_chunk::<RECORD_HEADER>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        // A record that is too long gets its alert at once.
        if length > 16 * 1024 {
            return Err(NotHello);
        }
        let (payload, rest) = rest.split_at(length.min(rest.len()));
        // Most ClientHellos are in one record, and are not copied.
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
            // The announced length is checked before the bytes arrive, so a client cannot make the server keep more
            // than this.
            match message.len() {
                _ if whole > MOST_HELLO => return Err(NotHello),
                length if length >= whole => return Ok(Some(message)),
                _ => {}
            }
        }
        // The record is incomplete, so no other one follows it in the input.
        if payload.len() < length {
            return Ok(None);
        }
        input = rest;
    }
}

/// The name in the body of a ClientHello.
fn server_name(hello: &[u8]) -> Option<&str> {
    const VERSION_AND_RANDOM: usize = 2 + 32;
    const SERVER_NAME: u16 = 0;
    const HOST_NAME: u8 = 0;
    let mut rest = hello.get(VERSION_AND_RANDOM..)?;
    let _session_id = take_short(&mut rest)?;
    let _cipher_suites = take_long(&mut rest)?;
    let _compression_methods = take_short(&mut rest)?;
    let mut extensions = take_long(&mut rest)?;
    loop {
        let kind = take_number(&mut extensions)?;
        let mut data = take_long(&mut extensions)?;
        if kind == SERVER_NAME {
            let names = take_long(&mut data)?;
            let (&kind, mut rest) = names.split_first()?;
            let name = take_long(&mut rest).filter(|_| kind == HOST_NAME)?;
            // rustls refuses a name that is not a DNS name, before a handshake can complete with it.
            return std::str::from_utf8(name).ok();
        }
    }
}

fn take_number(rest: &mut &[u8]) -> Option<u16> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u16::from_be_bytes(*number))
}

/// Takes bytes that are preceded by their length in one byte.
fn take_short<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (&length, after) = rest.split_first()?;
    *rest = after;
    take(rest, usize::from(length))
}

/// Takes bytes that are preceded by their length in two bytes.
fn take_long<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = take_number(rest)?;
    take(rest, usize::from(length))
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}
