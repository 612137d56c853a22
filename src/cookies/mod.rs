//! Python's `http.cookies`: cookies of a server, read from a `Cookie` field and written as `Set-Cookie` fields.
//!
//! [`SimpleCookie`] is a table of [`Morsel`]s, each of which is a name, a value and attributes. [`pairs`] reads a `Cookie`
//! field by the rules of RFC 6265, which skips a malformed pair and keeps the others. All text is Latin-1: the character U+00E9 stands
//! for the byte 0xE9, as in every field value. Cookies of a client are kept by `cookiejar` (feature `client`), not here.
//!
//! Invariant: neither the key, nor the value, nor an attribute of a [`Morsel`] holds a control character, so no output of
//! this module can split a header field.

mod morsel;
mod pairs;
mod parse;
mod quote;
mod simple;

pub use morsel::{AttributeValue, CookieError, Morsel};
pub use pairs::pairs;
#[cfg(feature = "cookie")]
pub(crate) use quote::unquote_escapes;
pub use quote::{quote, unquote};
pub use simple::{Output, SimpleCookie};
