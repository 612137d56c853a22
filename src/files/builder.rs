//! [`FileServiceBuilder`]: collects the settings of a [`FileService`] and checks them when the service is built.
//! `policy` contains the checked settings; the modules that use them document their effect.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::Pattern;

use super::account::Account;
use super::auth::Gate;
use super::cache::CacheLimits;
use super::cors;
use super::gates::Gates;
use super::listing::ListingOptions;
use super::mime::{CODINGS, Charset};
use super::policy::FilePolicy;
use super::reserved::reserved;
use super::service::FileService;
use super::tree::{Symlinks, Tree};
use crate::http::{FieldBlock, FieldValue, InvalidHeader, NotLatin1, Status, UrlPath, is_token};

/// The default authentication realm.
pub(crate) const DEFAULT_REALM: &str = "serve-forever";

/// Builds a [`FileService`]. Its methods take the place of the attributes and methods that a subclass of Python's
/// `SimpleHTTPRequestHandler` overrides.
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
#[must_use = "a builder makes its service by `build`"]
pub struct FileServiceBuilder {
    root: PathBuf,
    cache: CacheLimits,
    /// The names and values of the extra header fields. For a value that is not Latin-1, the error is stored instead,
    /// and `build` returns it.
    extra: Vec<(String, Result<Vec<u8>, NotLatin1>)>,
    extra_everywhere: bool,
    symlinks: Symlinks,
    base: String,
    cors: Option<String>,
    isolated: bool,
    cache_control: Vec<(String, String)>,
    encodings: Vec<(String, String)>,
    realm: String,
    accounts: Vec<Account>,
    /// The accounts for guarded subtrees, each with the path of its subtree.
    guarded: Vec<(String, Account)>,
    policy: FilePolicy,
}

impl FileService {
    /// Creates a service for a directory with the defaults of [`FileServiceBuilder`].
    ///
    /// # Errors
    /// Returns an error if the path does not exist, is not a directory or cannot be read. The message contains the
    /// path.
    pub fn new(root: impl AsRef<Path>) -> io::Result<FileService> {
        FileService::builder(root.as_ref()).build()
    }

    /// Returns a builder for a service with settings other than the defaults.
    pub fn builder(root: impl Into<PathBuf>) -> FileServiceBuilder {
        FileServiceBuilder::new(root)
    }
}

impl FileServiceBuilder {
    /// Creates a builder with the default settings. The directory is not opened before [`FileServiceBuilder::build`].
    pub fn new(root: impl Into<PathBuf>) -> FileServiceBuilder {
        FileServiceBuilder {
            root: root.into(),
            cache: CacheLimits::default(),
            extra: Vec::new(),
            extra_everywhere: false,
            symlinks: Symlinks::default(),
            base: String::new(),
            cors: None,
            isolated: false,
            cache_control: Vec::new(),
            encodings: Vec::new(),
            realm: DEFAULT_REALM.to_owned(),
            accounts: Vec::new(),
            guarded: Vec::new(),
            policy: FilePolicy::default(),
        }
    }

    /// Sets the names of index files, in order of preference, like Python's `index_pages`. Default: `index.html` and
    /// `index.htm`. An empty list turns index files off.
    pub fn index_names<N: Into<OsString>>(mut self, names: impl IntoIterator<Item = N>) -> FileServiceBuilder {
        self.policy.index_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the content type of files with this extension, like an entry in Python's `extensions_map`. The extension is
    /// given without its dot. Types that are set here take precedence over the built-in types. If this method is called
    /// more than once for an extension, the last call applies.
    ///
    /// A file's extension is looked up as it is spelled, and then in lower case. A `text/` type without parameters gets
    /// the parameter that [`charset`](Self::charset) sets.
    pub fn mime(mut self, extension: impl Into<String>, content_type: impl Into<String>) -> FileServiceBuilder {
        self.policy.mime.types.push((extension.into(), content_type.into()));
        self
    }

    /// Sets the content type of files with an unknown extension or without an extension. Default:
    /// `application/octet-stream`.
    pub fn default_type(mut self, content_type: impl Into<String>) -> FileServiceBuilder {
        self.policy.default_type = content_type.into();
        self
    }

    /// Sets the `Content-Encoding` of already compressed files with this extension. The extension is given without its
    /// dot. The coding is `br`, `compress`, `deflate`, `gzip` or `zstd` (RFC 9110 section 8.4.1), or `identity` to send
    /// no field. The content type is determined by the name without the extension, so `x.wasm.br` is
    /// `application/wasm`. A client that does not accept the coding still gets the file, because it requested the file
    /// by name.
    ///
    /// A file's extension is looked up as it is spelled, and then in lower case. If this method is called more than
    /// once for an extension, the last call applies. By default, the only extension with a coding is `svgz`, whose
    /// coding is `gzip`.
    ///
    /// ```
    /// use serve_forever::files::FileService;
    /// let game = FileService::builder("src").encoding("br", "br").encoding("gz", "gzip").build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn encoding(mut self, extension: impl Into<String>, coding: impl Into<String>) -> FileServiceBuilder {
        self.encodings.push((extension.into(), coding.into()));
        self
    }

    /// Sets the charset parameter of all `text/` types without parameters; `None` means no parameter.
    ///
    /// The default is `utf-8`, except for XML, and for HTML or CSS files that begin with a byte order mark or declare
    /// their encoding in the first 1,024 bytes.
    pub fn charset<C: Into<String>>(mut self, charset: Option<C>) -> FileServiceBuilder {
        self.policy.mime.charset = charset.map_or(Charset::Absent, |name| Charset::Named(name.into()));
        self
    }

    /// Sets a function that returns the content type of a file, like overriding Python's `guess_type`. If it returns
    /// `None` or an invalid field value, the file's extension determines the type. The function is not called again
    /// while the file is cached.
    pub fn guess_type(mut self, guess: impl Fn(&Path) -> Option<String> + Send + 'static) -> FileServiceBuilder {
        self.policy.guess_type = Some(Box::new(guess));
        self
    }

    /// Sets a function that maps a URL path to a file or directory, like overriding Python's `translate_path`. If the
    /// function returns `None`, the response is 404. The function must always return the same result for the same path,
    /// because responses are cached by path.
    ///
    /// The argument of the function is the normalised path, including the base path. The returned path is used as it
    /// is, and may be outside the served directory only if [`symlinks`](Self::symlinks) is set to [`Symlinks::Follow`].
    ///
    /// ```
    /// use serve_forever::files::FileService;
    /// // Each user's files are in the folder `public` of the home directory.
    /// let homes = FileService::builder("/").translate_path(|url| {
    ///     let mut segments = url.segments();
    ///     let user = std::str::from_utf8(segments.next()?).ok()?;
    ///     let mut path = std::path::Path::new("/home").join(user).join("public");
    ///     for segment in segments {
    ///         path.push(std::str::from_utf8(segment).ok()?);
    ///     }
    ///     Some(path)
    /// });
    /// ```
    pub fn translate_path(
        mut self,
        translate: impl Fn(&UrlPath) -> Option<PathBuf> + Send + 'static,
    ) -> FileServiceBuilder {
        self.policy.translate_path = Some(Box::new(translate));
        self
    }

    /// Sets whether directories without an index file are listed. If listings are off, the response for such a
    /// directory is 403. On by default.
    pub fn listing(mut self, listed: bool) -> FileServiceBuilder {
        self.policy.listing = listed.then(|| self.policy.listing.take().unwrap_or_default());
        self
    }

    /// Sets the options of directory listings, and turns listings on.
    pub fn listing_options(mut self, options: ListingOptions) -> FileServiceBuilder {
        self.policy.listing = Some(options);
        self
    }

    /// Adds a header field to the responses that contain a file or a listing (200 and 206). `Cache-Control`,
    /// `Content-Location`, `Expires` and `Vary` are also added to a 304 (RFC 9110 section 15.4.5).
    ///
    /// [`build`](FileServiceBuilder::build) returns an error for a field that the server generates, such as
    /// `Content-Type` or `Date`. To set `Server`, use [`HttpServer::server_name`](crate::HttpServer::server_name). A
    /// text value is sent as Latin-1, and `build` returns an error if the text contains a character above U+00FF; see
    /// [`FieldValue`].
    pub fn extra_header(mut self, name: impl Into<String>, value: impl FieldValue) -> FileServiceBuilder {
        let mut bytes = Vec::new();
        let value = value.append_to(&mut bytes).map(|()| bytes);
        self.extra.push((name.into(), value));
        self
    }

    /// Sets whether the fields set by [`extra_header`](Self::extra_header) are added to all responses of this service,
    /// regardless of their status. Off by default.
    pub fn extra_headers_everywhere(mut self, everywhere: bool) -> FileServiceBuilder {
        self.extra_everywhere = everywhere;
        self
    }

    /// Sets the rule for symbolic links. By default they are followed, as in Python.
    pub fn symlinks(mut self, symlinks: Symlinks) -> FileServiceBuilder {
        self.symlinks = symlinks;
        self
    }

    /// Sets whether names that begin with a dot are hidden. Hidden names are not listed, and the response for them is
    /// 404, except for `.well-known` at the root, which clients look for (RFC 8615). Off by default, as in Python.
    pub fn hidden(mut self, hidden: bool) -> FileServiceBuilder {
        self.policy.hidden = !hidden;
        self
    }

    /// Sets the path under which the directory is served, such as `/docs`. Default: `/`. The response for every path
    /// outside this base path is 404, even with [`spa`](Self::spa).
    pub fn base_path(mut self, path: impl Into<String>) -> FileServiceBuilder {
        self.base = path.into();
        self
    }

    /// Serves `about.html` at `/about`, and redirects `/about.html` and `/about/` to `/about` (301). Likewise redirects
    /// `/index.html` to `/`. If a file `about` exists, `/about` serves that file instead; if a directory `about`
    /// exists, `/about/` serves that directory. Off by default.
    pub fn clean_urls(mut self, clean: bool) -> FileServiceBuilder {
        self.policy.clean_urls = clean;
        self
    }

    /// Serves `app.js.br`, `app.js.zst` or `app.js.gz` instead of `app.js` to clients that accept the coding (RFC 9110
    /// section 12.5.3), unless the compressed file is empty or older than `app.js`. Off by default, because
    /// `dump.sql.gz` is not necessarily the compressed form of `dump.sql`. While this setting is off, the server does
    /// not look for compressed files.
    ///
    /// ```
    /// use serve_forever::files::FileService;
    /// let site = FileService::builder("src").precompressed(true).build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn precompressed(mut self, served: bool) -> FileServiceBuilder {
        self.policy.precompressed = served;
        self
    }

    /// Sets the page of a single-page application, whose script interprets the URL path. The page is served with status
    /// 200 for every path that does not exist. `page` is relative to the root. If the last segment of the requested
    /// path contains a dot, as in `/missing.js`, the response is still 404 unless the `Accept` field contains
    /// `text/html`. `None` by default.
    ///
    /// ```
    /// use serve_forever::{files::FileService, http::{Request, Status}};
    /// let app = FileService::builder("src").spa(Some("lib.rs")).build()?;
    /// assert_eq!(app.respond(&Request::builder("GET", "/users/5").build()).status, Status::OK);
    /// assert_eq!(app.respond(&Request::builder("GET", "/missing.js").build()).status, Status::NOT_FOUND);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spa<P: Into<PathBuf>>(mut self, page: Option<P>) -> FileServiceBuilder {
        self.policy.fallback = page.map(Into::into);
        self
    }

    /// Sets the page for error responses with this status. `page` is a path relative to the root, or an absolute path,
    /// which may be outside the root. Symbolic links in it are followed. The page is used for errors of this service.
    /// The server sends its own page for an error that it detects itself, such as a malformed request, and also if
    /// `page` cannot be read.
    pub fn error_page(mut self, status: Status, page: impl Into<PathBuf>) -> FileServiceBuilder {
        self.policy.error_pages.push((status, page.into()));
        self
    }

    /// Allows scripts from another origin, such as `https://app.example`, or from any origin (`*`), to read responses.
    /// Adds `Access-Control-Allow-Origin` to every response and responds to preflights (Fetch standard, CORS protocol).
    ///
    /// The example `cors_files` serves a directory in this way.
    pub fn cors(mut self, origin: impl Into<String>) -> FileServiceBuilder {
        self.cors = Some(origin.into());
        self
    }

    /// Isolates pages from other origins, so that scripts can use `SharedArrayBuffer` and high-resolution timers. Adds
    /// `Cross-Origin-Opener-Policy: same-origin` and `Cross-Origin-Embedder-Policy: require-corp`. Off by default.
    pub fn coop_coep(mut self, isolated: bool) -> FileServiceBuilder {
        self.isolated = isolated;
        self
    }

    /// Sets the `Cache-Control` of files that match a pattern (RFC 9111 section 5.2), such as `no-cache` or
    /// `max-age=31536000, immutable`. A pattern without a slash is matched against the file's name, and a pattern with
    /// a slash against the file's path below the root. `**` also matches slashes, and `*` does not. The last matching
    /// pattern applies.
    ///
    /// ```
    /// use serve_forever::files::FileService;
    /// let site = FileService::builder("src")
    ///     .cache_control("*", "no-cache")
    ///     .cache_control("assets/**/*", "max-age=31536000, immutable")
    ///     .build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cache_control(mut self, pattern: impl Into<String>, value: impl Into<String>) -> FileServiceBuilder {
        self.cache_control.push((pattern.into(), value.into()));
        self
    }

    /// Requires every request to contain the credentials of an account (Basic authentication, RFC 7617). Preflights are
    /// exempt, because browsers send them without credentials. Call this method once for each account.
    ///
    /// Verifying a bcrypt hash takes 50 ms or more. The service does this on the loop's thread, unless
    /// [`FileService::offloading`] moves it to worker threads. The results for the last 1024 correct and the last 1024
    /// wrong credentials are cached.
    ///
    /// Basic authentication does not encrypt the password; encryption requires TLS.
    ///
    /// ```
    /// use serve_forever::{files::{Account, FileService}, http::{Request, Status}};
    /// let files = FileService::builder("src").auth(Account::new("ann", "secret")).build()?;
    /// assert_eq!(files.respond(&Request::builder("GET", "/").build()).status, Status::UNAUTHORIZED);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// The example `basic_auth` serves a directory in this way.
    pub fn auth(mut self, account: Account) -> FileServiceBuilder {
        self.accounts.push(account);
        self
    }

    /// Requires the credentials of an account for paths below `path`, as [`auth`](Self::auth) does for all paths. Call
    /// this method once for each account and path. If guarded paths are nested, the innermost path applies, and only
    /// its own accounts are admitted.
    ///
    /// The path is decoded and includes the [base path](Self::base_path). The path is compared with the normalised path
    /// of a request, segment by segment; case is ignored. For example, `/private` also guards `//%70rivate/` and
    /// `/x/../Private/y`, but not `/privately`. The path should be that of a directory. A single file may also be
    /// reachable through other paths, which are not guarded: an index file, for example, is also served at the path of
    /// its directory. A symbolic link from outside to a target below `path` is not guarded either.
    ///
    /// ```
    /// use serve_forever::{files::{Account, FileService}, http::{Request, Status}};
    /// let files = FileService::builder("src").auth_under("/http", Account::new("ann", "secret")).build()?;
    /// let status = |target: &str| files.respond(&Request::builder("GET", target).build()).status;
    /// assert_eq!(status("/lib.rs"), Status::OK);
    /// assert_eq!(status("/%68ttp/mod.rs"), Status::UNAUTHORIZED);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn auth_under(mut self, path: impl Into<String>, account: Account) -> FileServiceBuilder {
        self.guarded.push((path.into(), account));
        self
    }

    /// Sets the authentication realm, which some browsers show in the password dialog. Default: `serve-forever`.
    pub fn realm(mut self, realm: impl Into<String>) -> FileServiceBuilder {
        self.realm = realm.into();
        self
    }

    /// Sets the limits on the number and the memory use of cached files.
    pub fn cache(mut self, limits: CacheLimits) -> FileServiceBuilder {
        self.cache = limits;
        self
    }

    /// Checks the settings and builds the service.
    ///
    /// # Errors
    /// Returns the system's error, with the path in its message, if the directory does not exist, is not a directory or
    /// cannot be read; `InvalidInput` if a field is reserved, or if a field, a content type, a charset, a coding, a
    /// pattern or the base path is malformed; `Unsupported` if the system cannot check symbolic links.
    pub fn build(mut self) -> io::Result<FileService> {
        let tree = Tree::new(&self.root, self.symlinks)?;
        self.check_types()?;
        self.policy.mime.codings = self.codings()?;
        let extra = self.extra_fields()?;
        *(if self.extra_everywhere { &mut self.policy.everywhere } else { &mut self.policy.extra }) = extra;
        self.add_cross_origin_fields()?;
        self.policy.cache_control = self.cache_rules()?;
        self.policy.base = self.base_below_root()?;
        self.policy.gates = self.gates()?;
        // `join` returns an absolute path unchanged.
        self.policy.fallback = self.policy.fallback.map(|page| tree.root().join(page));
        for (_, page) in &mut self.policy.error_pages {
            *page = tree.root().join(&*page);
        }
        // If hidden names are not served, a listing must not show them either.
        if let (false, Some(listing)) = (self.policy.hidden, &mut self.policy.listing) {
            listing.show_hidden = false;
        }
        Ok(FileService::with(tree, self.policy, self.cache))
    }

    fn add_cross_origin_fields(&mut self) -> Result<(), InvalidHeader> {
        if let Some(origin) = &self.cors {
            self.policy.cors = true;
            self.policy.everywhere.append(&cors::fields(origin)?);
        }
        if self.isolated {
            self.policy.everywhere.append(&cors::isolation());
        }
        Ok(())
    }

    fn cache_rules(&self) -> io::Result<Vec<(Pattern, String)>> {
        let rule = |(pattern, value): &(String, String)| {
            // `add` checks the value. Only the check is needed, so the block is discarded.
            FieldBlock::new().add("Cache-Control", value)?;
            Ok((Pattern::new(pattern).map_err(|error| bad(format!("{pattern}: {error}")))?, value.clone()))
        };
        self.cache_control.iter().map(rule).collect()
    }

    fn base_below_root(&self) -> io::Result<PathBuf> {
        // The path is normalised in the same way as request paths, because it is compared with them.
        let path = UrlPath::parse(self.base.as_bytes()).map_err(|error| bad(format!("{}: {error}", self.base)))?;
        Ok(path.relative().to_owned())
    }

    fn gates(&self) -> io::Result<Gates> {
        // The gate is built even without accounts, so that a malformed realm is always an error.
        let gate = Gate::new(&self.realm, &self.accounts);
        FieldBlock::new().add("WWW-Authenticate", gate.challenge())?;
        let mut gates = Gates::everywhere((!self.accounts.is_empty()).then(|| Arc::new(gate)));
        let mut subtrees: Vec<(UrlPath, Vec<Account>)> = Vec::new();
        for (path, account) in &self.guarded {
            let path = self.guarded_path(path)?;
            match subtrees.iter_mut().find(|(other, _)| other.as_bytes() == path.as_bytes()) {
                Some((_, accounts)) => accounts.push(account.clone()),
                None => subtrees.push((path, vec![account.clone()])),
            }
        }
        for (path, accounts) in subtrees {
            gates.add(&path, Arc::new(Gate::new(&self.realm, &accounts)));
        }
        Ok(gates)
    }

    /// Parses and normalises the path of a guarded subtree.
    fn guarded_path(&self, path: &str) -> io::Result<UrlPath> {
        let parsed = UrlPath::parse(path.as_bytes()).map_err(|error| bad(format!("{path}: {error}")))?;
        // Only paths below the base path are served, so a path outside it would guard nothing.
        if !parsed.relative().starts_with(&self.policy.base) {
            return Err(bad(format!("{path}: not below the base path {}", self.base)));
        }
        Ok(parsed)
    }

    fn codings(&self) -> io::Result<Vec<(String, &'static str)>> {
        let coding = |(extension, name): &(String, String)| {
            let known = CODINGS.into_iter().find(|coding| coding.eq_ignore_ascii_case(name));
            Ok((extension.clone(), known.ok_or_else(|| bad(format!("{name}: not a content coding")))?))
        };
        self.encodings.iter().map(coding).collect()
    }

    fn check_types(&self) -> io::Result<()> {
        if let Charset::Named(name) = &self.policy.mime.charset
            && !is_token(name.as_bytes())
        {
            return Err(bad(format!("{name}: not a charset")));
        }
        let types = self.policy.mime.types.iter().map(|(_, content_type)| content_type);
        types.chain([&self.policy.default_type]).try_for_each(|value| FieldBlock::new().add("Content-Type", value))?;
        Ok(())
    }

    fn extra_fields(&self) -> io::Result<FieldBlock> {
        let mut head = FieldBlock::new();
        for (name, value) in &self.extra {
            let value = value.as_ref().map_err(|character| InvalidHeader::NotLatin1(name.clone(), character.0))?;
            if let Some(field) = reserved(name) {
                return Err(bad(field.refusal(&value.escape_ascii().to_string(), field.methods)));
            }
            head.add(name, value)?;
        }
        Ok(head)
    }
}

fn bad(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
