//! Files and directories as a ready-made [`Service`](crate::service::Service): Python's `SimpleHTTPRequestHandler`.
//!
//! Every request goes through the same steps, each of which has its own modules:
//!
//! 1. `account`, `auth`, `gates` and `cors` decide whether the request is admitted.
//! 2. `cache` holds the responses to most requests. Its entries depend on facts about the directory tree
//!    (`dependency`).
//! 3. Otherwise `lookup` finds the file or directory for the path in the served directory (`tree`, `stat`).
//! 4. `loader` reads the file (`content`) or a compressed sibling (`siblings`, `codings`), and adds the header fields
//!    (`mime`, `representation`). A directory without an index file is listed ([`listing`]).
//! 5. The request's preconditions and range determine the bytes to send (`preconditions`, `range`, `multipart`).
//!
//! If a step fails, it returns a `refusal`, which determines the error response. `builder` checks the settings, and
//! `policy` holds them. `reserved` lists the header fields that settings cannot change directly.
//!
//! The connection is responsible for sockets, framing, the `Date` and `Server` fields, the server's own error pages and
//! the access log.
//!
//! Invariant: only regular files are opened for reading. A file outside the root is opened only through a symbolic
//! link, as an operator's error page or through `translate_path`. The length announced in a response is that of the
//! open file or of the bytes read.

mod account;
mod auth;
mod auth_offload;
mod basic_auth;
mod builder;
mod cache;
mod codings;
mod content;
mod cors;
mod credential_cache;
mod dependency;
mod error_log;
mod gates;
pub mod listing;
mod loader;
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
pub use basic_auth::BasicAuth;
#[cfg(all(feature = "cgi", target_os = "linux"))]
pub(crate) use builder::DEFAULT_REALM;
pub use builder::FileServiceBuilder;
pub use cache::CacheLimits;
#[cfg(feature = "cli")]
pub(crate) use gates::Gates;
#[cfg(all(feature = "cgi", target_os = "linux"))]
pub(crate) use lookup::is_hidden;
#[cfg(feature = "cli")]
pub(crate) use mime::CODINGS;
#[cfg(feature = "harness")]
pub(crate) use preconditions::{PreconditionResult, Validators, evaluate, if_range};
#[cfg(feature = "harness")]
pub(crate) use range::{Selection, select};
#[cfg(feature = "cli")]
pub(crate) use reserved::{SERVER, reserved};
pub use service::FileService;
pub use tree::Symlinks;
