//! The options as data: every field, its default, and how much of it is known to be valid.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::files::{Account, Symlinks};
use crate::http::{Status, Version};
use crate::limits::Limits;
use crate::log::LogFormat;

/// What the program was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The port, 8000 unless another was given; 0 is any free one (contract rows CL01, CL02).
    pub port: u16,
    /// The address or host name to listen on; `None` is all interfaces. Not resolved, and not known to be valid
    /// (contract row CL03).
    pub bind: Option<String>,
    /// The directory to serve, `.` unless another was given. Not known to exist (contract row CL05).
    pub directory: PathBuf,
    /// The version of HTTP that is spoken (contract row CL06).
    pub protocol: Version,
    /// Header fields for successful answers, each known to be valid and none of those that the server makes; in the
    /// order in which they were given.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The value of `Server` in all answers, known to be valid; empty leaves the field out, `None` is the usual one.
    pub server: Option<String>,
    /// The type of files whose extension is not known (contract row CL09).
    pub content_type: Option<String>,
    /// Whether requests are not logged.
    pub quiet: bool,
    /// How the files of the directory are served.
    pub site: SiteOptions,
    /// Which of them are run instead.
    pub scripts: ScriptOptions,
    /// How requests are logged.
    pub log: LogOptions,
    /// What bounds a client, and how the program ends.
    pub limits: Limits,
    /// Whether others may listen on the same port.
    pub reuse_port: bool,
    /// What the program gives up before it lets anybody in.
    pub confinement: Confinement,
    /// A file with more settings. It has been read if the program runs.
    pub config: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            port: 8000,
            bind: None,
            directory: PathBuf::from("."),
            protocol: Version::Http11,
            headers: Vec::new(),
            server: None,
            content_type: None,
            quiet: false,
            site: SiteOptions::default(),
            scripts: ScriptOptions::default(),
            log: LogOptions::default(),
            limits: Limits { last_call: LAST_CALL, ..Limits::default() },
            reuse_port: false,
            confinement: Confinement::default(),
            config: None,
        }
    }
}

/// A service manager restarts programs under load: their clients then have this long for one more request.
const LAST_CALL: Duration = Duration::from_millis(500);

/// How the files of a directory are served. What an empty list or `None` means is left to the file service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteOptions {
    /// The names of index files, the preferred one first; empty for the usual ones.
    pub index: Vec<String>,
    /// The page for paths where nothing is, named relative to the directory.
    pub spa: Option<PathBuf>,
    /// The bodies of refusals, named relative to the directory.
    pub error_pages: Vec<(Status, PathBuf)>,
    /// Whether directories are listed.
    pub listing: bool,
    /// Whether directories come first in listings.
    pub folders_first: bool,
    /// Whether names that begin with a dot are served.
    pub hidden: bool,
    /// What becomes of symbolic links.
    pub symlinks: Symlinks,
    /// Whose scripts may read the files: an origin, or `*`.
    pub cors: Option<String>,
    /// Whether pages are isolated from other sites.
    pub coop_coep: bool,
    /// Patterns of file names, each with the value of `Cache-Control`; the last that fits counts.
    pub cache: Vec<(String, String)>,
    /// Extensions without their dot, each with its content type.
    pub mime: Vec<(String, String)>,
    /// Extensions without their dot, each with the content coding that its files are in.
    pub encodings: Vec<(String, String)>,
    /// The charset of all text, or `None` within for no charset; without, the default of the file service.
    pub charset: Option<Option<String>>,
    /// Whether pages are served without their `.html`.
    pub clean_urls: bool,
    /// Whether compressed files beside a file are served instead of it.
    pub precompressed: bool,
    /// Who may see the files; nobody in particular if empty.
    pub accounts: Vec<Account>,
    /// A file with more accounts. Not known to exist.
    pub auth_file: Option<PathBuf>,
    /// The path under which the directory is served.
    pub base_path: String,
}

impl Default for SiteOptions {
    fn default() -> SiteOptions {
        SiteOptions {
            index: Vec::new(),
            spa: None,
            error_pages: Vec::new(),
            listing: true,
            folders_first: false,
            hidden: true,
            symlinks: Symlinks::Follow,
            cors: None,
            coop_coep: false,
            cache: Vec::new(),
            mime: Vec::new(),
            encodings: Vec::new(),
            charset: None,
            clean_urls: false,
            precompressed: false,
            accounts: Vec::new(),
            auth_file: None,
            base_path: "/".to_owned(),
        }
    }
}

/// Whether and how scripts are run (contract row CL07).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptOptions {
    /// Whether they are run.
    pub run: bool,
    /// Names of variables that they get too, each known to be one.
    pub variables: Vec<OsString>,
    /// The user that they run as. Not known to exist.
    pub user: Option<String>,
    /// From a script's start to its end; zero is no limit, `None` the default of the library.
    pub timeout: Option<Duration>,
    /// From a script's start to its response; zero is no limit, `None` the default of the library.
    pub first_byte: Option<Duration>,
    /// How many of them run at a time; `None` is the default of the library.
    pub most: Option<usize>,
}

/// How requests are logged, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// What the lines look like.
    pub format: LogFormat,
    /// The file; `None` is standard error. Not known to be writable.
    pub file: Option<PathBuf>,
}

/// What the program gives up before it lets anybody in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    /// The user to become. Not known to exist.
    pub user: Option<String>,
    /// The directory that becomes the root. Not known to exist.
    pub chroot: Option<PathBuf>,
    /// Whether the kernel is asked to let it read the served directory and nothing else.
    pub sandbox: bool,
}

/// Why the value of a flag is refused, as the text that follows the name of the flag in an error message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct BadValue(String);

impl BadValue {
    /// Appends ` (HINT)`, which says which values are allowed.
    pub(in crate::cli) fn hint(self, hint: impl fmt::Display) -> BadValue {
        BadValue(format!("{self} ({hint})"))
    }
}

impl From<String> for BadValue {
    fn from(text: String) -> BadValue {
        BadValue(text)
    }
}

impl From<&str> for BadValue {
    fn from(text: &str) -> BadValue {
        BadValue(text.to_owned())
    }
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
