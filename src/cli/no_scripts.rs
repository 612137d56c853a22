//! Replaces `scripts.rs` in a program that was built without scripts.

use std::convert::Infallible;
use std::io;

use super::exit::Exit;
use super::options::Options;
use crate::files::FileService;
use crate::service::Service;

/// Returns no user, because there are no scripts to run.
pub(super) fn user(_: &Options) -> Result<Option<Infallible>, Exit> {
    Ok(None)
}

/// Builds services that serve files only.
#[derive(Debug, Default)]
pub(super) struct Scripts {}

impl Scripts {
    /// Returns the service for the files unchanged.
    pub(super) fn beside(
        &mut self,
        files: FileService,
        _: Option<Infallible>,
        _: &Options,
    ) -> io::Result<Box<dyn Service + Send>> {
        Ok(Box::new(files))
    }
}
