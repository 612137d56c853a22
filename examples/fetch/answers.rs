//! The responses of the program.

use std::io;

use serde_json::{Value, json};
use serve_forever::client::{ClientStream, Error, HttpResponse};
use serve_forever::http::{HeaderList, Version};

/// An error of the program, as JSON.
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

/// The text that stands for bytes.
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
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1)))
    };
    !piece.iter().fold(!crc, step)
}
