//! The program `serve-forever`: its command line, its other sources of options, and the server that it builds from
//! them.
//!
//! `flags` is the table of all flags. The parser, the configuration file, the environment, `--help`, the manual page
//! and the completions read that table, so a new flag needs only one entry.
//!
//! The layers, from the bottom:
//!
//! * `flag` and `flags`: the table; `options`: the parsed values, with a setter for each flag.
//! * `parser`, `environment` and `config_file` each produce one layer (`layers`) of flags and values; `sources`
//!   combines the layers into [`Options`].
//! * `site`, `tls`, `scripts`, `logging`, `listen`, `confine` and `sandbox` each build one part of the server from the
//!   options.
//! * `announcer` tells other programs that this one is ready (`ready`, `ready_fd`, `service_manager`, and `output_file` for
//!   the port file).
//! * `run` starts and runs the server; `reload` changes it on SIGHUP. `health_check` runs instead of a server.
//!
//! Messages have the form of argparse, which Python's `http.server` uses, because users and scripts expect it. [`Exit`]
//! describes an early exit from the program: the text to print, its stream, and the exit status.
//!
//! Invariant: the files of the first two layers perform no I/O and no name resolution, except that `sources` reads the
//! configuration file. They report every invalid option (status 2). The other layers report a valid option that the
//! system cannot satisfy (status 1).

mod announcer;
#[cfg(feature = "harness")]
mod bench;
mod config_file;
mod confine;
mod conflicts;
mod environment;
mod exit;
mod flag;
mod flags;
mod health_check;
mod help;
mod layers;
mod listen;
mod logging;
mod options;
mod output_file;
// The manual page covers all flags, so it can be checked only if all features are enabled.
#[cfg(test)]
#[cfg(all(feature = "cgi", target_os = "linux"))]
mod pages;
mod parse_error;
mod parser;
mod ready;
mod ready_fd;
mod redirect;
mod reload;
mod run;
#[cfg(all(feature = "sandbox", target_os = "linux"))]
mod sandbox;
#[cfg(not(all(feature = "sandbox", target_os = "linux")))]
#[path = "no_sandbox.rs"]
mod sandbox;
#[cfg(all(feature = "cgi", target_os = "linux"))]
mod scripts;
#[cfg(not(all(feature = "cgi", target_os = "linux")))]
#[path = "no_scripts.rs"]
mod scripts;
mod service_manager;
mod settings;
mod site;
mod sources;
#[cfg(feature = "harness")]
mod statistics;
#[cfg(not(feature = "harness"))]
#[path = "no_statistics.rs"]
mod statistics;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod watching;
mod words;

pub use config_file::parse_file;
pub use exit::{Code, Exit};
pub use health_check::HealthUrl;
#[cfg(feature = "harness")]
pub use options::{BenchOptions, Network, StatisticsOptions};
pub use options::{
    Confinement, ExitCodes, LifeOptions, LogOptions, Options, ReadyForm, ScriptOptions, SiteOptions, TlsOptions,
    WatchOptions,
};
pub use parser::parse;
pub use run::run;
pub use words::shown;
