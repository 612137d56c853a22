//! Encodings: `/gzip` and `/deflate`, which store their data uncompressed and so need no compressor; `/base64` and
//! `/uuid`.

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::echo::{echo, member};
use super::generator;
use super::replies::{EndpointError, octets};
use super::routes::EndpointCall;
use crate::http::percent_decode;
use crate::service::{Body, Reply};

/// The maximum number of bytes in a stored block (RFC 1951 section 3.2.4).
const MOST_STORED: usize = 0xffff;

/// `/gzip`: responds with the request as JSON, like `/get`, with the content coding `gzip` (RFC 1952).
pub(super) fn gzip(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    Ok(coded(call, "gzip", "gzipped", |data| {
        // The header omits the file name and the modification time, so that the bytes depend only on the request. The
        // last byte, 0xff, stands for an unknown operating system.
        let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
        push_stored(data, &mut out);
        out.extend_from_slice(&crc32(data).to_le_bytes());
        out.extend_from_slice(&(data.len() as u32).to_le_bytes());
        out
    }))
}

/// `/deflate`: the same as `/gzip`, but with the content coding `deflate`, which is the zlib format (RFC 1950).
pub(super) fn deflate(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    Ok(coded(call, "deflate", "deflated", |data| {
        let mut out = vec![0x78, 0x01];
        push_stored(data, &mut out);
        out.extend_from_slice(&adler32(data).to_be_bytes());
        out
    }))
}

fn coded(call: &EndpointCall<'_>, coding: &'static str, flag: &str, encode: impl Fn(&[u8]) -> Vec<u8>) -> Reply {
    let mut response = echo(call.request, None);
    if let Body::Bytes(bytes) = &response.body {
        // The closing brace is removed here and added again below, because the object gets one more member.
        let mut data = bytes[..bytes.len() - 1].to_vec();
        member(&mut data, flag, |data| data.extend_from_slice(b"true"));
        data.push(b'}');
        response.body = Body::Bytes(encode(&data).into());
    }
    response.head.put("Content-Encoding", coding);
    response.into()
}

/// `/base64/{v}`: responds with the bytes that `v` encodes. Both alphabets are accepted, with or without padding.
pub(super) fn base64(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let text = percent_decode(call.rest).unwrap_or_default();
    let decode = |alphabet: &Alphabet| {
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        GeneralPurpose::new(alphabet, config).decode(&text).ok()
    };
    let decoded = decode(&STANDARD).or_else(|| decode(&URL_SAFE));
    Ok(octets(decoded.ok_or_else(|| EndpointError::bad_request("this is not base64"))?).into())
}

/// `/uuid?seed=`: responds with a version 4 UUID (RFC 9562 section 5.4) that is made from the generator's first 16
/// bytes.
pub(super) fn uuid(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let mut bytes = [0; 16];
    generator::fill(call.params.seed()?, 0, &mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let text = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-");
    Ok(super::echo::object(|body| super::echo::text_member(body, "uuid", &text)).into())
}

/// Appends data as stored (uncompressed) blocks. The first byte of the last block is 1, that of all others is 0. Empty
/// data becomes one empty block.
fn push_stored(data: &[u8], out: &mut Vec<u8>) {
    let mut rest = data;
    loop {
        let (block, after) = rest.split_at(rest.len().min(MOST_STORED));
        let length = block.len() as u16;
        out.push(u8::from(after.is_empty()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
        if after.is_empty() {
            return;
        }
        rest = after;
    }
}

/// The CRC-32 checksum, as used by gzip (RFC 1952 section 8). It is computed bit by bit, because these bodies are
/// short.
fn crc32(data: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !data.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// The Adler-32 checksum, as used by zlib (RFC 1950 section 8.2).
fn adler32(data: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (a, b) = data.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % MODULUS;
        (a, (b + a) % MODULUS)
    });
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_literature() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn data_longer_than_a_block_is_stored_in_two() {
        let mut out = Vec::new();
        push_stored(&[7; MOST_STORED + 1], &mut out);
        assert_eq!((out[0], &out[1..5]), (0, &[0xff, 0xff, 0, 0][..]));
        assert_eq!(&out[5 + MOST_STORED..], [1, 1, 0, 0xfe, 0xff, 7]);
        out.clear();
        push_stored(b"", &mut out);
        assert_eq!(out, [1, 0, 0, 0xff, 0xff]);
    }
}
