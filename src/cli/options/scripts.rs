//! The setters for CGI script flags.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::time::Duration;

use super::model::{BadValue, Options};
use super::values::{count, must, some_or_no_seconds, text};
use crate::cgi::{CgiLimits, ScriptUser};
use crate::limits::Limits;

/// The difference between the server's response timeout and the sum of two script limits: for waiting in the queue, and
/// for sending the head of a response.
const MARGIN: Duration = Duration::from_secs(5);

impl Options {
    pub(in crate::cli) fn set_cgi(&mut self) {
        self.scripts.run = true;
        self.wait_for_scripts();
    }

    pub(in crate::cli) fn set_cgi_timeout(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.scripts.timeout = Some(some_or_no_seconds(value)?);
        Ok(())
    }

    pub(in crate::cli) fn set_cgi_first_byte(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.scripts.first_byte = Some(some_or_no_seconds(value)?);
        self.wait_for_scripts();
        Ok(())
    }

    pub(in crate::cli) fn set_cgi_max(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.scripts.max_running = Some(count(value).map_err(|why| why.hint("must be a whole number, 1 or more"))?);
        Ok(())
    }

    /// Sets the server's response timeout so that it expires later than the script's own limits on the wait in the
    /// queue and on the head of the response. The log then names the script.
    fn wait_for_scripts(&mut self) {
        let first_byte = self.scripts.first_byte.unwrap_or(CgiLimits::default().first_byte);
        let wait = first_byte.saturating_mul(2).saturating_add(MARGIN).max(Limits::default().answer_timeout);
        // Zero means no limit, for the script as well as for the server.
        self.limits.answer_timeout = if first_byte.is_zero() { first_byte } else { wait };
    }

    pub(in crate::cli) fn add_cgi_env(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let bytes = value.as_encoded_bytes();
        if bytes.is_empty() || bytes.contains(&b'=') {
            return Err(must("be the name of a variable", "name", value));
        }
        self.scripts.variables.push(value.to_owned());
        Ok(())
    }

    pub(in crate::cli) fn set_cgi_user(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let name = text("user", value)?;
        if name.is_empty() || ScriptUser::named(name).is_err_and(|error| error.kind() == ErrorKind::InvalidInput) {
            return Err(must("be a user other than root, or UID:GID without 0", "user", value));
        }
        self.scripts.user = Some(name.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables_are_not_empty_and_contain_no_equals_sign() {
        let mut options = Options::default();
        options.add_cgi_env("HOME".as_ref()).unwrap();
        assert_eq!(
            options.add_cgi_env("A=b".as_ref()),
            Err("invalid name: 'A=b' (must be the name of a variable)".into())
        );
        assert_eq!(options.add_cgi_env("".as_ref()), Err("invalid name: '' (must be the name of a variable)".into()));
        assert_eq!(options.scripts.variables, ["HOME"]);
    }

    #[test]
    fn root_is_refused_as_the_user_of_scripts() {
        let user = |text: &str| {
            let mut options = Options::default();
            options.set_cgi_user(text.as_ref()).map(|()| options.scripts.user)
        };
        for text in ["", "root", "0:1", "1:0"] {
            let why: BadValue =
                format!("invalid user: '{text}' (must be a user other than root, or UID:GID without 0)").into();
            assert_eq!(user(text), Err(why));
        }
        assert_eq!(user("12:34"), Ok(Some("12:34".into())));
    }

    #[test]
    fn limits_of_scripts_accept_0_for_no_limit() {
        let mut options = Options::default();
        options.set_cgi_timeout("0".as_ref()).unwrap();
        options.set_cgi_first_byte("2.5".as_ref()).unwrap();
        options.set_cgi_max("3".as_ref()).unwrap();
        assert_eq!(options.scripts.timeout, Some(Duration::ZERO));
        assert_eq!(
            (options.scripts.first_byte, options.scripts.max_running),
            (Some(Duration::from_millis(2500)), Some(3))
        );
        for text in ["-1", "", "x", "1s", "1e3"] {
            let why: BadValue =
                format!("invalid number of seconds: '{text}' (must be from 0 to 4294967295, such as 2.5)").into();
            assert_eq!(options.set_cgi_timeout(text.as_ref()), Err(why.clone()));
            assert_eq!(options.set_cgi_first_byte(text.as_ref()), Err(why));
        }
        assert_eq!(
            options.set_cgi_max("0".as_ref()),
            Err("invalid number: '0' (must be a whole number, 1 or more)".into())
        );
    }

    #[test]
    fn the_server_waits_longer_for_a_response_than_its_script_may_take() {
        let wait = |first_byte: &str| {
            let mut options = Options::default();
            options.set_cgi();
            options.set_cgi_first_byte(first_byte.as_ref()).map(|()| options.limits.answer_timeout)
        };
        assert_eq!(wait("1"), Ok(Limits::default().answer_timeout));
        assert_eq!(wait("600"), Ok(Duration::from_secs(1205)));
        assert_eq!(wait("0"), Ok(Duration::ZERO));
    }
}
