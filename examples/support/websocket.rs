//! The server's side of the handshake of WebSocket (RFC 6455 section 4.2), and a socket of tungstenite on the stream.

use std::io;

use serve_forever::handler::{Exchange, HttpError, Upgraded};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocket};

pub type Socket<'x> = WebSocket<Upgraded<'x>>;

/// Accepts the handshake.
///
/// Browsers let a page of any site open a WebSocket. A server that trusts cookies must compare `Origin` first.
///
/// # Errors
/// 426 if the request asks for no WebSocket, or for another version than 13; 400 if it has no key.
pub fn accept<'x>(x: &'x Exchange<'_>) -> io::Result<Socket<'x>> {
    if x.request().asks_for_upgrade("websocket") {
        if x.headers().get("Sec-WebSocket-Version") != Some(b"13") {
            return Err(HttpError::new(426)
                .header("Sec-WebSocket-Version", "13")?
                .header("Upgrade", "websocket")?
                .into());
        }
        let key = x.headers().get("Sec-WebSocket-Key").ok_or_else(|| HttpError::new(400).message("No key"))?;
        x.send_header("Sec-WebSocket-Accept", derive_accept_key(key))?;
    }
    Ok(WebSocket::from_raw_socket(x.upgrade("websocket")?, Role::Server, None))
}

/// True if an error of the socket only says that the conversation is over: the close handshake is done, or the stream
/// has ended without one, as it does when the server stops.
pub fn is_end(error: &tungstenite::Error) -> bool {
    use tungstenite::Error::{ConnectionClosed, Protocol};
    use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    matches!(error, ConnectionClosed | Protocol(ResetWithoutClosingHandshake))
}
