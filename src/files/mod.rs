//! Files and directories as a ready-made [`Service`](crate::service::Service): Python's `SimpleHTTPRequestHandler`.
//!
//! A request goes the same way every time, and each step is a room of its own: the path is looked up (`lookup`) in the
//! directory (`tree`), or found in the cache (`cache`), which is what makes the common request cheap; the
//! file, or a compressed sibling of it (`siblings`), becomes a representation (`content`, `mime`, `representation`); then
//! the request's preconditions and its range decide what is sent of it (`preconditions`, `range`, `multipart`).
//! Whatever goes wrong on the way is a `refusal`. A directory without an index file is listed ([`listing`]). What is a
//! matter of taste is set by the `builder` and kept in the `policy`, but for the fields that are `reserved`; `account`,
//! `auth` and `cors` decide which requests are admitted.
//!
//! What stays out: sockets, framing, `Date` and `Server`, error pages, the log. They are the connection's.
//!
//! Invariant: only regular files are ever opened, nothing outside of the root is except through a symbolic link, and
//! an announced length is exactly the length that the open file had, or that of the bytes that were read of it.

mod account;
mod auth;
mod auth_offload;
mod builder;
mod cache;
mod codings;
mod content;
mod cors;
mod credential_cache;
mod dependency;
pub mod listing;
mod loader;
mod log_queue;
mod lookup;
mod mime;
mod multipart;
mod negative_cache;
mod policy;
mod preconditions;
mod qvalue;
mod range;
mod recent_files;
mod refusal;
mod representation;
mod reserved;
mod service;
mod siblings;
mod stat;
mod surrogates;
mod tree;

pub use account::{Account, BadAccount};
#[cfg(any(feature = "cli", all(feature = "cgi", target_os = "linux")))]
pub(crate) use auth::Gate;
#[cfg_attr(not(feature = "cli"), expect(unused_imports, reason = "the program guards scripts, too"))]
pub(crate) use auth_offload::AuthOffload;
#[cfg(all(feature = "cgi", target_os = "linux"))]
pub(crate) use builder::DEFAULT_REALM;
pub use builder::FileServiceBuilder;
pub use cache::CacheLimits;
#[cfg(all(feature = "cgi", target_os = "linux"))]
pub(crate) use lookup::is_hidden;
#[cfg(feature = "cli")]
pub(crate) use mime::CODINGS;
#[cfg(feature = "cli")]
pub(crate) use reserved::{SERVER, reserved};
pub use service::FileService;
pub use tree::Symlinks;
