//! CPython's `http.cookiejar`: its parser of `Set-Cookie` fields, and its rules for Netscape cookies. Cookies of RFC
//! 2965 and the field `Set-Cookie2` are left out, because RFC 6265 has made them obsolete.

mod parse;
mod rules;

pub(super) use parse::parse;
pub(super) use rules::{return_ok, set_ok};
