//! [`FileService`]: selects the response to a request, and keeps the caches. `lookup` finds the file, `loader` reads
//! it, and `representation` builds the response. `policy` holds the settings, which `builder` checks.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::auth::Gate;
use super::auth_offload::AuthOffload;
use super::cache::{Cache, CacheLimits};
use super::codings::AcceptedCodings;
use super::content::{Content, ContentError};
use super::cors;
use super::error_log::ErrorLog;
use super::listing::{self, EntryFilter};
use super::loader::Loader;
use super::lookup::{ResolvedFile, Resource, find};
use super::negative_cache::NegativeCache;
use super::policy::FilePolicy;
use super::recent_files::RecentFiles;
use super::refusal::{ALLOW, Refusal};
use super::representation::Representation;
use super::tree::Tree;
use crate::http::{HttpDate, Method, Request, Status, UrlPath, list_elements};
use crate::service::{LogCallback, Reply, Response, Service};
use crate::watchdog::Watchdog;

/// Serves the files below a directory.
///
/// GET and HEAD return files, index files and listings; OPTIONS returns the supported methods. The response to any
/// other method is 405, or 501 if the method is unknown. Paths are decoded and normalised once, by [`UrlPath`].
///
/// The directory's absolute path is fixed when the service is built, and files are found by their path below it. If the
/// directory is replaced by another one at the same path, for example by a build, the new directory is served.
///
/// ```
/// use serve_forever::files::FileService;
/// use serve_forever::http::{Request, Status};
/// use serve_forever::service::{Reply, Service};
///
/// let files = FileService::new("src")?;
/// let Reply::Now(response) = files.call(&Request::builder("GET", "/lib.rs").build()) else { unreachable!() };
/// assert_eq!(response.status, Status::OK);
/// assert_eq!(response.head.get("Content-type"), Some(&b"text/plain; charset=utf-8"[..]));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Handlers can respond to some paths and leave all others to a file service. A `FileService` is `Send` but not `Sync`,
/// so handlers cannot share it in an [`Arc`]. They can share it in a [`Shared`](crate::handler::Shared), so that all of
/// them use one cache:
///
/// ```
/// use serve_forever::files::FileService;
/// use serve_forever::handler::{Exchange, Handlers, RequestHandler, Shared};
/// use serve_forever::{service::Response, testing};
///
/// struct Site(Shared<FileService>);
/// impl RequestHandler for Site {
///     fn handle_one_request(&mut self, x: &mut Exchange<'_>) -> std::io::Result<()> {
///         match x.url_path()?.route()[..] {
///             ["hello"] => x.respond(Response::text("hello")),
///             _ => x.serve(&self.0),
///         }
///     }
/// }
///
/// let files = Shared::new(FileService::new("src")?);
/// let site = || Handlers::new({
///     let files = files.clone();
///     move || Site(files.clone())
/// });
/// assert_eq!(testing::get(site(), "/hello").text(), "hello");
/// assert_eq!(testing::get(site(), "/lib.rs").status(), 200);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FileService {
    tree: Tree,
    policy: FilePolicy,
    cache: RefCell<Cache>,
    negative_cache: RefCell<NegativeCache>,
    recent_files: RefCell<RecentFiles>,
    log: RefCell<ErrorLog>,
}

impl Service for FileService {
    fn call(&self, request: &Request) -> Reply {
        Reply::Now(self.respond(request))
    }

    fn call_watched(&self, request: &Request, _: Option<&Watchdog>) -> Reply {
        self.call(request)
    }

    fn after_turn(&self, now: Instant, note: &mut LogCallback<'_>) -> Option<Duration> {
        self.log.borrow_mut().drain(|text| note(None, text));
        self.recent_files.borrow_mut().release(now)
    }
}

impl FileService {
    /// Returns the absolute path of the served directory.
    pub fn root(&self) -> &Path {
        self.tree.root()
    }

    pub(super) fn with(tree: Tree, policy: FilePolicy, limits: CacheLimits) -> FileService {
        FileService {
            tree,
            policy,
            cache: RefCell::new(Cache::new(limits)),
            negative_cache: RefCell::default(),
            recent_files: RefCell::default(),
            log: RefCell::default(),
        }
    }

    /// Returns the response to a request. A file service never waits for anything, so [`Service::call`] returns this
    /// response as [`Reply::Now`].
    pub fn respond(&self, request: &Request) -> Response {
        let (user, result) = match self.admit(request) {
            Ok(user) => (user, self.dispatch(request)),
            // The user name in wrong credentials has not been verified, so the log must not show it.
            Err(refusal) => (None, Err(refusal)),
        };
        let mut response = result.unwrap_or_else(|refusal| self.refuse(request, refusal));
        response.user = user;
        response
    }

    /// Moves the verification of bcrypt hashes to worker threads, so that it does not block the loop. Up to 2 threads
    /// are started on demand, and each ends after 5 seconds without work. Up to 256 requests can wait for a
    /// verification; the response to further requests is 503 with `Retry-After`.
    ///
    /// ```
    /// use serve_forever::HttpServer;
    /// use serve_forever::files::FileService;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let ann = "ann:$2y$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u".parse().unwrap();
    /// let files = FileService::builder("src").auth(ann).build()?;
    /// let server = HttpServer::bind("127.0.0.1:0")?.service(files.offloading());
    /// # drop(server);
    /// # Ok(()) }
    /// ```
    pub fn offloading(self) -> Box<dyn Service + Send> {
        let gates = self.policy.gates.clone();
        if gates.is_slow() { Box::new(AuthOffload::new(gates, Box::new(self))) } else { Box::new(self) }
    }

    /// Returns the gate that verifies credentials for all paths outside guarded subtrees, or `None` if those paths
    /// require no credentials.
    #[cfg_attr(
        not(any(feature = "cli", all(feature = "cgi", target_os = "linux"))),
        expect(dead_code, reason = "only scripts are guarded by the accounts for files")
    )]
    pub(crate) fn gate(&self) -> Option<Arc<Gate>> {
        self.policy.gates.for_all().cloned()
    }

    /// Checks the credentials of the request. Returns the authenticated user, or `None` if the request needs no
    /// credentials.
    fn admit(&self, request: &Request) -> Result<Option<Arc<str>>, Refusal> {
        match self.policy.gates.of(request) {
            // Browsers send a preflight without credentials (Fetch standard, CORS protocol and credentials).
            Some(gate) if !self.is_preflight(request) => {
                gate.admits(request.headers()).map(Some).ok_or_else(|| Refusal::Unauthorized(gate.challenge()))
            }
            _ => Ok(None),
        }
    }

    fn is_preflight(&self, request: &Request) -> bool {
        self.policy.cors && cors::is_preflight(request)
    }

    fn dispatch(&self, request: &Request) -> Result<Response, Refusal> {
        if self.is_preflight(request) {
            return Ok(self.with_common_fields(cors::preflight(request)));
        }
        match request.method() {
            Method::Get | Method::Head => self.get(request),
            Method::Options => Ok(self.options()),
            other => Err(Refusal::Method(other.clone())),
        }
    }

    fn get(&self, request: &Request) -> Result<Response, Refusal> {
        // If the server does not look for siblings, the response is the same for all accepted codings, so one cache
        // entry is enough.
        let precompressed = self.policy.precompressed;
        let accepted = if precompressed { AcceptedCodings::of(request.headers()) } else { AcceptedCodings::default() };
        // In the common case, a cache hit, no path is decoded and no file is opened.
        if let Some((representation, content)) = self.cached(request.path(), accepted, request) {
            return representation.respond(&content, request, || self.date(request));
        }
        match self.find(request) {
            Ok(Resource::File(file)) => {
                let (representation, content) = self.load(request.path(), file, accepted, request)?;
                representation.respond(&content, request, || self.date(request))
            }
            Ok(Resource::Directory(path)) => self.list(request, &path),
            Ok(Resource::Redirect(location)) => Ok(self.with_common_fields(redirect(location, request.query()))),
            Err(refusal) => self.respond_with_fallback(request, accepted, refusal),
        }
    }

    fn find(&self, request: &Request) -> Result<Resource, Refusal> {
        let (path, turn) = (request.path(), request.arrived());
        if self.negative_cache.borrow().contains(path, turn) {
            return Err(Refusal::NotFound);
        }
        let url = UrlPath::parse(path).map_err(Refusal::BadPath)?;
        find(&self.tree, &self.policy, &url).inspect_err(|refusal| {
            if refusal.is_not_found() {
                self.negative_cache.borrow_mut().insert(path, turn);
            }
        })
    }

    fn options(&self) -> Response {
        let mut response = Response::new(Status::NO_CONTENT);
        response.head.put("Allow", ALLOW);
        self.with_common_fields(response)
    }

    /// Responds with the page of the single-page application if one is configured, the path below the base path was not
    /// found, and the request is for a page. Otherwise responds with the refusal.
    fn respond_with_fallback(
        &self,
        request: &Request,
        accepted: AcceptedCodings,
        refusal: Refusal,
    ) -> Result<Response, Refusal> {
        let Some(page) = self.policy.fallback.as_ref().filter(|_| refusal.is_not_found() && wants_page(request)) else {
            return Err(refusal);
        };
        let (representation, content) = match self.cached(FALLBACK, accepted, request) {
            Some(cached) => cached,
            None => self.load(FALLBACK, ResolvedFile::at(page.clone()), accepted, request)?,
        };
        representation.respond(&content, request, || self.date(request))
    }

    /// Returns the response to a refused request. If the operator has configured an error page for the status, the
    /// response contains that page.
    fn refuse(&self, request: &Request, refusal: Refusal) -> Response {
        let mut response = self.with_common_fields(refusal.response());
        let path = self.policy.error_page(response.status);
        let Some(page) = path.and_then(|path| self.loader(request).error_page(path)) else { return response };
        if let Some(coding) = page.coding {
            response.head.put("Content-Encoding", coding);
        }
        page.representation.as_page(&page.content, response.status, response.head)
    }

    fn cached(
        &self,
        key: &[u8],
        accepted: AcceptedCodings,
        request: &Request,
    ) -> Option<(Arc<Representation>, Content)> {
        let cached = self.cache.borrow_mut().get(key, accepted, request.arrived(), &self.tree)?;
        self.hold(&cached.1);
        Some(cached)
    }

    /// Keeps a large file open for the next requests, unless another response or `recent_files` already has it open.
    fn hold(&self, content: &Content) {
        if let Content::File(file) = content
            // A reference count of one means that only this response holds the file. If another response holds it too,
            // the next request finds the file open anyway.
            && Arc::strong_count(file) == 1
        {
            self.recent_files.borrow_mut().hold(file);
        }
    }

    /// Loads a file, or its sibling in a coding that the client accepts, and caches it.
    fn load(
        &self,
        key: &[u8],
        file: ResolvedFile,
        accepted: AcceptedCodings,
        request: &Request,
    ) -> Result<(Arc<Representation>, Content), Refusal> {
        let loaded = self.loader(request).load(file, accepted).map_err(|error| self.load_refusal(error))?;
        if let Some(entry) = loaded.entry {
            self.cache.borrow_mut().insert(key, accepted, request.arrived(), entry);
            self.hold(&loaded.content);
        }
        Ok((loaded.representation, loaded.content))
    }

    fn loader(&self, request: &Request) -> Loader<'_> {
        Loader { tree: &self.tree, policy: &self.policy, now: self.policy.now(request) }
    }

    /// Returns the refusal for a file that cannot be loaded. If the file could be opened but not read, the error is
    /// logged, because it is probably a fault of the disk or the file system rather than missing permissions.
    fn load_refusal(&self, error: ContentError) -> Refusal {
        match error {
            ContentError::Open(error) => Refusal::System(error),
            ContentError::Read(path, error) => {
                self.log.borrow_mut().push(format!("cannot read '{}': {error}", path.display()));
                Refusal::Unreadable(error)
            }
        }
    }

    fn list(&self, request: &Request, path: &Path) -> Result<Response, Refusal> {
        let url = &UrlPath::parse(request.path()).map_err(Refusal::BadPath)?;
        let options = self.policy.listing.as_ref().ok_or(Refusal::NoListing)?;
        let directory = self.tree.open_directory(path);
        let filter = EntryFilter {
            hidden: options.show_hidden,
            well_known: !self.policy.hidden && url.relative() == self.policy.base,
            check_link: self.tree.check_link(path),
        };
        let listed = directory.and_then(|directory| listing::respond_with(directory, url, request, options, filter));
        let mut response = listed.map_err(listing_refusal)?;
        response.head.append(&self.policy.extra);
        Ok(self.with_common_fields(response))
    }

    /// Adds the fields that every response of this service has. A [`Representation`] already contains them.
    fn with_common_fields(&self, mut response: Response) -> Response {
        response.head.append(&self.policy.everywhere);
        response
    }

    fn date(&self, request: &Request) -> HttpDate {
        self.policy.now(request).into()
    }
}

/// The cache key of a single-page application's page. No request path can be equal to it, because a path never contains
/// NUL.
const FALLBACK: &[u8] = b"\0fallback";

/// True if the request is for a page and not for a script or an image: `Accept` contains HTML, as when a browser
/// navigates to a page, or the last segment of the path has no dot.
fn wants_page(request: &Request) -> bool {
    let last = request.path().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let accepts_html = || {
        list_elements(request.headers().get_all("Accept"))
            .any(|element| element.to_ascii_lowercase().starts_with(b"text/html"))
    };
    memchr::memchr(b'.', last).is_none() || accepts_html()
}

/// Creates a redirect (301). `location` must be built from the normalised path and never copied from the request, so
/// that `//other.example` cannot become a redirect to another host. The query comes from the client. Only its visible
/// ASCII characters are copied, so it cannot terminate the field.
fn redirect(mut location: String, query: Option<&[u8]>) -> Response {
    if let Some(query) = query {
        location.push('?');
        location.extend(query.iter().map(|byte| char::from(*byte)).filter(char::is_ascii_graphic));
    }
    let mut response = Response::new(Status::MOVED_PERMANENTLY);
    response.head.put("Location", location);
    response.head.put("Content-Length", 0);
    response
}

/// Returns the refusal for a directory that cannot be listed. If the process lacks the permission, the response is 403
/// with Python's message for listings.
fn listing_refusal(error: io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Refusal::NoListing,
        _ => Refusal::System(error),
    }
}

#[cfg(test)]
mod tests;
