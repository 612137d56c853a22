//! The parsed options, and the checks of their values.
//!
//! `model` contains the types, and `values` parses the kinds of values that several flags share. Each of the other
//! files has the setters for one group of flags: a setter takes a value as text and either stores it in [`Options`] or
//! returns the reason for rejecting it. The setters do not query the system, so they do not check that a file, a user
//! or an address exists.

#[cfg(feature = "harness")]
mod bench;
mod confinement;
mod general;
mod life;
mod limits;
mod logs;
mod model;
#[cfg(all(feature = "cgi", target_os = "linux"))]
mod scripts;
mod site;
#[cfg(feature = "harness")]
mod statistics;
mod tls;
mod values;
mod watch;

#[cfg(feature = "harness")]
pub use bench::BenchOptions;
pub(super) use model::BadValue;
pub use model::{
    Confinement, ExitCodes, LifeOptions, LogOptions, Options, ReadyForm, ScriptOptions, SiteOptions, TlsOptions,
    WatchOptions,
};
#[cfg(feature = "harness")]
pub use statistics::{Network, StatisticsOptions};
