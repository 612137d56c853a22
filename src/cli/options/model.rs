//! The types of the options, with their defaults. Setters guarantee only those properties of a value
//! that the documentation of the field states.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::health_check::HealthUrl;
use crate::files::{Account, Symlinks};
use crate::http::{Status, Version};
use crate::limits::Limits;
use crate::log::LogFormat;
use crate::trace::Explain;
use crate::transport::Pace;

/// All settings of the command line, the environment and the configuration file. The setters do not check that paths,
/// users, descriptors and CPU cores exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The port to listen on, by default 8000. 0 means any free port.
    pub port: u16,
    /// The address or host name to listen on. `None` means all interfaces. A host name is not resolved yet.
    pub bind: Option<String>,
    /// The directory to serve, by default `.`.
    pub directory: PathBuf,
    /// The HTTP version of responses.
    pub protocol: Version,
    /// Additional header fields for successful responses, in order. Each field is valid, and the server sets none of
    /// these fields itself.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The value of the `Server` field in all responses. The value is valid. An empty value omits the field; `None`
    /// means the default.
    pub server: Option<String>,
    /// The content type of files with an unknown extension. `None` means the default.
    pub content_type: Option<String>,
    /// The TLS options: certificates, keys, and the clients that are accepted.
    pub tls: TlsOptions,
    /// True if the access log is turned off.
    pub quiet: bool,
    /// How files are served.
    pub site: SiteOptions,
    /// How CGI scripts are run.
    pub scripts: ScriptOptions,
    /// The options for the access log: its format and its file.
    pub log: LogOptions,
    /// The connection limits and timeouts, and the maximum duration of a drain.
    pub limits: Limits,
    /// The options for observing the program.
    pub watch: WatchOptions,
    /// True if other processes may listen on the same port.
    pub reuse_port: bool,
    /// The privileges that the program gives up before it accepts connections.
    pub confinement: Confinement,
    /// How the program announces that it is ready, and when and how it ends.
    pub life: LifeOptions,
    /// The options for benchmark endpoints and injected faults.
    #[cfg(feature = "harness")]
    pub bench: super::BenchOptions,
    /// The options for the counters and the health report.
    #[cfg(feature = "harness")]
    pub statistics: super::StatisticsOptions,
    /// The configuration file that `--config` names. `None` if there is no configuration file.
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
            tls: TlsOptions::default(),
            quiet: false,
            site: SiteOptions::default(),
            scripts: ScriptOptions::default(),
            log: LogOptions::default(),
            limits: Limits { last_call: LAST_CALL, ..Limits::default() },
            watch: WatchOptions::default(),
            reuse_port: false,
            confinement: Confinement::default(),
            life: LifeOptions::default(),
            #[cfg(feature = "harness")]
            bench: super::BenchOptions::default(),
            #[cfg(feature = "harness")]
            statistics: super::StatisticsOptions::default(),
            config: None,
        }
    }
}

/// The time for which the program still accepts requests on idle connections during a drain, so that no request is lost
/// when the program is restarted under load.
const LAST_CALL: Duration = Duration::from_millis(500);

/// The TLS options. Without a certificate, clients are served unencrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// The certificate files. The first is the default.
    pub certificates: Vec<PathBuf>,
    /// The key files, one for each certificate. If there are none, each certificate file also contains the key.
    pub keys: Vec<PathBuf>,
    /// The file that contains the password of the encrypted keys.
    pub password_file: Option<PathBuf>,
    /// True if only TLS 1.3 is accepted.
    pub only_tls13: bool,
    /// The file with the certificates of trusted authorities. Client certificates must be issued by one of them.
    pub client_ca: Option<PathBuf>,
    /// True if client certificates are optional. `None` means the default, false.
    pub client_auth_is_optional: Option<bool>,
    /// The additional names for a certificate that is generated at startup. `None` means that no certificate is
    /// generated.
    pub self_signed: Option<Vec<String>>,
    /// The number of seconds for which browsers must use only HTTPS. `None` omits the `Strict-Transport-Security`
    /// field.
    pub hsts: Option<u32>,
    /// The port on which unencrypted requests are accepted and redirected to HTTPS. `None` means no such port.
    pub redirect_http: Option<u16>,
}

impl TlsOptions {
    /// True if clients are served over TLS.
    pub(in crate::cli) fn is_on(&self) -> bool {
        !self.certificates.is_empty() || self.self_signed.is_some()
    }
}

/// The options for serving files. An empty list or `None` means the default of the file service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteOptions {
    /// The names of index files, in order of preference.
    pub index: Vec<String>,
    /// The page that is served for nonexistent paths. Its path is relative to the directory.
    pub spa: Option<PathBuf>,
    /// The error pages, each with its status. Their paths are relative to the directory.
    pub error_pages: Vec<(Status, PathBuf)>,
    /// True if directories are listed.
    pub listing: bool,
    /// True if directories come first in listings.
    pub folders_first: bool,
    /// True if names that begin with a dot are served.
    pub hidden: bool,
    /// Selects the symbolic links that are followed.
    pub symlinks: Symlinks,
    /// The origin whose scripts may read the files; `*` means all origins.
    pub cors: Option<String>,
    /// True if responses isolate pages from other sites with COOP and COEP.
    pub coop_coep: bool,
    /// Patterns of file names, each with the value of `Cache-Control` for matching files. If several patterns match,
    /// the last one is used.
    pub cache: Vec<(String, String)>,
    /// File name extensions without the dot, each with its content type.
    pub mime: Vec<(String, String)>,
    /// File name extensions without the dot, each with its content coding.
    pub encodings: Vec<(String, String)>,
    /// The charset of all text files; `Some(None)` means no charset.
    pub charset: Option<Option<String>>,
    /// True if the URLs of pages omit `.html`.
    pub clean_urls: bool,
    /// True if precompressed versions of files are served in place of the files.
    pub precompressed: bool,
    /// The accounts that may read the files. If there are none, every client may read them.
    pub accounts: Vec<Account>,
    /// The file that contains accounts in addition to those in `accounts`.
    pub auth_file: Option<PathBuf>,
    /// The URL path under which the directory is served.
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

/// The options for running CGI scripts. `None` means the default of the CGI service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptOptions {
    /// True if CGI scripts are run instead of being served as files.
    pub run: bool,
    /// The names of additional variables to pass to scripts. Each is a valid name.
    pub variables: Vec<OsString>,
    /// The user under which scripts run.
    pub user: Option<String>,
    /// The maximum running time of a script; zero means no limit.
    pub timeout: Option<Duration>,
    /// The maximum time that a script can take to send the head of its response; zero means no limit.
    pub first_byte: Option<Duration>,
    /// The maximum number of scripts that run at the same time.
    pub max_running: Option<usize>,
}

/// The format and the file of the access log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// The format of the log lines.
    pub format: LogFormat,
    /// The log file; `None` means standard error.
    pub file: Option<PathBuf>,
}

/// The options for observing the program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchOptions {
    /// The maximum sizes of one read and of one write on a connection, and the pause after a read or a write of that
    /// size.
    pub pace: Pace,
    /// The file to which the trace is written.
    pub trace: Option<PathBuf>,
    /// The maximum number of connections in the trace. `None` means the recorder's default.
    pub trace_connections: Option<u32>,
    /// The maximum size of the trace in MiB. `None` means the recorder's default.
    pub trace_limit: Option<u64>,
    /// The connections whose events are described on standard error, one sentence each. `None` means no connections.
    pub explain: Option<Explain>,
}

/// The privileges that the program gives up before it accepts connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    /// The name of the user that the process switches to.
    pub user: Option<String>,
    /// The directory that becomes the root directory of the process.
    pub chroot: Option<PathBuf>,
    /// True if the kernel restricts the file access of the process (see `sandbox.rs`).
    pub sandbox: bool,
}

/// How the program announces that it is ready, and when and how it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LifeOptions {
    /// The file to which the number of the bound port is written.
    pub port_file: Option<PathBuf>,
    /// The form of the ready line on standard output.
    pub ready: ReadyForm,
    /// The descriptor, at least 3, to which the JSON form of the ready line is written.
    pub ready_fd: Option<i32>,
    /// True if all responses contain the nonce of this run.
    pub nonce_header: bool,
    /// The time without a request after which the program ends. Greater than zero.
    pub idle_exit: Option<Duration>,
    /// The time after which the program ends. Greater than zero.
    pub duration: Option<Duration>,
    /// True if the program ends when its standard input ends.
    pub exit_with_stdin: bool,
    /// How long the program keeps serving after a signal to stop.
    pub lame_duck: Duration,
    /// The number of the CPU core that the loop's thread is pinned to, starting at 0.
    pub cpu: Option<usize>,
    /// The exit statuses for failures.
    pub exit_codes: ExitCodes,
    /// The URL to check. If it is set, the program checks the URL and exits without serving.
    pub healthcheck: Option<HealthUrl>,
}

/// The form of the ready line on standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadyForm {
    /// The ready line is the sentence that Python's `http.server` prints.
    #[default]
    Python,
    /// The ready line is a JSON object.
    Json,
}

/// The exit statuses for failures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExitCodes {
    /// The status is 2 for invalid options and 1 for every other failure.
    #[default]
    Coarse,
    /// The status is 1 to 6, depending on the kind of failure.
    Fine,
}

/// The reason for rejecting a flag's value. In an error message, this text follows the name of the flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct BadValue(String);

impl BadValue {
    /// Appends `hint` in parentheses. It should describe the allowed values.
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
