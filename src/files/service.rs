use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::builder::FileServiceBuilder;
use super::cache::{Cache, CacheLimits, Entry};
use super::content::{self, Loaded};
use super::listing;
use super::lookup::{Found, FoundFile, find};
use super::policy::Policy;
use super::refusal::{ALLOW, Refusal, is_out_of_descriptors};
use super::representation::{About, Representation, copy};
use super::tree::Tree;
use crate::http::{HttpDate, Method, Request, Status, UrlPath};
use crate::service::{Reply, Response, Service};

/// Serves the files below a directory.
///
/// GET and HEAD give files, index files and listings; OPTIONS says so; everything else is refused (405, or 501 for a
/// method that is none). Paths are decoded and normalised once, by [`UrlPath`].
///
/// The directory's absolute path is fixed when the service is made, and files are found by their path below it: when
/// the directory is replaced by another of that name, as build tools do, the new one is served.
///
/// ```
/// use serve_forever::files::FileService;
/// use serve_forever::http::{Request, Status};
/// use serve_forever::service::{Reply, Service};
///
/// let files = FileService::new("src")?;
/// let Reply::Now(response) = files.call(&Request::builder("GET", "/lib.rs").build()) else { unreachable!() };
/// assert_eq!(response.status, Status::OK);
/// assert_eq!(response.head.get("Content-type"), Some(&b"text/x-rust; charset=utf-8"[..]));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FileService {
    tree: Tree,
    policy: Policy,
    cache: RefCell<Cache>,
}

impl Service for FileService {
    fn call(&self, request: &Request) -> Reply {
        Reply::Now(self.respond(request))
    }
}

impl FileService {
    /// Serves a directory with the defaults of [`FileServiceBuilder`].
    ///
    /// # Errors
    /// If the directory is missing, is none or cannot be read; the text names it.
    pub fn new(root: impl AsRef<Path>) -> io::Result<FileService> {
        FileService::builder(root.as_ref()).build()
    }

    /// Starts a service with settings of its own.
    pub fn builder(root: impl Into<PathBuf>) -> FileServiceBuilder {
        FileServiceBuilder::new(root)
    }

    /// The absolute path of the served directory.
    pub fn root(&self) -> &Path {
        self.tree.root()
    }

    pub(super) fn with(tree: Tree, policy: Policy, limits: CacheLimits) -> FileService {
        FileService { tree, policy, cache: RefCell::new(Cache::new(limits)) }
    }

    /// The answer to a request; [`Service::call`] without the choice of answering later.
    pub fn respond(&self, request: &Request) -> Response {
        let answer = match request.method() {
            Method::Get | Method::Head => self.get(request),
            Method::Options => Ok(self.options()),
            other => Err(Refusal::Method(other.clone())),
        };
        answer.unwrap_or_else(|refusal| self.decorated(refusal.response()))
    }

    fn get(&self, request: &Request) -> Result<Response, Refusal> {
        if let Some(representation) = self.cached(request) {
            return representation.respond(request, || self.date(request));
        }
        let url = UrlPath::parse(request.path()).map_err(Refusal::BadPath)?;
        match find(&self.tree, &self.policy, &url)? {
            Found::File(file) => self.load(request, file)?.respond(request, || self.date(request)),
            Found::Directory(path) => self.list(request, &url, &path),
            Found::Moved(location) => Ok(self.decorated(moved(location, request.query()))),
        }
    }

    fn options(&self) -> Response {
        let mut response = Response::new(Status::NO_CONTENT);
        response.head.put("Allow", ALLOW);
        self.decorated(response)
    }

    fn cached(&self, request: &Request) -> Option<Arc<Representation>> {
        self.cache.borrow_mut().get(request.path(), request.arrived(), &self.tree)
    }

    /// Loads a file and keeps it for the next request.
    fn load(&self, request: &Request, file: FoundFile) -> Result<Arc<Representation>, Refusal> {
        let now = self.policy.now(request);
        let loaded = self.open(&file.path, now).map_err(Refusal::System)?;
        let (identity, settled) = (loaded.identity, loaded.settled);
        let representation = Arc::new(Representation::new(loaded, self.about(&file.path, now)));
        if settled {
            let FoundFile { path, outranked_by } = file;
            let entry = Entry { path, identity, outranked_by, representation: Arc::clone(&representation) };
            self.cache.borrow_mut().insert(request.path(), request.arrived(), entry);
        }
        Ok(representation)
    }

    /// Opens a file, at the cost of the cache's descriptors if there are no others.
    fn open(&self, path: &Path, now: SystemTime) -> io::Result<Loaded> {
        match content::load(&self.tree, path, now) {
            Err(error) if is_out_of_descriptors(&error) => {
                self.cache.borrow_mut().give_up_descriptors();
                content::load(&self.tree, path, now)
            }
            result => result,
        }
    }

    fn about(&self, path: &Path, now: SystemTime) -> About {
        About {
            content_type: self.policy.content_type(path),
            coding: None,
            shared: self.policy.everywhere.clone(),
            extra: self.policy.extra.clone(),
            now: now.into(),
        }
    }

    fn list(&self, request: &Request, url: &UrlPath, path: &Path) -> Result<Response, Refusal> {
        let options = self.policy.listing.as_ref().ok_or(Refusal::NoListing)?;
        let mut response = match listing::respond(path, url, request, options) {
            Err(error) if is_out_of_descriptors(&error) => {
                self.cache.borrow_mut().give_up_descriptors();
                listing::respond(path, url, request, options)
            }
            result => result,
        }
        .map_err(no_listing)?;
        copy(&self.policy.extra, &mut response.head);
        Ok(self.decorated(response))
    }

    /// Adds what every answer has; those that transfer a file have it already.
    fn decorated(&self, mut response: Response) -> Response {
        copy(&self.policy.everywhere, &mut response.head);
        response
    }

    fn date(&self, request: &Request) -> HttpDate {
        self.policy.now(request).into()
    }
}

/// Contract row SH09. The location is built from the normalised path, never from what the client sent; the query is
/// the client's own, and holds no character that could end the field.
fn moved(mut location: String, query: Option<&[u8]>) -> Response {
    if let Some(query) = query {
        location.push('?');
        location.extend(query.iter().map(|byte| char::from(*byte)).filter(char::is_ascii_graphic));
    }
    let mut response = Response::new(Status::MOVED_PERMANENTLY);
    response.head.put("Location", location);
    response.head.put("Content-Length", 0);
    response
}

/// Contract row SH29: what may not be read is 403, and Python's text says of what.
fn no_listing(error: io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Refusal::NoListing,
        _ => Refusal::System(error),
    }
}

#[cfg(test)]
mod tests;
