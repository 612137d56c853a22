//! RFC 6265bis: the parser for a `Set-Cookie` field (section 5.6), and the rules for keeping and sending cookies
//! (sections 5.7 and 5.8).

mod parse;
mod rules;

pub(super) use parse::parse;
pub(super) use rules::{is_same_site_only, overlays_secure, return_ok, set_ok};
