//! The setters for the flags that make the loop observable: traces, small reads and writes, and slow motion.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::model::{BadValue, Options};
use super::values::{count, file, must, number};
use crate::trace::Explain;

impl Options {
    pub(in crate::cli) fn set_max_read(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.watch.pace.max_read = NonZeroUsize::new(at_least_1(value)?);
        Ok(())
    }

    pub(in crate::cli) fn set_max_write(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.watch.pace.max_write = NonZeroUsize::new(at_least_1(value)?);
        Ok(())
    }

    pub(in crate::cli) fn set_slow_motion(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.watch.pace.pause = Duration::from_millis(at_least_1(value)? as u64);
        Ok(())
    }
}

impl Options {
    pub(in crate::cli) fn set_trace(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.watch.trace = Some(file(value)?);
        Ok(())
    }

    pub(in crate::cli) fn set_trace_connections(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let most = number(value).ok_or_else(|| must("be a whole number, 0 or more", "number", value))?;
        self.watch.trace_connections = Some(u32::try_from(most).unwrap_or(u32::MAX));
        Ok(())
    }

    pub(in crate::cli) fn set_trace_limit(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.watch.trace_limit = Some(at_least_1(value)? as u64);
        Ok(())
    }

    pub(in crate::cli) fn set_explain(&mut self, value: Option<&OsStr>) -> Result<(), BadValue> {
        self.watch.explain = Some(match value {
            None => Explain::Connection(1),
            Some(value) if value == "all" => Explain::All,
            Some(value) => {
                let number = count(value).map_err(|why| why.hint("must be a whole number, 1 or more, or all"))?;
                Explain::Connection(u32::try_from(number).unwrap_or(u32::MAX))
            }
        });
        Ok(())
    }
}

/// Parses an integer of at least 1. The error message states this bound.
fn at_least_1(value: &OsStr) -> Result<usize, BadValue> {
    count(value).map_err(|why| why.hint("must be a whole number, 1 or more"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Pace;

    #[test]
    fn a_trace_may_show_no_connection_but_has_a_limit() {
        let mut options = Options::default();
        options.set_trace("t".as_ref()).unwrap();
        options.set_trace_connections("0".as_ref()).unwrap();
        options.set_trace_limit("1".as_ref()).unwrap();
        let watch = options.watch.clone();
        assert_eq!((watch.trace, watch.trace_connections, watch.trace_limit), (Some("t".into()), Some(0), Some(1)));
        assert!(options.set_trace("".as_ref()).is_err());
        let why = |text: &str, allowed: &str| Err(format!("invalid number: '{text}' (must be {allowed})").into());
        for text in ["", "-1", "1.5"] {
            assert_eq!(options.set_trace_connections(text.as_ref()), why(text, "a whole number, 0 or more"));
        }
        assert_eq!(options.set_trace_limit("0".as_ref()), why("0", "a whole number, 1 or more"));
    }

    #[test]
    fn one_connection_is_explained_or_all() {
        let mut options = Options::default();
        for (value, explain) in
            [(None, Explain::Connection(1)), (Some("3"), Explain::Connection(3)), (Some("all"), Explain::All)]
        {
            options.set_explain(value.map(AsRef::as_ref)).unwrap();
            assert_eq!(options.watch.explain, Some(explain));
        }
        for text in ["0", "", "ALL", "-1", "1.5"] {
            assert!(options.set_explain(Some(text.as_ref())).is_err(), "{text}");
        }
    }

    #[test]
    fn each_setter_sets_its_part_of_the_pace() {
        let mut options = Options::default();
        options.set_max_read("1".as_ref()).unwrap();
        options.set_max_write("20".as_ref()).unwrap();
        options.set_slow_motion("300".as_ref()).unwrap();
        let pause = Duration::from_millis(300);
        let pace = Pace { max_read: NonZeroUsize::new(1), max_write: NonZeroUsize::new(20), pause };
        assert_eq!(options.watch.pace, pace);
        for text in ["0", "", "-1", "1.5", "x"] {
            let why = format!("invalid number: '{text}' (must be a whole number, 1 or more)");
            assert_eq!(options.set_max_read(text.as_ref()), Err(why.clone().into()));
            assert_eq!(options.set_max_write(text.as_ref()), Err(why.clone().into()));
            assert_eq!(options.set_slow_motion(text.as_ref()), Err(why.into()));
        }
    }
}
