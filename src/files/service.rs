use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::auth::Gate;
use super::auth_offload::AuthOffload;
use super::builder::FileServiceBuilder;
use super::cache::{Cache, CacheDependency, CacheEntry, CacheLimits};
use super::content::{self, CachedContent, Content, LoadError};
use super::cors;
use super::listing::{self, EntryFilter};
use super::log_queue::LogQueue;
use super::lookup::{ResolvedFile, Resource, find};
use super::mime::SEARCHED;
use super::negative_cache::NegativeCache;
use super::policy::Policy;
use super::recent_files::RecentFiles;
use super::refusal::{ALLOW, Refusal};
use super::representation::{Representation, RepresentationMetadata};
use super::siblings::{AcceptedCodings, Siblings};
use super::tree::Tree;
use crate::http::{FieldBlock, HttpDate, Method, Request, Status, UrlPath, list_elements};
use crate::service::{LogCallback, Reply, Response, Service};

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
/// assert_eq!(response.head.get("Content-type"), Some(&b"text/plain; charset=utf-8"[..]));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FileService {
    tree: Tree,
    policy: Policy,
    cache: RefCell<Cache>,
    negative_cache: RefCell<NegativeCache>,
    recent_files: RefCell<RecentFiles>,
    log: RefCell<LogQueue>,
}

impl Service for FileService {
    fn call(&self, request: &Request) -> Reply {
        Reply::Now(self.respond(request))
    }

    fn after_turn(&self, now: Instant, note: &mut LogCallback<'_>) -> Option<Duration> {
        self.log.borrow_mut().drain(|text| note(None, text));
        self.recent_files.borrow_mut().let_go(now)
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
        FileService {
            tree,
            policy,
            cache: RefCell::new(Cache::new(limits)),
            negative_cache: RefCell::default(),
            recent_files: RefCell::default(),
            log: RefCell::default(),
        }
    }

    /// The answer to a request; [`Service::call`] without the choice of answering later.
    pub fn respond(&self, request: &Request) -> Response {
        let (user, answer) = match self.admit(request) {
            Ok(user) => (user, self.answer(request)),
            Err(refusal) => (None, Err(refusal)),
        };
        let mut response = answer.unwrap_or_else(|refusal| self.refuse(request, refusal));
        response.user = user;
        response
    }

    /// The same service, with bcrypt hashes of its accounts verified by other threads while the loop goes on. There are
    /// up to 2 of them, made when there is work and gone 5 seconds after it. Up to 256 requests wait for them; more are
    /// answered with 503 and `Retry-After`.
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
        match self.gate().filter(|gate| gate.is_slow()) {
            Some(gate) => Box::new(AuthOffload::new(gate, Box::new(self))),
            None => Box::new(self),
        }
    }

    /// What decides about credentials, if they are asked for.
    pub(crate) fn gate(&self) -> Option<Arc<Gate>> {
        self.policy.gate.clone()
    }

    /// The user whose credentials the request has; `None` if none are asked for.
    fn admit(&self, request: &Request) -> Result<Option<Arc<str>>, Refusal> {
        match &self.policy.gate {
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

    fn answer(&self, request: &Request) -> Result<Response, Refusal> {
        if self.is_preflight(request) {
            return Ok(self.decorated(cors::preflight(request)));
        }
        match request.method() {
            Method::Get | Method::Head => self.get(request),
            Method::Options => Ok(self.options()),
            other => Err(Refusal::Method(other.clone())),
        }
    }

    fn get(&self, request: &Request) -> Result<Response, Refusal> {
        let accepted =
            if self.policy.precompressed { AcceptedCodings::of(request.headers()) } else { AcceptedCodings::default() };
        if let Some((representation, content)) = self.cached(request.path(), accepted, request) {
            return representation.respond(&content, request, || self.date(request));
        }
        match self.find(request) {
            Ok(Resource::File(file)) => {
                let (representation, content) = self.load(request.path(), file, accepted, request)?;
                representation.respond(&content, request, || self.date(request))
            }
            Ok(Resource::Directory(path)) => self.list(request, &path),
            Ok(Resource::Redirect(location)) => Ok(self.decorated(moved(location, request.query()))),
            Err(refusal) => self.fall_back(request, accepted, refusal),
        }
    }

    fn find(&self, request: &Request) -> Result<Resource, Refusal> {
        let (path, turn) = (request.path(), request.arrived());
        if self.negative_cache.borrow().knows(path, turn) {
            return Err(Refusal::NotFound);
        }
        let url = UrlPath::parse(path).map_err(Refusal::BadPath)?;
        find(&self.tree, &self.policy, &url).inspect_err(|refusal| {
            if refusal.is_not_found() {
                self.negative_cache.borrow_mut().note(path, turn);
            }
        })
    }

    fn options(&self) -> Response {
        let mut response = Response::new(Status::NO_CONTENT);
        response.head.put("Allow", ALLOW);
        self.decorated(response)
    }

    /// Serves the page of a single-page application where nothing was found below the base path, if the request wants
    /// a page.
    fn fall_back(&self, request: &Request, accepted: AcceptedCodings, refusal: Refusal) -> Result<Response, Refusal> {
        let Some(page) = self.policy.fallback.as_ref().filter(|_| refusal.is_not_found() && wants_page(request)) else {
            return Err(refusal);
        };
        let (representation, content) = match self.cached(FALLBACK, accepted, request) {
            Some(cached) => cached,
            None => self.load(FALLBACK, ResolvedFile::at(page.clone()), accepted, request)?,
        };
        representation.respond(&content, request, || self.date(request))
    }

    /// Answers with the server's error page, or with the operator's own.
    fn refuse(&self, request: &Request, refusal: Refusal) -> Response {
        let mut response = self.decorated(refusal.response());
        let page = self.policy.error_page(response.status).and_then(|path| {
            let loaded = content::load(&self.tree.trusting(), path, self.policy.now(request)).ok()?;
            let coding = self.policy.mime.coding(path);
            let plain = if coding.is_none() { Some(&loaded.content) } else { None };
            if let Some(coding) = coding {
                response.head.put("Content-Encoding", coding);
            }
            let metadata = RepresentationMetadata::page(self.content_type(path, plain), self.date(request));
            Some((Representation::new(&loaded, metadata), loaded.content))
        });
        match page {
            Some((page, content)) => page.as_page(&content, response.status, response.head),
            None => response,
        }
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

    /// Keeps a large file open for a moment, unless somebody does so already.
    fn hold(&self, content: &Content) {
        if let Content::File(file) = content
            && Arc::strong_count(file) == 1
        {
            self.recent_files.borrow_mut().hold(file);
        }
    }

    /// Loads a file, or its sibling in a coding that is accepted, and keeps it for the next request.
    fn load(
        &self,
        key: &[u8],
        file: ResolvedFile,
        accepted: AcceptedCodings,
        request: &Request,
    ) -> Result<(Arc<Representation>, Content), Refusal> {
        let now = self.policy.now(request);
        let original = match file.identity {
            Some(identity) => identity,
            None => self.tree.look_at(&file.path).map_err(Refusal::System)?,
        };
        // What is compressed already is not compressed once more.
        let named = self.policy.mime.coding(&file.path);
        let looks = self.policy.precompressed && named.is_none();
        let siblings = if looks { Siblings::of(&self.tree, &file.path) } else { Siblings::default() };
        // A sibling that cannot be read is as good as none.
        let sibling = siblings.choose(accepted, &original).and_then(|(coding, path, found)| {
            let loaded = content::load_found(&self.tree, path, &found, now).ok()?;
            Some((Some(coding.name()), path, loaded))
        });
        let (coding, path, loaded) = match sibling {
            Some(sibling) => sibling,
            None => (
                named,
                &*file.path,
                content::load_found(&self.tree, &file.path, &original, now)
                    .map_err(|error| self.cannot_load(&file.path, error))?,
            ),
        };
        let plain = if coding.is_none() { Some(&loaded.content) } else { None };
        let content_type = self.content_type(&file.path, plain);
        let metadata = self.metadata(&file.path, content_type, coding, siblings.any(&original), now);
        let representation = Arc::new(Representation::new(&loaded, metadata));
        if loaded.cacheable {
            let content = CachedContent::of(&loaded, path);
            // If any of them changed since it was looked at, that shows in the next turn.
            let mut dependencies = vec![CacheDependency { path: file.path, file: Some(original) }];
            dependencies.extend(file.outranked_by);
            if !accepted.is_none() {
                dependencies.extend(siblings.dependencies());
            }
            let entry = CacheEntry { dependencies, representation: Arc::clone(&representation), content };
            self.cache.borrow_mut().insert(key, accepted, request.arrived(), entry);
            self.hold(&loaded.content);
        }
        Ok((representation, loaded.content))
    }

    /// The refusal for a file that was found. The log says why a file cannot be read that could be opened.
    fn cannot_load(&self, path: &Path, error: LoadError) -> Refusal {
        match error {
            LoadError::Open(error) => Refusal::System(error),
            LoadError::Read(error) => {
                self.log.borrow_mut().add(format!("cannot read '{}': {error}", path.display()));
                Refusal::Unreadable(error)
            }
        }
    }

    /// The content type of a file; `plain` is its content, unless that is in a coding. Where a sibling is served, a page
    /// declares its encoding in the original.
    fn content_type(&self, path: &Path, plain: Option<&Content>) -> String {
        let opened = || {
            let (file, _) = self.tree.open(path).ok()?;
            Some(start_of(&Content::File(Arc::new(file))))
        };
        let in_coding = self.policy.mime.coding(path).is_some();
        self.policy.content_type(path, || match plain {
            Some(content) => start_of(content),
            None if in_coding => Vec::new(),
            None => opened().unwrap_or_default(),
        })
    }

    fn metadata(
        &self,
        path: &Path,
        content_type: String,
        coding: Option<&'static str>,
        has_siblings: bool,
        now: SystemTime,
    ) -> RepresentationMetadata {
        let mut shared = FieldBlock::new();
        if has_siblings {
            shared.put("Vary", "Accept-Encoding");
        }
        if let Some(value) = self.policy.cache_control(self.tree.root(), path) {
            // It was checked when the service was built.
            _ = shared.add("Cache-Control", value);
        }
        shared.append(&self.policy.everywhere);
        RepresentationMetadata { content_type, coding, shared, extra: self.policy.extra.clone(), now: now.into() }
    }

    fn list(&self, request: &Request, path: &Path) -> Result<Response, Refusal> {
        let url = &UrlPath::parse(request.path()).map_err(Refusal::BadPath)?;
        let options = self.policy.listing.as_ref().ok_or(Refusal::NoListing)?;
        let directory = self.tree.open_directory(path);
        let shown = EntryFilter {
            hidden: options.show_hidden,
            well_known: !self.policy.hidden && url.relative() == self.policy.base,
            check_link: self.tree.check_link(path),
        };
        let listed = directory.and_then(|directory| listing::respond_with(directory, url, request, options, shown));
        let mut response = listed.map_err(no_listing)?;
        response.head.append(&self.policy.extra);
        Ok(self.decorated(response))
    }

    /// Adds what every answer has; those that transfer a file have it already.
    fn decorated(&self, mut response: Response) -> Response {
        response.head.append(&self.policy.everywhere);
        response
    }

    fn date(&self, request: &Request) -> HttpDate {
        self.policy.now(request).into()
    }
}

/// The first bytes of a text, in which it may declare its encoding.
fn start_of(content: &Content) -> Vec<u8> {
    let mut start = vec![0; SEARCHED];
    // A text that cannot be read here cannot be sent either.
    let count = content.read_at(&mut start, 0).unwrap_or(0);
    start.truncate(count);
    start
}

/// Under what the page of a single-page application is kept; no path of a request has a NUL in it.
const FALLBACK: &[u8] = b"\0fallback";

/// Whether somebody who finds nothing at this path wants a page rather than an error: a browser that goes there says
/// that it accepts HTML, and a path without a dot in its last segment is no script and no image.
fn wants_page(request: &Request) -> bool {
    let last = request.path().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let accepts_html = || {
        list_elements(request.headers().get_all("Accept"))
            .any(|element| element.to_ascii_lowercase().starts_with(b"text/html"))
    };
    memchr::memchr(b'.', last).is_none() || accepts_html()
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
