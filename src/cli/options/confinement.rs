//! The setters for the flags that make the program drop privileges.

use std::ffi::OsStr;

use super::model::{BadValue, Options};
use super::values::{must, path, text};

impl Options {
    pub(in crate::cli) fn set_user(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let name = text("user", value)?;
        if name.is_empty() || name.contains(['\0', ':']) {
            return Err(must("be the name of a user of this system", "user", value));
        }
        self.confinement.user = Some(name.to_owned());
        Ok(())
    }

    pub(in crate::cli) fn set_chroot(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.confinement.chroot = Some(path("directory", value)?);
        Ok(())
    }

    pub(in crate::cli) fn set_sandbox(&mut self) {
        self.confinement.sandbox = true;
    }
}
