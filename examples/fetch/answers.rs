//! The lines that the program writes in response to its input.

use std::io;

use serde_json::{Value, json};
use serve_forever::client::{ClientStream, Error, HttpResponse};
use serve_forever::http::{HeaderList, Version};

/// A program error, as JSON.
pub struct Failed(pub Value);

impl Failed {
    pub fn name(name: &str) -> Failed {
        Failed(json!({ "error": name }))
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed(match &error {
            Error::IncompleteRead { partial, expected } => {
                json!({ "error": error.name(), "partial": text(partial), "expected": expected })
            }
            Error::TunnelFailed(status, _) => json!({ "error": error.name(), "status": status.code() }),
            _ => json!({ "error": error.name(), "message": error.to_string() }),
        })
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Error::from(error).into()
    }
}

/// Converts bytes to the text that represents them.
pub fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

pub fn fields(headers: &HeaderList) -> Value {
    headers.iter().map(|(name, value)| json!([name, text(value)])).collect()
}

pub fn head<S: ClientStream>(response: &HttpResponse<S>) -> Value {
    json!({
        "status": response.status().code(),
        "reason": response.reason(),
        "version": if response.version() == Version::Http10 { 10 } else { 11 },
        "headers": fields(response.headers()),
        "will_close": response.will_close(),
        "length": response.length(),
        "chunked": response.is_chunked(),
    })
}

/// The CRC-32 of `zlib.crc32`, continued with the bytes of a piece.
pub fn crc32(crc: u32, piece: &[u8]) -> u32 {
    !piece.iter().fold(!crc, |crc, byte| (crc >> 8) ^ CRC_OF_BYTE[((crc ^ u32::from(*byte)) & 0xff) as usize])
}

/// The remainder of each byte.
const CRC_OF_BYTE: [u32; 256] = {
    let (mut table, mut byte) = ([0; 256], 0);
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0xedb8_8320 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};
