//! Replaces `tls.rs` in a program that was built without TLS.

pub(super) use std::convert::Infallible as Tls;
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::options::{Options, TlsOptions};
use crate::{HttpServer, Reload};

/// Returns no configuration, because TLS options have already been rejected.
pub(super) fn configuration(_: &Options, _: Option<&Tls>) -> Result<Option<Tls>, Exit> {
    Ok(None)
}

/// Never called, because `Tls` is uninhabited in this build.
pub(super) fn secured(_: HttpServer, tls: &Tls, _: &Options) -> HttpServer {
    match *tls {}
}

/// Never called, because `Tls` is uninhabited in this build.
pub(super) fn renew(_: &Reload<'_>, tls: &Tls, _: &Options) -> Vec<String> {
    match *tls {}
}

/// Never called, because `Tls` is uninhabited in this build.
pub(super) fn remarks(_: &Options, tls: &Tls) -> Vec<String> {
    match *tls {}
}

/// Returns no files, because a build without TLS reads none.
pub(super) fn files(_: &TlsOptions) -> std::iter::Empty<&Path> {
    std::iter::empty()
}

/// Returns no directories, because a build without TLS reads none.
pub(super) fn folders(_: &TlsOptions) -> Vec<PathBuf> {
    Vec::new()
}
