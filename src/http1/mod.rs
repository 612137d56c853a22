//! HTTP/1.0 and HTTP/1.1 without I/O: received bytes become events, and messages to send become bytes.
//!
//! [`ServerMachine`] is the server side of one connection. The caller puts received bytes into a [`Buffer`];
//! [`ServerMachine::receive`] consumes them and returns events. [`ServerMachine::respond`] writes the head of a
//! response and returns the [`Encoder`] for its body. [`ClientMachine`] is the client side: [`ClientMachine::request`]
//! writes the head of a request, and [`ClientMachine::receive`] returns the events of a response. Every fault in a
//! message is reported as a [`Violation`]; a [`Rejection`] maps it to a status and a text. [`MessageLimits`] bound the
//! size of a message.
//!
//! `head/` and `body/` do not use the machines. Requests and responses share the code that reads and writes framing.
//!
//! Parsing is strict, and there is no lenient mode. Where RFC 9112 lets a recipient guess, this parser rejects the
//! message, because two parsers that guess differently allow request smuggling.
//!
//! Invariant: no code here reads a socket, a file or a clock, and no input makes it panic. The same bytes produce the
//! same events, whether they arrive in one piece or in several.

mod body;
mod client;
mod head;
mod limits;
mod rejection;
mod server;
mod violation;

pub use crate::buffer::Buffer;
pub use body::{ChunkedDecoder, Decoded, Decoder, Encoder};
pub use client::{ClientMachine, ResponseEvent};
#[cfg(feature = "client")]
pub(crate) use head::SentFraming;
pub use head::{CommonHeaders, HeadProgress, InvalidRequest, ReceivedHead, RequestHead, ResponseHead};
pub use limits::MessageLimits;
pub use rejection::Rejection;
pub use server::{ReceiveState, RequestEvent, SendState, ServerMachine};
pub use violation::Violation;
