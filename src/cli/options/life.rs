//! The setters for the flags that control the life of the process: how it announces that it is ready, and when and how
//! it ends.

use std::ffi::OsStr;
use std::time::Duration;

use super::model::{BadValue, ExitCodes, Options, ReadyForm};
use super::values::{choice, file, invalid, must, number, seconds, text};
use crate::cli::health_check::HealthUrl;

/// The descriptor of standard output.
const STDOUT: i32 = 1;

impl Options {
    pub(in crate::cli) fn set_port_file(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.life.port_file = Some(file(value)?);
        Ok(())
    }

    pub(in crate::cli) fn set_ready(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.life.ready = choice(&[("python", ReadyForm::Python), ("json", ReadyForm::Json)], value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_ready_fd(&mut self, value: &OsStr) -> Result<(), BadValue> {
        match number(value).and_then(|number| i32::try_from(number).ok()) {
            // Standard output must stay open, but the descriptor in `ready_fd` is closed after it has been duplicated.
            // The next file to be opened would then reuse the number of standard output.
            Some(STDOUT) => self.life.ready = ReadyForm::Json,
            Some(descriptor) if descriptor > 2 => self.life.ready_fd = Some(descriptor),
            _ => return Err(must("be 1, or 3 or more", "descriptor", value)),
        }
        Ok(())
    }

    pub(in crate::cli) fn set_nonce_header(&mut self) {
        self.life.nonce_header = true;
    }

    pub(in crate::cli) fn set_idle_exit(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.life.idle_exit = Some(some_seconds(value)?);
        Ok(())
    }

    pub(in crate::cli) fn set_duration(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.life.duration = Some(some_seconds(value)?);
        Ok(())
    }

    pub(in crate::cli) fn set_lame_duck(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.life.lame_duck = some_seconds(value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_exit_with_stdin(&mut self) {
        self.life.exit_with_stdin = true;
    }

    pub(in crate::cli) fn set_exit_codes(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.life.exit_codes = choice(&[("coarse", ExitCodes::Coarse), ("fine", ExitCodes::Fine)], value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_cpu(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let core = number(value).and_then(|number| usize::try_from(number).ok());
        self.life.cpu = Some(core.ok_or_else(|| must("be a whole number, 0 or more", "number", value))?);
        Ok(())
    }

    pub(in crate::cli) fn set_healthcheck(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let url = HealthUrl::parse(text("URL", value)?);
        let url = url.ok_or_else(|| must("be http://HOST:PORT/PATH, with or without port and path", "URL", value))?;
        self.life.healthcheck = Some(url);
        Ok(())
    }
}

/// Parses a duration greater than zero.
fn some_seconds(value: &OsStr) -> Result<Duration, BadValue> {
    let time = seconds(value).ok().filter(|time| !time.is_zero());
    time.ok_or_else(|| invalid("number of seconds", value).hint("must be more than 0, such as 2.5"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_end_is_more_than_zero() {
        type Set = fn(&mut Options, &OsStr) -> Result<(), BadValue>;
        let setters: [Set; 3] = [Options::set_idle_exit, Options::set_duration, Options::set_lame_duck];
        for set in setters {
            let mut options = Options::default();
            assert_eq!(set(&mut options, "0.5".as_ref()), Ok(()));
            for text in ["0", "0.0", "-1", "nan", "x", ""] {
                let why = format!("invalid number of seconds: '{text}' (must be more than 0, such as 2.5)");
                assert_eq!(set(&mut options, text.as_ref()), Err(why.into()));
            }
        }
        let mut options = Options::default();
        options.set_duration("0.5".as_ref()).unwrap();
        assert_eq!(options.life.duration, Some(Duration::from_millis(500)));
    }

    #[test]
    fn descriptor_1_is_standard_output_and_0_and_2_are_refused() {
        let set = |text: &str| {
            let mut options = Options::default();
            options.set_ready_fd(text.as_ref()).map(|()| (options.life.ready_fd, options.life.ready))
        };
        assert_eq!(set("1"), Ok((None, ReadyForm::Json)));
        assert_eq!(set("3"), Ok((Some(3), ReadyForm::Python)));
        for text in ["0", "2", "-1", "x", "99999999999"] {
            assert!(set(text).is_err(), "{text}");
        }
    }
}
