//! Replaces `tls.rs` in a program that was built without TLS.

pub(super) use std::convert::Infallible as Tls;
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::options::{Options, TlsOptions};
use crate::{HttpServer, Reload};

/// No configuration: options of TLS were refused before.
pub(super) fn configuration(_: &Options, _: Option<&Tls>) -> Result<Option<Tls>, Exit> {
    Ok(None)
}

/// Not called, because there is no configuration.
pub(super) fn secured(_: HttpServer, tls: &Tls, _: &Options) -> HttpServer {
    match *tls {}
}

/// Not called, because there is no configuration.
pub(super) fn renew(_: &Reload<'_>, tls: &Tls, _: &Options) -> Vec<String> {
    match *tls {}
}

/// Not called, because there is no configuration.
pub(super) fn remarks(_: &Options, tls: &Tls) -> Vec<String> {
    match *tls {}
}

/// No files.
pub(super) fn files(_: &TlsOptions) -> std::iter::Empty<&Path> {
    std::iter::empty()
}

/// No folders.
pub(super) fn folders(_: &TlsOptions) -> Vec<PathBuf> {
    Vec::new()
}
