//! CPython's `http.cookiejar`: how it reads a `Set-Cookie` field, and its rules for cookies of Netscape. Those of RFC 2965
//! and the field `Set-Cookie2` are left out: RFC 6265 made them obsolete.

mod parse;
mod rules;

pub(super) use parse::parse;
pub(super) use rules::{return_ok, set_ok};
