//! Directory listings: a page people enjoy, JSON for programs, and as little work as either allows.
//!
//! [`respond`] answers a request for a directory. The page keeps CPython's lines, each entry beginning
//! on a line of its own with `<li><a href="LINK">NAME</a>`, and adds size, date, sorting, breadcrumbs and a
//! filter around them. A client that prefers `application/json` gets that instead.
//!
//! # How it stays out of the loop's way
//! A directory of up to [`AT_ONCE`] entries is listed at once, with a `Content-Length`. A larger one becomes a
//! [`Source`](crate::service::Source) that works in slices: it reads some names, sorts them, and hands the turn back;
//! when all names are read, the sorted slices are merged entry by entry while the page is sent. So no call does much,
//! memory is what the names need, and each entry is looked up once, just before it is shown.
//!
//! # Another page
//! A [`ListingTemplate`] makes the page: its beginning, one piece an entry, its end.
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

use crate::http::{Request, Status, UrlPath};
use crate::service::{Body, Response};
use reader::DirectoryReader;
use stream::ListingSource;

/// How many entries a directory may have and still be listed at once, with a `Content-Length`.
///
/// Reading, looking up and writing that many takes about as long as sending one large file from memory does; what is
/// larger is sent in slices.
pub const AT_ONCE: usize = 1000;

/// What a listing shows and how.
#[derive(Clone)]
pub struct ListingOptions {
    /// Directories, and links to directories, before everything else. Off by default, as in CPython; a request can
    /// ask for either by `?folders=first` or `?folders=mixed`.
    pub folders_first: bool,
    /// Names that begin with a dot. On by default, as in CPython.
    pub show_hidden: bool,
    /// What makes the page for those who do not prefer JSON; [`HtmlPage`] by default.
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

/// Lists the directory at `dir`, which the client knows as `url`. Python's `list_directory` (contract row SH29).
///
/// Meant for GET and HEAD alike: the head is the same, and the body of a HEAD is not sent. The query may ask for an
/// order, see [`Order::from_query`]; the `Accept` field may ask for JSON. There is no date and no validator: a listing
/// is never older than its request.
///
/// While a large listing is sent it holds one descriptor and its names, some 9 MiB for 100,000 of them; dropping the
/// body lets go of both.
///
/// # Errors
/// Those of opening and reading the directory: `PermissionDenied`, `NotFound`, `NotADirectory` and others. An error
/// that comes up later, in the middle of a large directory, cuts the connection.
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
    // A FIFO in the directory's place must not block the loop: what is no directory is refused before it is opened.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    respond_open(rustix::fs::open(dir, flags, Mode::empty())?, url, request, options)
}

/// Lists a directory that is open already, as [`respond`] does: for those who opened it with `openat2`, and must not
/// have its path walked again.
///
/// # Errors
/// As [`respond`]; `NotADirectory` if the descriptor is none.
pub fn respond_open(dir: OwnedFd, url: &UrlPath, request: &Request, options: &ListingOptions) -> io::Result<Response> {
    let shown = EntryFilter { hidden: options.show_hidden, well_known: false, check_link: None };
    respond_with(dir, url, request, options, shown)
}

/// Lists a directory that is open already, without the entries that a policy keeps back. `shown` is instead of
/// [`ListingOptions::show_hidden`].
pub(super) fn respond_with(
    dir: OwnedFd,
    url: &UrlPath,
    request: &Request,
    options: &ListingOptions,
    shown: EntryFilter,
) -> io::Result<Response> {
    let template: Arc<dyn ListingTemplate> =
        if accept::prefers_json(request.headers()) { Arc::new(JsonList) } else { options.template.clone() };
    let order = Order::from_query(request.query().unwrap_or_default(), options.folders_first);
    let page = Page::new(url.clone(), order);

    let mut response = Response::new(Status::OK);
    response.head.add("Content-type", template.content_type())?;
    response.head.put("Vary", "Accept");
    response.head.put("X-Content-Type-Options", "nosniff");
    template.add_headers(&mut response.head)?;

    let mut listing = ListingSource::new(DirectoryReader::new(dir, order, shown)?, template, page);
    response.body = match listing.finish_if_small(AT_ONCE)? {
        Some(bytes) => Body::Bytes(bytes.into()),
        None => Body::Stream(Box::new(listing)),
    };
    Ok(response)
}

#[cfg(test)]
mod tests;
