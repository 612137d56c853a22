//! [`FileServiceBuilder`]: the settings of a [`FileService`], checked when it is built. What the settings do is the matter of
//! the modules that read them.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::Pattern;

use super::account::Account;
use super::auth::Gate;
use super::cache::CacheLimits;
use super::cors;
use super::listing::ListingOptions;
use super::mime::{CODINGS, Charset};
use super::policy::Policy;
use super::reserved::reserved;
use super::service::FileService;
use super::tree::{Symlinks, Tree};
use crate::http::{FieldBlock, FieldValue, InvalidHeader, NotLatin1, Status, UrlPath, is_token};

/// The realm of a service that was given none.
pub(crate) const DEFAULT_REALM: &str = "serve-forever";

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
    /// Values that are no Latin-1 are an error when the service is built.
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
    policy: Policy,
}

impl FileService {
    /// Serves a directory with the defaults of [`FileServiceBuilder`].
    ///
    /// # Errors
    /// If the path does not exist, is not a directory or cannot be read. The text contains the path.
    pub fn new(root: impl AsRef<Path>) -> io::Result<FileService> {
        FileService::builder(root.as_ref()).build()
    }

    /// Starts to build a service with other settings than the defaults.
    pub fn builder(root: impl Into<PathBuf>) -> FileServiceBuilder {
        FileServiceBuilder::new(root)
    }
}

impl FileServiceBuilder {
    /// Starts with the defaults for a directory, which is looked at in [`FileServiceBuilder::build`].
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
    /// The extension is compared as it stands first, then in lower case. What [`charset`](Self::charset) says is added
    /// to a `text/` type without parameters.
    pub fn mime(mut self, extension: impl Into<String>, content_type: impl Into<String>) -> FileServiceBuilder {
        self.policy.mime.types.push((extension.into(), content_type.into()));
        self
    }

    /// The content type of files whose extension says nothing; `application/octet-stream` by default (row SH27).
    pub fn default_type(mut self, content_type: impl Into<String>) -> FileServiceBuilder {
        self.policy.default_type = content_type.into();
        self
    }

    /// Has files with this extension, given without its dot, sent with a `Content-Encoding`, because they are compressed
    /// already: `br`, `compress`, `deflate`, `gzip` or `zstd` (RFC 9110 section 8.4.1). The content type is then that of
    /// the name before the extension, so that `x.wasm.br` is `application/wasm`. They are sent to clients that do not
    /// accept the coding, too: they asked for the file by its name.
    ///
    /// The extension is compared as it stands first, then in lower case, and the last one given counts. `.svgz` is sent
    /// with `gzip` by default; `identity` leaves the field out.
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

    /// The charset parameter of all `text/` types that have no parameters: this one, or none for `None`.
    ///
    /// By default it is `utf-8`, which is left out for XML, and for HTML and CSS that declares its encoding in its first
    /// 1,024 bytes or begins with a byte order mark.
    pub fn charset<C: Into<String>>(mut self, charset: Option<C>) -> FileServiceBuilder {
        self.policy.mime.charset = charset.map_or(Charset::Unsaid, |name| Charset::Named(name.into()));
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
    /// The path it gets is normalised and still has the base path; the path it gives is taken as it is and may lie
    /// anywhere, unless symbolic links are kept in check.
    ///
    /// ```
    /// use serve_forever::files::FileService;
    /// // Each user's files lie in a folder `public` of their own.
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

    /// Adds a field to answers that transfer a file or a listing, 200 and 206. `Cache-Control`, `Content-Location`,
    /// `Expires` and `Vary` are added to a 304 as well (RFC 9110 section 15.4.5).
    ///
    /// A field that the server makes itself, such as `Content-Type` or `Date`, is an error of
    /// [`build`](FileServiceBuilder::build). For `Server` see [`HttpServer::server_name`](crate::HttpServer::server_name).
    /// A text is sent as Latin-1, and a character above U+00FF is an error of `build`; see [`FieldValue`].
    pub fn extra_header(mut self, name: impl Into<String>, value: impl FieldValue) -> FileServiceBuilder {
        let mut bytes = Vec::new();
        let value = value.append_to(&mut bytes).map(|()| bytes);
        self.extra.push((name.into(), value));
        self
    }

    /// Adds the extra fields to all answers of this service, whatever their status. Off by default.
    pub fn extra_headers_everywhere(mut self, everywhere: bool) -> FileServiceBuilder {
        self.extra_everywhere = everywhere;
        self
    }

    /// What becomes of symbolic links; they are followed by default, as in Python (row SH14).
    pub fn symlinks(mut self, symlinks: Symlinks) -> FileServiceBuilder {
        self.symlinks = symlinks;
        self
    }

    /// Whether names that begin with a dot are served and listed, which they are by default (row SH25). If not, they
    /// are 404, all but `.well-known` at the root, which is there to be found (RFC 8615).
    pub fn hidden(mut self, served: bool) -> FileServiceBuilder {
        self.policy.hidden = served;
        self
    }

    /// The path under which the directory is served, such as `/docs`; everything outside of it is 404, with
    /// [`spa`](Self::spa) too. `/` by default.
    pub fn base_path(mut self, path: impl Into<String>) -> FileServiceBuilder {
        self.base = path.into();
        self
    }

    /// Serves `about.html` as `/about`, and sends those who ask for `/about.html` or `/about/` there (301); likewise
    /// `/index.html` to `/`. A file that is really called `about` goes first, a directory of that name keeps
    /// `/about/`. Off by default.
    pub fn clean_urls(mut self, clean: bool) -> FileServiceBuilder {
        self.policy.clean_urls = clean;
        self
    }

    /// Whether `app.js.br`, `app.js.zst` and `app.js.gz` are served instead of `app.js` to clients that accept that
    /// coding (RFC 9110 section 12.5.3), unless they are older than it or empty. Off by default, because `dump.sql.gz`
    /// need not be `dump.sql` compressed; without it no such file is looked for.
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

    /// Serves this file, named relative to the root, with 200 where nothing was found: for single-page applications,
    /// whose scripts make sense of the path. Only for those who want a page: what has a dot in its last segment, such
    /// as `/missing.js`, remains 404 unless `Accept` names `text/html`. `None`, the default, serves nothing.
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

    /// The body of answers with this status, which keep it: a file named relative to the root, or by an absolute path
    /// anywhere; symbolic links in it are followed. Only for refusals of this service; what the server refuses itself
    /// has the server's page. Where the file is missing the server's page is sent.
    pub fn error_page(mut self, status: Status, page: impl Into<PathBuf>) -> FileServiceBuilder {
        self.policy.error_pages.push((status, page.into()));
        self
    }

    /// Lets scripts of another origin, such as `https://app.example`, or of all for `*`, read what is served: adds
    /// `Access-Control-Allow-Origin` to every answer and answers preflights (Fetch standard, CORS protocol).
    pub fn cors(mut self, origin: impl Into<String>) -> FileServiceBuilder {
        self.cors = Some(origin.into());
        self
    }

    /// Isolates pages from other sites, so that they may use `SharedArrayBuffer` and precise clocks: adds
    /// `Cross-Origin-Opener-Policy: same-origin` and `Cross-Origin-Embedder-Policy: require-corp`. Off by default.
    pub fn coop_coep(mut self, isolated: bool) -> FileServiceBuilder {
        self.isolated = isolated;
        self
    }

    /// The `Cache-Control` of files that a pattern fits (RFC 9111 section 5.2), such as `no-cache` or
    /// `max-age=31536000, immutable`. A pattern without a slash is held against the file's name, one with a slash
    /// against its path below the root; `*` does not cross a slash, `**` does. The last pattern that fits counts.
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

    /// Lets only those in who know an account: Basic authentication (RFC 7617) for every answer of this service, but
    /// for preflights, which browsers send without credentials. May be called again for more accounts.
    ///
    /// A bcrypt hash takes long to verify, 50 ms and more, and a service that answers by itself has no other thread for
    /// that: [`FileService::offloading`] makes one that has. Credentials are verified once; up to 1024 that were right
    /// are remembered, and as many that were wrong.
    ///
    /// Basic authentication does not hide the password on the way; only TLS does.
    ///
    /// ```
    /// use serve_forever::{files::{Account, FileService}, http::{Request, Status}};
    /// let files = FileService::builder("src").auth(Account::new("ann", "secret")).build()?;
    /// assert_eq!(files.respond(&Request::builder("GET", "/").build()).status, Status::UNAUTHORIZED);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn auth(mut self, account: Account) -> FileServiceBuilder {
        self.accounts.push(account);
        self
    }

    /// What browsers tell their users that the password is for; `serve-forever` by default.
    pub fn realm(mut self, realm: impl Into<String>) -> FileServiceBuilder {
        self.realm = realm.into();
        self
    }

    /// How much the cache may hold.
    pub fn cache(mut self, limits: CacheLimits) -> FileServiceBuilder {
        self.cache = limits;
        self
    }

    /// The service.
    ///
    /// # Errors
    /// If the directory is missing, is none or cannot be read, with the directory's name in the text; `InvalidInput`
    /// if a field is reserved, or a field, a content type, a charset, a coding, a pattern or the base path is not well formed; `Unsupported` if symbolic links
    /// cannot be kept in check here.
    pub fn build(mut self) -> io::Result<FileService> {
        let tree = Tree::new(&self.root, self.symlinks)?;
        self.check_types()?;
        self.policy.mime.codings = self.codings()?;
        let extra = self.extra_fields()?;
        *(if self.extra_everywhere { &mut self.policy.everywhere } else { &mut self.policy.extra }) = extra;
        self.add_cross_origin_fields()?;
        self.policy.cache_control = self.cache_rules()?;
        self.policy.base = self.base_below_root()?;
        self.policy.gate = self.gate()?.map(Arc::new);
        self.policy.fallback = self.policy.fallback.map(|page| tree.root().join(page));
        for (_, page) in &mut self.policy.error_pages {
            *page = tree.root().join(&*page);
        }
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
            FieldBlock::new().add("Cache-Control", value)?;
            Ok((Pattern::new(pattern).map_err(|error| bad(format!("{pattern}: {error}")))?, value.clone()))
        };
        self.cache_control.iter().map(rule).collect()
    }

    fn base_below_root(&self) -> io::Result<PathBuf> {
        let path = UrlPath::parse(self.base.as_bytes()).map_err(|error| bad(format!("{}: {error}", self.base)))?;
        Ok(path.relative().to_owned())
    }

    fn gate(&self) -> Result<Option<Gate>, InvalidHeader> {
        let gate = Gate::new(&self.realm, &self.accounts);
        FieldBlock::new().add("WWW-Authenticate", gate.challenge())?;
        Ok((!self.accounts.is_empty()).then_some(gate))
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
