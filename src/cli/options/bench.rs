//! The setters for the flags that configure benchmark endpoints and injected faults.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::model::{BadValue, Options};
use super::values::{file, invalid, must, text};
use crate::faults::check_rule;

/// The options for the endpoints with which HTTP clients are benchmarked and tested, and for the faults injected into
/// responses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BenchOptions {
    /// The URL path prefix of the endpoints, empty for the root. `None` if there are no endpoints.
    pub endpoints: Option<String>,
    /// The file that contains the items for the responses at `/json/{count}`. The setter does not check that the file
    /// exists.
    pub dataset: Option<PathBuf>,
    /// The rules for injected faults, in the order in which they were given. The setter has validated each rule.
    pub faults: Vec<String>,
    /// The seed of the random numbers that select the responses to be made faulty.
    pub fault_seed: u64,
    /// True if fault injection is allowed on addresses that other machines can reach.
    pub faults_anywhere: bool,
}

impl Options {
    pub(in crate::cli) fn set_bench_endpoints(&mut self, value: Option<&OsStr>) -> Result<(), BadValue> {
        self.bench.endpoints = Some(value.map_or(Ok(""), url_prefix)?.to_owned());
        Ok(())
    }

    pub(in crate::cli) fn set_dataset(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.bench.dataset = Some(file(value)?);
        Ok(())
    }

    pub(in crate::cli) fn add_fault(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let rule = text("fault", value)?;
        check_rule(rule).map_err(|why| invalid("fault", value).hint(why))?;
        self.bench.faults.push(rule.to_owned());
        Ok(())
    }

    pub(in crate::cli) fn set_fault_seed(&mut self, value: &OsStr) -> Result<(), BadValue> {
        // `parse` alone would accept a plus sign.
        let seed = value.to_str().filter(|text| !text.starts_with('+')).and_then(|text| text.parse().ok());
        self.bench.fault_seed = seed.ok_or_else(|| must("be from 0 to 18446744073709551615", "number", value))?;
        Ok(())
    }

    pub(in crate::cli) fn set_faults_anywhere(&mut self) {
        self.bench.faults_anywhere = true;
    }
}

/// Checks a URL path prefix: it must begin with a slash, must not end with one, and must not contain characters that
/// have to be encoded in a URL.
fn url_prefix(value: &OsStr) -> Result<&str, BadValue> {
    let path = text("path", value)?;
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#%\"<>\\^`{|}".contains(&byte));
    match path.starts_with('/') && !path.ends_with('/') && is_plain {
        true => Ok(path),
        false => Err(must("begin with a slash and not end with one, such as /httpbin", "path", value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_checked_when_it_is_parsed() {
        let mut options = Options::default();
        for rule in ["empty:1", "close:0.5:body=3"] {
            options.add_fault(rule.as_ref()).unwrap();
        }
        assert_eq!(options.bench.faults, ["empty:1", "close:0.5:body=3"]);
        let why = options.add_fault("nothing:1".as_ref()).unwrap_err().to_string();
        assert_eq!(why, "invalid fault: 'nothing:1' (there is no fault \"nothing\")");
        options.set_fault_seed("7".as_ref()).unwrap();
        for seed in ["", "-1", "+1", "x", "18446744073709551616"] {
            assert!(options.set_fault_seed(seed.as_ref()).is_err(), "{seed}");
        }
        assert_eq!(options.bench.fault_seed, 7);
    }

    #[test]
    fn a_prefix_begins_with_a_slash_and_ends_without() {
        let set = |value: Option<&str>| {
            let mut options = Options::default();
            options.set_bench_endpoints(value.map(AsRef::as_ref)).map(|()| options.bench.endpoints)
        };
        assert_eq!(set(None), Ok(Some(String::new())));
        assert_eq!(set(Some("/a/b-c")), Ok(Some("/a/b-c".to_owned())));
        for path in ["", "/", "a", "/a/", "/a b", "/a?b", "/a#", "/%41", "/é", "/a\r\nb"] {
            let why = must("begin with a slash and not end with one, such as /httpbin", "path", path.as_ref());
            assert_eq!(set(Some(path)), Err(why));
        }
    }
}
