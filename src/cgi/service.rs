//! The service that answers requests for scripts, and its builder.
//!
//! What stays out: choosing between a script and the fallback (`redirect`), and running a script (`run`).

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

/// The first descriptor after standard input, output and error.
const FIRST_NOT_STANDARD: i32 = 3;

/// Runs the scripts below some directories, and has another service answer everything else: Python's
/// `CGIHTTPRequestHandler`, without ever waiting for a script.
///
/// A script gets requests of every method except TRACE (405), for which it could send the client's own fields back to a
/// page that must not see them. A path below a script directory that names no script is never given to the other
/// service, so that no script is ever sent as a file.
///
/// The guards of the other service do not apply to scripts: [`CgiBuilder::auth`], [`CgiBuilder::base_path`] and
/// [`CgiBuilder::hidden`] have to be given to both.
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
/// A script is any program with the executable bit. It gets its request in its environment (RFC 3875, and Python's
/// variables), the body on its standard input, no arguments, and its own directory to work in. Of the server's
/// environment it gets `PATH` only. Standard error, and an exit status that is not 0, goes to the server's log.
///
/// With [`CgiBuilder::auth`], `AUTH_TYPE` is `Basic` and `REMOTE_USER` is the user whose password was right. Without it
/// both are what the client claims, as with Python, and nothing has checked the password. `Authorization` itself is never
/// passed on.
///
/// If the server is root, scripts run as `nobody`, or as [`CgiBuilder::user`] says, with none of root's groups; if
/// that cannot be had, they do not run.
///
/// A clone is the same service.
#[derive(Clone)]
pub struct CgiService {
    context: Arc<ScriptContext>,
}

impl CgiService {
    /// Runs the scripts below `/cgi-bin` and `/htbin` of a directory, with the defaults of [`CgiBuilder`].
    ///
    /// # Errors
    /// As [`CgiBuilder::build`].
    pub fn new(root: impl Into<PathBuf>, fallback: impl Service + Send + 'static) -> io::Result<CgiService> {
        CgiService::builder(root).build(fallback)
    }

    /// Starts a service with settings of its own.
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
    /// The paths whose files, and those of the directories below them, are scripts: Python's `cgi_directories`
    /// (contract row CG02). They are paths of the server, decoded, and compared by whole segments.
    pub fn directories<N: Into<String>>(mut self, paths: impl IntoIterator<Item = N>) -> CgiBuilder {
        self.directories = paths.into_iter().map(Into::into).collect();
        self
    }

    /// Variables of the server's environment that scripts get too, by their names. What the request sets is not
    /// overridden.
    pub fn pass_env<N: Into<OsString>>(mut self, names: impl IntoIterator<Item = N>) -> CgiBuilder {
        self.passed_on = names.into_iter().map(Into::into).collect();
        self
    }

    /// The user that scripts run as; only for a server that is root.
    pub fn user(mut self, user: ScriptUser) -> CgiBuilder {
        self.user = Some(user);
        self
    }

    /// The limits of scripts.
    pub fn limits(mut self, limits: CgiLimits) -> CgiBuilder {
        self.limits = limits;
        self
    }

    /// Runs scripts only for clients that know an account: Basic authentication (RFC 7617), checked before the script is
    /// looked for, also for preflights of browsers. May be called again for more accounts.
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

    /// Shares the accounts of the files, and what was found out about credentials; takes the place of
    /// [`CgiBuilder::auth`].
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only the program has one set of accounts for both"))]
    pub(crate) fn gate_of(mut self, files: &FileService) -> CgiBuilder {
        self.gate = files.gate();
        self
    }

    fn own_gate(&self) -> Result<Option<Arc<Gate>>, InvalidHeader> {
        let gate = Gate::new(&self.realm, &self.accounts);
        FieldBlock::new().add("WWW-Authenticate", gate.challenge())?;
        Ok((!self.accounts.is_empty()).then(|| Arc::new(gate)))
    }

    /// The name that browsers show when they ask for the password; `serve-forever` by default, as for files.
    pub fn realm(mut self, realm: impl Into<String>) -> CgiBuilder {
        self.realm = realm.into();
        self
    }

    /// The path of the server below which the script directories are, such as `/docs`; the default is `/`. It is a part
    /// of `SCRIPT_NAME`.
    pub fn base_path(mut self, path: impl Into<String>) -> CgiBuilder {
        self.base = path.into();
        self
    }

    /// Whether a path with a segment that begins with a dot may name a script or follow its name; true by default.
    /// Otherwise it is 404. `/.well-known` is never hidden (RFC 8615).
    pub fn hidden(mut self, serve: bool) -> CgiBuilder {
        self.hidden = serve;
        self
    }

    /// Whether processes that scripts left behind are reaped if the kernel makes them children of this process: if it is
    /// process 1, as in a container, or a child subreaper. From the first script on.
    ///
    /// False by default, because it would also take the exit status of children that another part of the program has
    /// started and waits for.
    pub fn reap_orphans(mut self, reap: bool) -> CgiBuilder {
        self.reap_orphans = reap;
        self
    }

    /// Takes over the scripts that another service started, for a service that replaces it while the server runs. They
    /// count for [`CgiLimits::live`]. The limits of this builder replace those of the other service, except that
    /// [`CgiLimits::whole`] is counted as it was when a script was started.
    pub fn taking_over(mut self, other: &CgiService) -> CgiBuilder {
        self.reaper = Some(Arc::clone(&other.context.reaper));
        self
    }

    /// `SERVER_SOFTWARE`, for a server whose `Server` field says something else than the default.
    pub fn server_software(mut self, software: impl Into<String>) -> CgiBuilder {
        self.software = software.into();
        self
    }

    /// Whether clients speak TLS with the server, so that scripts find `HTTPS=on`.
    pub fn https(mut self, https: bool) -> CgiBuilder {
        self.https = https;
        self
    }

    /// The service. `fallback` answers every request that is not for a script.
    ///
    /// Marks every descriptor of the process, except the three standard ones, close-on-exec: scripts do not inherit
    /// what the parent of the server forgot to close.
    ///
    /// # Errors
    /// If the directory is missing or is another kind of file, with its name in the text; `InvalidInput` if a script
    /// directory, the base path or a variable's name is not well formed, or if the realm cannot stand in a header field;
    /// `PermissionDenied` if there is a [user](CgiBuilder::user) and the server is not root.
    pub fn build(self, fallback: impl Service + Send + 'static) -> io::Result<CgiService> {
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let directories = Directories::new(&self.base, self.directories.iter().map(String::as_str));
        let directories = directories.ok_or_else(|| invalid("a script directory is no path".to_owned()))?;
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
        // Nothing can fail from here on: a service that is not made leaves the limits of the one that it was to replace.
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

/// The absolute path of a directory that exists.
fn directory(path: &Path) -> io::Result<PathBuf> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let absolute = std::path::absolute(path).map_err(named)?;
    if std::fs::metadata(&absolute).map_err(named)?.is_dir() {
        Ok(absolute)
    } else {
        Err(named(io::ErrorKind::NotADirectory.into()))
    }
}
