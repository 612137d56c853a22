//! The setters for access log flags.

use std::ffi::OsStr;

use super::model::{BadValue, Options};
use super::values::{choice, file};
use crate::log::LogFormat;

impl Options {
    pub(in crate::cli) fn set_log_format(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let known = [
            ("python", LogFormat::Python),
            ("common", LogFormat::Common),
            ("combined", LogFormat::Combined),
            ("json", LogFormat::Json),
        ];
        self.log.format = choice(&known, value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_log_file(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.log.file = Some(file(value)?);
        Ok(())
    }
}
