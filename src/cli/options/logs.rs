//! The switches of the log.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::values::{choice, file};
use super::{Options, Understood};
use crate::log::LogFormat;

/// How requests are logged, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// What the lines look like.
    pub format: LogFormat,
    /// The file; `None` is standard error. Not known to be writable.
    pub file: Option<PathBuf>,
}

impl Options {
    pub(in crate::cli) fn set_log_format(&mut self, value: &OsStr) -> Understood {
        let known = [
            ("python", LogFormat::Python),
            ("common", LogFormat::Common),
            ("combined", LogFormat::Combined),
            ("json", LogFormat::Json),
        ];
        self.log.format = choice(&known, value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_log_file(&mut self, value: &OsStr) -> Understood {
        self.log.file = Some(file(value)?);
        Ok(())
    }
}
