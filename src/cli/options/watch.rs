//! The setters for watching the loop at work: small reads and writes, and slow motion.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::model::{BadValue, Options};
use super::values::count;

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

/// A whole number, 1 or more.
fn at_least_1(value: &OsStr) -> Result<usize, BadValue> {
    count(value).map_err(|why| why.hint("must be a whole number, 1 or more"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Pace;

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
