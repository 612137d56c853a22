//! The setters for flags of the endpoints for benchmarks.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::model::{BadValue, Options};
use super::values::{file, must, text};

/// The endpoints for benchmarks and tests of clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BenchOptions {
    /// The path below which the endpoints are; empty for the root. `None` if there are no endpoints.
    pub endpoints: Option<String>,
    /// The file with the items of `/json/{count}`. It may not exist.
    pub dataset: Option<PathBuf>,
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
}

/// A path in front of other paths: it begins with a slash, does not end with one, and is a part of a URL as it is.
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
