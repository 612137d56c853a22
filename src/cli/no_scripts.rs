//! What stands for the scripts in a program that was built without them.

use std::convert::Infallible;
use std::io;

use super::exit::Exit;
use super::options::Options;
use crate::files::FileService;
use crate::service::Service;

/// The user of scripts, where there are none.
pub(super) fn user(_: &Options) -> Result<Option<Infallible>, Exit> {
    Ok(None)
}

/// Makes services that run no scripts.
#[derive(Debug, Default)]
pub(super) struct Scripts {}

impl Scripts {
    /// The service for the files.
    pub(super) fn beside(
        &mut self,
        files: FileService,
        _: Option<Infallible>,
        _: &Options,
    ) -> io::Result<Box<dyn Service + Send>> {
        Ok(Box::new(files))
    }
}
