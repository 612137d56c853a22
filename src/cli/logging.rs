//! Builds the access log from the options.

use super::exit::Exit;
use super::options::Options;
use crate::log::AccessLog;

/// Opens the access log, or turns it off if `--quiet` is set.
pub(super) fn log(options: &Options) -> Result<AccessLog, Exit> {
    let log = match &options.log.file {
        _ if options.quiet => AccessLog::off(),
        None => AccessLog::stderr(),
        Some(path) => AccessLog::file(path).map_err(|error| Exit::cannot("write", path, error))?,
    };
    Ok(log.format(options.log.format))
}
