//! The service that runs scripts, and its builder.
//!
//! `redirect` chooses between a script and the fallback, and `run` runs a script.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::context::ScriptContext;
use super::environment::is_name;
use super::limits::CgiLimits;
use super::orphans::inherits_orphans;
use super::reaper::ChildReaper;
use super::redirect::respond;
use super::script::Directories;
use super::user::{ScriptUser, choose};
use crate::files::{Account, DEFAULT_REALM, FileService, Gate};
use crate::http::{FieldBlock, InvalidHeader, Request};
use crate::service::{LogCallback, Reply, Service};

/// The first descriptor after standard input, standard output and standard error.
const FIRST_NOT_STANDARD: i32 = 3;

/// Runs the scripts in the script directories, and passes all other requests to another service, the fallback. This
/// corresponds to Python's `CGIHTTPRequestHandler`, but the loop never waits for a script.
///
/// A script gets requests of every method except TRACE (405): a script that echoes a TRACE request would let a web page
/// read fields that are hidden from it, such as cookies. A path below a script directory that names no script is never
/// passed to the fallback, so a script's source is never sent as a file.
///
/// The settings of the fallback do not apply to scripts, so [`CgiBuilder::auth`], [`CgiBuilder::base_path`] and
/// [`CgiBuilder::hidden`] must be set for both.
///
/// ```no_run
/// use serve_forever::HttpServer;
/// use serve_forever::cgi::CgiService;
/// use serve_forever::files::FileService;
///
/// # fn main() -> std::io::Result<()> {
/// let site = CgiService::new("site", FileService::new("site")?)?;
/// HttpServer::bind("127.0.0.1:8000")?.service(site).serve_forever()?;
/// # Ok(()) }
/// ```
///
/// # Scripts
/// A script is any executable file. Its environment describes the request, with the variables of RFC 3875 and of
/// Python's handler. It reads the request body from standard input, receives no arguments, and runs in its own
/// directory. From the server's environment it inherits only `PATH` and the variables that [`CgiBuilder::pass_env`]
/// names. Its standard error, and a non-zero exit status, go to the server's log.
///
/// With [`CgiBuilder::auth`], `AUTH_TYPE` is `Basic`, and `REMOTE_USER` is the user whose password was verified.
/// Without it, both are unverified claims of the client, as with Python. Scripts never get the `Authorization` field.
///
/// If the server runs as root, each script runs as the user that [`CgiBuilder::user`] sets, without root's groups. The
/// default user is `nobody`. If the user cannot be changed, the script does not run.
///
/// Clones share their scripts, limits and fallback.
#[derive(Clone)]
pub struct CgiService {
    context: Arc<ScriptContext>,
}

impl CgiService {
    /// Runs the scripts below `/cgi-bin` and `/htbin` of a directory, with the defaults of [`CgiBuilder`].
    ///
    /// # Errors
    /// Returns the same errors as [`CgiBuilder::build`].
    pub fn new(root: impl Into<PathBuf>, fallback: impl Service + Send + 'static) -> io::Result<CgiService> {
        CgiService::builder(root).build(fallback)
    }

    /// Creates a builder for a service with other settings.
    pub fn builder(root: impl Into<PathBuf>) -> CgiBuilder {
        CgiBuilder {
            root: root.into(),
            directories: vec!["/cgi-bin".to_owned(), "/htbin".to_owned()],
            passed_on: Vec::new(),
            software: concat!("serve-forever/", env!("CARGO_PKG_VERSION")).to_owned(),
            https: false,
            user: None,
            limits: CgiLimits::default(),
            gate: None,
            accounts: Vec::new(),
            realm: DEFAULT_REALM.to_owned(),
            base: String::new(),
            hidden: true,
            reap_orphans: false,
            reaper: None,
        }
    }
}

#[cfg(test)]
impl CgiService {
    pub(super) fn context(&self) -> Arc<ScriptContext> {
        Arc::clone(&self.context)
    }
}

impl Service for CgiService {
    fn call(&self, request: &Request) -> Reply {
        respond(&self.context, request, 0)
    }

    fn after_turn(&self, now: Instant, note: &mut LogCallback<'_>) -> Option<Duration> {
        let own = self.context.reaper.after_turn(now, note);
        own.into_iter().chain(self.context.with_fallback(|fallback| fallback.after_turn(now, note))).min()
    }

    fn after_run(&self, note: &mut LogCallback<'_>) {
        self.context.reaper.shut_down(note);
        self.context.with_fallback(|fallback| fallback.after_run(note));
    }
}

impl fmt::Debug for CgiService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CgiService").field("root", &self.context.root).finish_non_exhaustive()
    }
}

/// Builds a [`CgiService`].
///
/// ```no_run
/// use serve_forever::cgi::{CgiLimits, CgiService};
/// use serve_forever::files::FileService;
///
/// let site = CgiService::builder("site")
///     .directories(["/scripts"])
///     .pass_env(["LANG"])
///     .limits(CgiLimits { live: 8, ..CgiLimits::default() })
///     .build(FileService::new("site")?)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder makes its service by `build`"]
pub struct CgiBuilder {
    root: PathBuf,
    directories: Vec<String>,
    passed_on: Vec<OsString>,
    software: String,
    https: bool,
    user: Option<ScriptUser>,
    limits: CgiLimits,
    gate: Option<Arc<Gate>>,
    accounts: Vec<Account>,
    realm: String,
    base: String,
    hidden: bool,
    reap_orphans: bool,
    reaper: Option<Arc<ChildReaper>>,
}

impl CgiBuilder {
    /// Sets the paths below which files are scripts, like Python's `cgi_directories`. The paths are decoded URL paths
    /// and are compared segment by segment.
    pub fn directories<N: Into<String>>(mut self, paths: impl IntoIterator<Item = N>) -> CgiBuilder {
        self.directories = paths.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the names of further variables that scripts inherit from the server's environment. Inherited variables do
    /// not override variables that describe the request. A client can therefore replace a variable such as `HTTP_X` by a
    /// field `X`, and scripts must not trust it.
    pub fn pass_env<N: Into<OsString>>(mut self, names: impl IntoIterator<Item = N>) -> CgiBuilder {
        self.passed_on = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the user under which scripts run. [`CgiBuilder::build`] fails if a user is set and the server does not run
    /// as root.
    pub fn user(mut self, user: ScriptUser) -> CgiBuilder {
        self.user = Some(user);
        self
    }

    /// Sets the limits on scripts.
    pub fn limits(mut self, limits: CgiLimits) -> CgiBuilder {
        self.limits = limits;
        self
    }

    /// Adds an account. With accounts, scripts run only for clients that authenticate with one of them (Basic
    /// authentication, RFC 7617). The credentials are verified before the script is looked up, even for CORS
    /// preflights.
    ///
    /// ```
    /// use serve_forever::cgi::CgiService;
    /// use serve_forever::files::{Account, FileService};
    /// let files = FileService::builder("src").auth(Account::new("ann", "secret")).build()?;
    /// let site = CgiService::builder("src").auth(Account::new("ann", "secret")).build(files)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn auth(mut self, account: Account) -> CgiBuilder {
        self.accounts.push(account);
        self
    }

    /// Uses the accounts of a file service, and its cache of verified credentials, instead of [`CgiBuilder::auth`].
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only the program has one set of accounts for both"))]
    pub(crate) fn gate_of(mut self, files: &FileService) -> CgiBuilder {
        self.gate = files.gate();
        self
    }

    /// The gate for the accounts from [`CgiBuilder::auth`]. `None` if there are no accounts.
    fn own_gate(&self) -> Result<Option<Arc<Gate>>, InvalidHeader> {
        let gate = Gate::new(&self.realm, &self.accounts);
        FieldBlock::new().add("WWW-Authenticate", gate.challenge())?;
        Ok((!self.accounts.is_empty()).then(|| Arc::new(gate)))
    }

    /// Sets the authentication realm, which browsers show in the password dialog. The default is `serve-forever`, as
    /// for files.
    pub fn realm(mut self, realm: impl Into<String>) -> CgiBuilder {
        self.realm = realm.into();
        self
    }

    /// Sets the URL path that contains the script directories, such as `/docs`. This path is part of `SCRIPT_NAME`. The
    /// default is `/`.
    pub fn base_path(mut self, path: impl Into<String>) -> CgiBuilder {
        self.base = path.into();
        self
    }

    /// Sets whether names that begin with a dot are hidden. Below a script directory, the response is then 404 for
    /// every path with a segment that begins with a dot. `.well-known` at the root is not hidden (RFC 8615). Off by
    /// default, as in Python.
    pub fn hidden(mut self, hidden: bool) -> CgiBuilder {
        self.hidden = !hidden;
        self
    }

    /// If true, the service also reaps orphans, which are processes that scripts have left behind and that the kernel
    /// has reparented to this process. The kernel does so if this process is PID 1, as in a container, or a child
    /// subreaper. Before the first script is started, orphans may be reaped late, because they do not wake the loop.
    ///
    /// The default is false, because reaping would also consume the exit status of children that another part of the
    /// program waits for.
    pub fn reap_orphans(mut self, reap: bool) -> CgiBuilder {
        self.reap_orphans = reap;
        self
    }

    /// Takes over the running scripts of a service that this one replaces. They count towards [`CgiLimits::live`]. The
    /// limits of this builder replace those of the other service, but the [`CgiLimits::whole`] deadlines of running
    /// scripts do not change.
    pub fn taking_over(mut self, other: &CgiService) -> CgiBuilder {
        self.reaper = Some(Arc::clone(&other.context.reaper));
        self
    }

    /// Sets the value of `SERVER_SOFTWARE`, for a server whose `Server` header field is not the default.
    pub fn server_software(mut self, software: impl Into<String>) -> CgiBuilder {
        self.software = software.into();
        self
    }

    /// If true, scripts always get `HTTPS=on`. This is for a server that receives plain HTTP from a proxy to which
    /// clients connect over TLS. By default, scripts get `HTTPS=on` only for requests that this server receives over
    /// TLS.
    pub fn https(mut self, https: bool) -> CgiBuilder {
        self.https = https;
        self
    }

    /// Builds the service. `fallback` responds to every request whose path is not below a script directory.
    ///
    /// Sets close-on-exec on every descriptor of the process except the three standard ones. Otherwise scripts would
    /// inherit descriptors that the server's parent has left open.
    ///
    /// # Errors
    /// Returns an error if the directory does not exist or is not a directory; the message contains its path. Returns
    /// `InvalidInput` if a script directory, the base path or the name of a variable is malformed, or if a header field
    /// cannot contain the realm. Returns `PermissionDenied` if a [user](CgiBuilder::user) is set and the server does
    /// not run as root.
    pub fn build(self, fallback: impl Service + Send + 'static) -> io::Result<CgiService> {
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let directories = Directories::new(&self.base, self.directories.iter().map(String::as_str));
        let directories = directories.ok_or_else(|| invalid("a script directory is not a path".to_owned()))?;
        self.passed_on.iter().try_for_each(|name| is_name(name)).map_err(invalid)?;
        let (root, user) = (directory(&self.root)?, choose(self.user)?);
        let gate = self.gate.clone().map_or_else(|| self.own_gate(), |gate| Ok(Some(gate)))?;
        let reaper = match self.reaper {
            Some(reaper) => reaper,
            None => Arc::new(ChildReaper::new(self.limits.clone())?),
        };
        if self.reap_orphans && inherits_orphans() {
            reaper.reap_orphans()?;
        }
        close_fds::set_fds_cloexec_threadsafe(FIRST_NOT_STANDARD, &[]);
        // Nothing can fail after this line. The limits are set only now, because a failed build must not change the
        // limits of the service that it would have replaced.
        reaper.set_limits(self.limits);
        let context = ScriptContext {
            root,
            directories,
            gate,
            hidden: self.hidden,
            passed_on: self.passed_on,
            software: self.software,
            https: self.https,
            user,
            reaper,
            fallback: Mutex::new(Box::new(fallback)),
        };
        Ok(CgiService { context: Arc::new(context) })
    }
}

/// The absolute path of an existing directory.
fn directory(path: &Path) -> io::Result<PathBuf> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let absolute = std::path::absolute(path).map_err(named)?;
    if std::fs::metadata(&absolute).map_err(named)?.is_dir() {
        Ok(absolute)
    } else {
        Err(named(io::ErrorKind::NotADirectory.into()))
    }
}
