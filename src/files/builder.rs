use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::cache::CacheLimits;
use super::listing::ListingOptions;
use super::policy::Policy;
use super::service::FileService;
use super::tree::Tree;
use crate::http::{Head, InvalidHeader, UrlPath};

/// Builds a [`FileService`]: what one would get by subclassing Python's `SimpleHTTPRequestHandler`, without the class.
///
/// ```
/// use serve_forever::files::FileService;
///
/// let site = FileService::builder("src")
///     .index_names(["README.md"])
///     .mime("rs", "text/x-rust")
///     .extra_header("X-Frame-Options", "DENY")
///     .build()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FileServiceBuilder {
    root: PathBuf,
    cache: CacheLimits,
    extra: Vec<(String, Vec<u8>)>,
    extra_everywhere: bool,
    policy: Policy,
}

impl FileServiceBuilder {
    /// Starts with the defaults for a directory, which is looked at in [`FileServiceBuilder::build`].
    pub fn new(root: impl Into<PathBuf>) -> FileServiceBuilder {
        FileServiceBuilder {
            root: root.into(),
            cache: CacheLimits::default(),
            extra: Vec::new(),
            extra_everywhere: false,
            policy: Policy::default(),
        }
    }

    /// The names of index files, the preferred one first; `index.html` and `index.htm` by default, none if empty.
    /// Python's `index_pages` (contract row SH04).
    pub fn index_names<N: Into<OsString>>(mut self, names: impl IntoIterator<Item = N>) -> FileServiceBuilder {
        self.policy.index_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// The content type of files with this extension, given without its dot. It goes before the built-in ones, and
    /// the last one given for an extension counts. Python's `extensions_map` (row SH24).
    ///
    /// The extension is compared as it stands first, then in lower case. A `text/` type without parameters is sent
    /// with `charset=utf-8`.
    pub fn mime(mut self, extension: impl Into<String>, content_type: impl Into<String>) -> FileServiceBuilder {
        self.policy.types.push((extension.into(), content_type.into()));
        self
    }

    /// The content type of files whose extension says nothing; `application/octet-stream` by default (row SH27).
    pub fn default_type(mut self, content_type: impl Into<String>) -> FileServiceBuilder {
        self.policy.default_type = content_type.into();
        self
    }

    /// Asks a function for the content type of each file first: Python's `guess_type` overridden. `None`, or what
    /// cannot stand in a header field, leaves it to the tables. The answer is kept as long as the file is cached.
    pub fn guess_type(mut self, guess: impl Fn(&Path) -> Option<String> + Send + 'static) -> FileServiceBuilder {
        self.policy.guess_type = Some(Box::new(guess));
        self
    }

    /// Has a function say which file or directory a path stands for: Python's `translate_path` overridden. `None` is
    /// 404. It must always say the same for the same path, because files are cached by what was asked for.
    ///
    /// The path it gets is normalised; the path it gives is taken as it is and may lie anywhere.
    pub fn translate_path(
        mut self,
        translate: impl Fn(&UrlPath) -> Option<PathBuf> + Send + 'static,
    ) -> FileServiceBuilder {
        self.policy.translate_path = Some(Box::new(translate));
        self
    }

    /// Whether directories without an index file are listed; if not, they are 403. On by default.
    pub fn listing(mut self, listed: bool) -> FileServiceBuilder {
        self.policy.listing = listed.then(|| self.policy.listing.take().unwrap_or_default());
        self
    }

    /// What listings show and how.
    pub fn listing_options(mut self, options: ListingOptions) -> FileServiceBuilder {
        self.policy.listing = Some(options);
        self
    }

    /// Adds a field to answers that transfer a file or a listing, 200 and 206 (row SH28). Fields that the server
    /// makes itself, such as `Content-Type`, are not overridden: an extra one of such a name is left out.
    pub fn extra_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> FileServiceBuilder {
        self.extra.push((name.into(), value.into()));
        self
    }

    /// Adds the extra fields to all answers of this service, whatever their status. Off by default.
    pub fn extra_headers_everywhere(mut self, everywhere: bool) -> FileServiceBuilder {
        self.extra_everywhere = everywhere;
        self
    }

    /// How much the open-file cache may hold.
    pub fn cache(mut self, limits: CacheLimits) -> FileServiceBuilder {
        self.cache = limits;
        self
    }

    /// The service.
    ///
    /// # Errors
    /// If the directory is missing, is none or cannot be read, with the directory's name in the text; `InvalidInput`
    /// if an extra field or a content type cannot stand in a header.
    pub fn build(mut self) -> io::Result<FileService> {
        let tree = Tree::new(&self.root)?;
        self.check_types()?;
        let extra = self.extra_fields()?;
        *(if self.extra_everywhere { &mut self.policy.everywhere } else { &mut self.policy.extra }) = extra;
        Ok(FileService::with(tree, self.policy, self.cache))
    }

    fn check_types(&self) -> Result<(), InvalidHeader> {
        let types = self.policy.types.iter().map(|(_, content_type)| content_type);
        types.chain([&self.policy.default_type]).try_for_each(|value| Head::new().add("Content-Type", value))
    }

    fn extra_fields(&self) -> Result<Head, InvalidHeader> {
        let mut head = Head::new();
        for (name, value) in &self.extra {
            if AUTOMATIC.iter().any(|automatic| automatic.eq_ignore_ascii_case(name)) {
                Head::new().add("X", value)?;
            } else {
                head.add(name, value)?;
            }
        }
        Ok(head)
    }
}

/// The fields that are ours to make.
const AUTOMATIC: &[&str] = &[
    "Accept-Ranges",
    "Allow",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Range",
    "Content-Type",
    "Date",
    "ETag",
    "Last-Modified",
    "Location",
    "Server",
    "Transfer-Encoding",
    "WWW-Authenticate",
];
