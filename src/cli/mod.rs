//! The program's command line: one table of flags, and everything that is made from it.
//!
//! `flags` is the table; `parser`, `settings`, `help`, the manual page and the completions read it, so that a flag that is added
//! there is understood, explained and completed. [`Options`] is what a command line means, [`Exit`] is how a program
//! ends early: with a text, a stream and a status (contract rows CL01 to CL13, B27).
//!
//! The shape of messages is argparse's, which Python's `http.server` speaks, because scripts and people know it.
//!
//! `listen`, `site`, `confine`, `sandbox` and `run` make a server of options, and `reload` changes it while it runs.
//!
//! Invariant: but for those, nothing here opens, binds or resolves anything. A command line is wrong (status 2) or it is understood;
//! whether what it asks for can be had is found out later (status 1).

mod config_file;
mod confine;
mod conflicts;
mod environment;
mod exit;
mod flag;
mod flags;
mod help;
mod layers;
mod listen;
mod logging;
mod options;
// The pages are kept for the program with all of its flags.
#[cfg(test)]
#[cfg(all(feature = "cgi", target_os = "linux"))]
mod pages;
mod parse_error;
mod parser;
mod ready;
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
mod settings;
mod site;
mod sources;
mod words;

pub use config_file::parse_file;
pub use exit::{Code, Exit};
pub use options::{Confinement, LogOptions, Options, ScriptOptions, SiteOptions};
pub use parser::parse;
pub use run::run;
pub use words::shown;
