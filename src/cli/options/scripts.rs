//! The switches of scripts.

use std::ffi::OsStr;

use super::values::invalid;
use super::{Options, Understood};

impl Options {
    pub(in crate::cli) fn run_scripts(&mut self) {
        self.cgi = true;
    }

    pub(in crate::cli) fn add_script_variable(&mut self, value: &OsStr) -> Understood {
        let bytes = value.as_encoded_bytes();
        if bytes.is_empty() || bytes.contains(&b'=') {
            return Err(invalid("name", value));
        }
        self.cgi_env.push(value.to_owned());
        Ok(())
    }

    pub(in crate::cli) fn set_script_user(&mut self, value: &OsStr) -> Understood {
        self.cgi_user = Some(value.to_str().ok_or_else(|| invalid("user", value))?.to_owned());
        Ok(())
    }
}
