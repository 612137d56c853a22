//! Python's `http.cookiejar`: the cookies of a client, under the rules of RFC 6265bis or of CPython.
//!
//! [`CookieJar`] extracts cookies from responses and adds them to requests. [`Policy`] selects the cookies to keep and
//! to send. [`MozillaFile`] and [`LwpFile`] store cookies on disk. The jar has no clock and no socket: the time is an
//! argument of every call that needs it, and a request is represented by a [`RequestUrl`]. The server side of cookies
//! is in [`cookies`](crate::cookies).
//!
//! | module | content |
//! |---|---|
//! | `jar`, `store` | the jar; the order and the number of its cookies |
//! | `cookie`, `url` | a cookie; the parts of a request that cookies depend on |
//! | `policy` | the settings, and the trait for a program's own rules |
//! | `rfc6265`, `python` | how a `Set-Cookie` field is read, and which cookies are kept and sent, under each standard |
//! | `date`, `domain`, `path` | parts that both standards use |
//! | `file`, `mozilla`, `lwp` | files |
//!
//! RFC 2965 and its `Set-Cookie2` field are not supported, because RFC 6265 made them obsolete.
//!
//! Invariant: the value that a jar returns for a `Cookie` field never contains CR, LF or NUL.

mod cookie;
mod date;
mod domain;
mod file;
mod jar;
mod lwp;
mod mozilla;
mod path;
mod policy;
mod python;
mod rfc6265;
mod store;
mod url;

pub use cookie::Cookie;
pub use domain::is_public_suffix;
pub use file::{CookieFile, FileOptions, LoadError, Saved};
pub use jar::CookieJar;
pub use lwp::LwpFile;
pub use mozilla::MozillaFile;
pub use policy::{CookiePolicy, Policy, Standard};
pub use url::{InvalidUrl, RequestUrl};
