//! RFC 6265bis: how a `Set-Cookie` field is read (section 5.6), and which cookies are kept and sent (sections 5.7 and 5.8).

mod parse;
mod rules;

pub(super) use parse::parse;
pub(super) use rules::{is_same_site_only, overlays_secure, return_ok, set_ok};
