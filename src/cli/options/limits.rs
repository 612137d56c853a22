//! The setters for connection limits and timeouts, and for sharing the port with other processes.

use std::ffi::OsStr;

use super::model::{BadValue, Options};
use super::values::{count, must, number, some_or_no_seconds};

impl Options {
    pub(in crate::cli) fn set_reuse_port(&mut self) {
        self.reuse_port = true;
    }

    pub(in crate::cli) fn set_grace(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.limits.grace = some_or_no_seconds(value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_head_timeout(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.limits.head_timeout = some_or_no_seconds(value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_idle_timeout(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.limits.idle_timeout = some_or_no_seconds(value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_stall_timeout(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.limits.stall_timeout = some_or_no_seconds(value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_send_timeout(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.limits.send_timeout = some_or_no_seconds(value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_body_timeout(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.limits.body_timeout = some_or_no_seconds(value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_body_rate(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.limits.body_rate = number(value).ok_or_else(|| must("be a whole number, 0 or more", "number", value))?;
        Ok(())
    }

    pub(in crate::cli) fn set_max_connections(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.limits.connections = Some(count(value).map_err(|why| why.hint("must be a whole number, 1 or more"))?);
        Ok(())
    }

    pub(in crate::cli) fn set_max_connections_per_peer(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.limits.connections_per_peer =
            Some(count(value).map_err(|why| why.hint("must be a whole number, 1 or more"))?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::Limits;

    #[test]
    fn each_setter_sets_its_limit_and_accepts_0() {
        type Set = fn(&mut Options, &OsStr) -> Result<(), BadValue>;
        type Get = fn(&Limits) -> Duration;
        let switches: [(Set, Get); 6] = [
            (Options::set_head_timeout, |limits| limits.head_timeout),
            (Options::set_idle_timeout, |limits| limits.idle_timeout),
            (Options::set_stall_timeout, |limits| limits.stall_timeout),
            (Options::set_send_timeout, |limits| limits.send_timeout),
            (Options::set_body_timeout, |limits| limits.body_timeout),
            (Options::set_grace, |limits| limits.grace),
        ];
        for (set, get) in switches {
            let mut options = Options::default();
            let default = get(&options.limits);
            for (text, time) in [("0", Duration::ZERO), ("1.25", Duration::from_millis(1250))] {
                assert_eq!(set(&mut options, text.as_ref()), Ok(()));
                assert_eq!(get(&options.limits), time);
                assert_ne!(time, default);
            }
            assert!(set(&mut options, "x".as_ref()).is_err());
        }
    }

    #[test]
    fn counts_are_at_least_1_and_rates_at_least_0() {
        assert_eq!(count("1".as_ref()), Ok(1));
        for text in ["0", "-1", "", "x", "1.5"] {
            assert_eq!(count(text.as_ref()), Err(format!("invalid number: '{text}'").into()));
        }
        let rate = |text: &str| {
            let mut options = Options::default();
            options.set_body_rate(text.as_ref()).map(|()| options.limits.body_rate)
        };
        assert_eq!((rate("0"), rate("700")), (Ok(0), Ok(700)));
        assert_eq!(rate("-1"), Err("invalid number: '-1' (must be a whole number, 0 or more)".into()));
        assert_eq!(rate("99999999999999999999999"), Ok(u64::MAX));
        let connections = |text: &str| Options::default().set_max_connections(text.as_ref());
        assert_eq!(connections("0"), Err("invalid number: '0' (must be a whole number, 1 or more)".into()));
    }
}
