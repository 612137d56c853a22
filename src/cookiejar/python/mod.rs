//! CPython's `http.cookiejar`: its parser of `Set-Cookie` fields, and its rules for Netscape cookies. RFC 2965 cookies
//! and the `Set-Cookie2` field are not supported, because RFC 6265 has made them obsolete.

mod parse;
mod rules;

pub(super) use parse::parse;
pub(super) use rules::{return_ok, set_ok};
