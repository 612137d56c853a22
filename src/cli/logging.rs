//! From options to the access log.

use super::exit::Exit;
use super::options::Options;
use crate::log::AccessLog;

/// The log that was asked for.
pub(super) fn log(options: &Options) -> Result<AccessLog, Exit> {
    let log = match &options.log.file {
        _ if options.quiet => AccessLog::off(),
        None => AccessLog::stderr(),
        Some(path) => AccessLog::file(path).map_err(|error| Exit::cannot("write", path, error))?,
    };
    Ok(log.format(options.log.format))
}
