//! The checked settings of a file service. `builder` sets and checks them.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use glob::{MatchOptions, Pattern};

use super::gates::Gates;
use super::listing::ListingOptions;
use super::mime::{self, MimeSettings};
use crate::http::{FieldBlock, Request, Status, UrlPath};

/// The function set by [`guess_type`](super::FileServiceBuilder::guess_type).
pub(crate) type GuessType = Box<dyn Fn(&Path) -> Option<String> + Send>;

/// The function set by [`translate_path`](super::FileServiceBuilder::translate_path).
pub(crate) type TranslatePath = Box<dyn Fn(&UrlPath) -> Option<PathBuf> + Send>;

/// The settings of a file service.
pub(crate) struct FilePolicy {
    pub(crate) index_names: Vec<OsString>,
    pub(crate) mime: MimeSettings,
    pub(crate) default_type: String,
    pub(crate) guess_type: Option<GuessType>,
    pub(crate) translate_path: Option<TranslatePath>,
    /// The URL path under which the tree is served, without leading and trailing slashes; empty for `/`.
    pub(crate) base: PathBuf,
    pub(crate) hidden: bool,
    pub(crate) clean_urls: bool,
    pub(crate) precompressed: bool,
    /// The path of a single-page application's page; `None` if there is no such application.
    pub(crate) fallback: Option<PathBuf>,
    pub(crate) error_pages: Vec<(Status, PathBuf)>,
    pub(crate) cache_control: Vec<(Pattern, String)>,
    pub(crate) gates: Gates,
    /// True if scripts from another origin may read responses.
    pub(crate) cors: bool,
    /// The settings for listings; `None` if directories are not listed.
    pub(crate) listing: Option<ListingOptions>,
    /// Fields that are added to responses that contain a file or a listing.
    pub(crate) extra: FieldBlock,
    /// Fields that are added to every response, including errors.
    pub(crate) everywhere: FieldBlock,
    /// The clock for `Date` and `Last-Modified`. Tests replace this function.
    pub(crate) clock: fn() -> SystemTime,
}

impl Default for FilePolicy {
    fn default() -> Self {
        FilePolicy {
            index_names: vec!["index.html".into(), "index.htm".into()],
            mime: MimeSettings::default(),
            default_type: mime::DEFAULT_TYPE.to_owned(),
            guess_type: None,
            translate_path: None,
            base: PathBuf::new(),
            hidden: true,
            clean_urls: false,
            precompressed: false,
            fallback: None,
            error_pages: Vec::new(),
            cache_control: Vec::new(),
            gates: Gates::default(),
            cors: false,
            listing: Some(ListingOptions::default()),
            extra: FieldBlock::new(),
            everywhere: FieldBlock::new(),
            clock: SystemTime::now,
        }
    }
}

impl FilePolicy {
    /// Returns the content type of a file. `start` is passed to [`MimeSettings::with_charset`]. If the `guess_type`
    /// function returns an invalid field value, its result is ignored.
    pub(crate) fn content_type(&self, path: &Path, start: impl FnOnce() -> Vec<u8>) -> String {
        let own = self.guess_type.as_ref().and_then(|guess| guess(path));
        let own = own.filter(|content_type| FieldBlock::new().add("Content-Type", content_type).is_ok());
        own.unwrap_or_else(|| {
            let content_type = self.mime.content_type(path, &self.default_type);
            self.mime.with_charset(content_type, start).into_owned()
        })
    }

    /// Returns the `Cache-Control` value of the last pattern that matches a file. A pattern without a slash is matched
    /// against the name, and a pattern with a slash against the path below the root.
    pub(crate) fn cache_control(&self, root: &Path, path: &Path) -> Option<&str> {
        // By default there are no patterns. In that case, the file name need not be extracted from the path.
        if self.cache_control.is_empty() {
            return None;
        }
        let relative = path.strip_prefix(root).unwrap_or(path);
        let name = Path::new(relative.file_name().unwrap_or_default());
        let fits = |pattern: &Pattern| {
            let whole = pattern.as_str().contains('/');
            pattern.matches_path_with(if whole { relative } else { name }, PATHS)
        };
        // The search runs backwards, because the last matching pattern applies.
        self.cache_control.iter().rev().find(|(pattern, _)| fits(pattern)).map(|(_, value)| value.as_str())
    }

    /// Returns the path of the error page that the operator has configured for a status. If more than one page is
    /// configured for it, the last one applies.
    pub(crate) fn error_page(&self, status: Status) -> Option<&Path> {
        self.error_pages.iter().rev().find(|(other, _)| *other == status).map(|(_, path)| path.as_path())
    }

    /// Returns the wall-clock time at which the turn of the request began. The `Date` field contains the same time.
    pub(crate) fn now(&self, request: &Request) -> SystemTime {
        let now = (self.clock)();
        // `arrived` is a monotonic time. The wall-clock time at which the turn began is the current wall-clock time
        // minus the age of `arrived`.
        now.checked_sub(request.arrived().elapsed()).unwrap_or(now)
    }
}

/// The rules for matching paths: `**` also matches slashes, and `*` does not.
const PATHS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

impl fmt::Debug for FilePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilePolicy").field("index_names", &self.index_names).finish_non_exhaustive()
    }
}
