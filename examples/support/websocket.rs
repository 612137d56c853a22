//! The server's side of the WebSocket handshake (RFC 6455 section 4.2), and a tungstenite socket on the stream.

use std::io::{self, Write};

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

/// A close frame with the code 1001, which means that the server is going away (RFC 6455 section 7.4.1).
const GOING_AWAY: [u8; 4] = [0x88, 2, 0x03, 0xe9];

/// Ends the handler after an error of the socket. Most errors only mean that the conversation is over: the close
/// handshake is complete, or the stream has ended without one. The stream also ends when the server stops, and then the
/// client gets a close frame.
///
/// # Errors
/// The error, if it is another one.
pub fn end(x: &Exchange<'_>, mut socket: Socket<'_>, error: tungstenite::Error) -> Result<(), tungstenite::Error> {
    use tungstenite::Error::{ConnectionClosed, Protocol};
    use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    match error {
        ConnectionClosed => Ok(()),
        Protocol(ResetWithoutClosingHandshake) => {
            // tungstenite sends nothing more after the end of its input. A client that has disconnected needs no frame.
            if x.is_stopping() {
                _ = socket.get_mut().write_all(&GOING_AWAY);
            }
            Ok(())
        }
        error => Err(error),
    }
}
