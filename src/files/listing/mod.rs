//! Directory listings: an HTML page for human readers and JSON for programs.
//!
//! [`respond`] returns the response for a directory. The page contains CPython's lines: each entry begins on a separate
//! line with `<li><a href="LINK">NAME</a>`. Size, date, sorting, breadcrumbs and a filter are added between these
//! lines. A client that prefers `application/json` gets JSON instead.
//!
//! # Large directories
//! A directory with up to [`AT_ONCE`] entries is listed as a whole, with a `Content-Length`. A larger one becomes a
//! [`Source`](crate::service::Source) that works in slices: each call reads and sorts some names. When all names have
//! been read, the sorted slices are merged while the page is sent. In this way, no call blocks the loop for long. Each
//! entry is looked up once, in most cases just before it is written, so that only its name must be kept in memory. If
//! an entry must be looked up for sorting, this happens when its name is read.
//!
//! # A different page
//! To replace the page, implement [`ListingTemplate`], which writes the beginning of the page, each entry, and the end.
//!
//! ```
//! use std::sync::Arc;
//! use serve_forever::files::listing::{Entry, ListingOptions, ListingTemplate, Page};
//!
//! /// Names, one a line.
//! struct Plain;
//!
//! impl ListingTemplate for Plain {
//!     fn content_type(&self) -> &str {
//!         "text/plain; charset=utf-8"
//!     }
//!     fn entry(&self, _: &Page, entry: &Entry<'_>, out: &mut Vec<u8>) {
//!         out.extend_from_slice(entry.display_name().as_bytes());
//!         out.push(b'\n');
//!     }
//! }
//!
//! let options = ListingOptions { template: Arc::new(Plain), ..ListingOptions::default() };
//! # use serve_forever::{files::listing::respond, http::{Request, UrlPath}};
//! # let dir = tempfile::tempdir().unwrap();
//! # std::fs::write(dir.path().join("b"), "").unwrap();
//! # std::fs::create_dir(dir.path().join("A")).unwrap();
//! let request = Request::builder("GET", "/").build();
//! let response = respond(dir.path(), &UrlPath::parse(b"/").unwrap(), &request, &options).unwrap();
//! # let serve_forever::service::Body::Bytes(page) = response.body else { panic!() };
//! # assert_eq!(&page[..], b"A/\nb\n");
//! ```

mod accept;
mod entry;
mod entry_filter;
mod html;
mod json;
mod order;
mod page;
mod reader;
mod sort_key;
mod stream;
mod text;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

pub use entry::{Entry, Facts, Kind};
pub(super) use entry_filter::{CheckLink, EntryFilter, WELL_KNOWN};
pub use html::HtmlPage;
pub use json::JsonList;
pub use order::{Order, SortBy};
pub use page::{ListingTemplate, Page};
#[cfg(feature = "harness")]
pub(crate) use text::push_json;

use crate::http::{Request, Status, UrlPath};
use crate::service::{Body, Response};
use reader::DirectoryReader;
use stream::ListingSource;

/// The maximum number of entries of a directory that is listed as a whole, with a `Content-Length`.
///
/// Listing this number of entries takes about as long as sending one large file from memory. A larger directory is
/// listed in slices.
pub const AT_ONCE: usize = 1000;

/// The settings for directory listings.
#[derive(Clone)]
pub struct ListingOptions {
    /// If true, directories and links to directories are listed first. Off by default, as in CPython. A request can
    /// override this with `?folders=first` or `?folders=mixed`.
    pub folders_first: bool,
    /// If true, names that begin with a dot are listed. On by default, as in CPython.
    pub show_hidden: bool,
    /// The template that writes the page for clients that do not prefer JSON. Default: [`HtmlPage`].
    pub template: Arc<dyn ListingTemplate>,
}

impl Default for ListingOptions {
    fn default() -> Self {
        ListingOptions { folders_first: false, show_hidden: true, template: Arc::new(HtmlPage) }
    }
}

impl fmt::Debug for ListingOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListingOptions")
            .field("folders_first", &self.folders_first)
            .field("show_hidden", &self.show_hidden)
            .finish_non_exhaustive()
    }
}

/// Returns a listing of the directory at `dir`, like Python's `list_directory`. `url` is the URL path of the directory.
///
/// The response is the same for GET and HEAD; the connection does not send the body for HEAD. The query selects the
/// order (see [`Order::from_query`]), and `Accept` selects JSON. The response has no `Last-Modified` field and no
/// entity tag, because a listing is generated for each request.
///
/// While a large listing is sent, its body holds one descriptor and all names, about 9 MiB for 100,000 entries.
/// Dropping the body releases both.
///
/// # Errors
/// Returns an error if the directory cannot be opened or read, such as `PermissionDenied`, `NotFound` or
/// `NotADirectory`. If an error occurs later, while a large listing is being sent, the connection is closed.
///
/// ```
/// use serve_forever::files::listing::{ListingOptions, respond};
/// use serve_forever::http::{Request, UrlPath};
///
/// let request = Request::builder("GET", "/src/?sort=size").build();
/// let url = UrlPath::parse(request.path()).unwrap();
/// let response = respond("src".as_ref(), &url, &request, &ListingOptions::default()).unwrap();
/// assert_eq!(response.head.get("Content-type"), Some(&b"text/html; charset=utf-8"[..]));
/// ```
pub fn respond(dir: &Path, url: &UrlPath, request: &Request, options: &ListingOptions) -> io::Result<Response> {
    // `DIRECTORY` makes the kernel refuse a FIFO, because opening one would wait for a writer and block the loop.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    respond_open(rustix::fs::open(dir, flags, Mode::empty())?, url, request, options)
}

/// Like [`respond`], for an open directory. The path is not resolved again, so a caller can open the directory under
/// its own rules, for example with `openat2`.
///
/// # Errors
/// Returns the same errors as [`respond`], and `NotADirectory` if the descriptor does not refer to a directory.
pub fn respond_open(dir: OwnedFd, url: &UrlPath, request: &Request, options: &ListingOptions) -> io::Result<Response> {
    let filter = EntryFilter { hidden: options.show_hidden, well_known: false, check_link: None };
    respond_with(dir, url, request, options, filter)
}

/// Like [`respond_open`], but lists only the entries that `filter` allows. [`ListingOptions::show_hidden`] is ignored.
pub(super) fn respond_with(
    dir: OwnedFd,
    url: &UrlPath,
    request: &Request,
    options: &ListingOptions,
    filter: EntryFilter,
) -> io::Result<Response> {
    let template: Arc<dyn ListingTemplate> =
        if accept::prefers_json(request.headers()) { Arc::new(JsonList) } else { options.template.clone() };
    let order = Order::from_query(request.query().unwrap_or_default(), options.folders_first);
    let page = Page::new(url.clone(), order);

    let mut response = Response::new(Status::OK);
    response.head.add("Content-type", template.content_type())?;
    // The response depends on `Accept`, hence `Vary`. Browsers must not guess another type, because names in a listing
    // can look like markup.
    response.head.put("Vary", "Accept");
    response.head.put("X-Content-Type-Options", "nosniff");
    template.add_headers(&mut response.head)?;

    let mut listing = ListingSource::new(DirectoryReader::new(dir, order, filter)?, template, page);
    response.body = match listing.finish_if_small(AT_ONCE)? {
        Some(bytes) => Body::Bytes(bytes.into()),
        None => Body::Stream(Box::new(listing)),
    };
    Ok(response)
}

#[cfg(test)]
mod tests;
