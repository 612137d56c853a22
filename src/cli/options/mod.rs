//! What a command line means, and which values it may have.
//!
//! `model` has the options; each other file has the methods that set one group of them, one for each flag. They take
//! values as they were given and say what is wrong with them.

mod confinement;
mod general;
mod limits;
mod logs;
mod model;
#[cfg(all(feature = "cgi", target_os = "linux"))]
mod scripts;
mod site;
mod values;

pub(super) use model::BadValue;
pub use model::{Confinement, LogOptions, Options, ScriptOptions, SiteOptions};
