//! Python's `http.cookies`: the server side of cookies, which are read from a `Cookie` field and written as
//! `Set-Cookie` fields.
//!
//! [`SimpleCookie`] is a table of [`Morsel`]s. A morsel has a name, a value and attributes. [`pairs`] parses a `Cookie`
//! field as RFC 6265 does: a malformed pair is skipped, and the others are kept. All text is Latin-1, in which the
//! character U+00E9 represents the byte 0xE9, as in every field value. The client side of cookies is in `cookiejar`
//! (feature `client`).
//!
//! Invariant: the key, the value and the attributes of a [`Morsel`] never contain control characters, so the output of
//! this module cannot split a header field.

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
