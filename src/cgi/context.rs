//! State shared by the service and all of its script runs.
//!
//! `redirect` chooses between a script and the fallback, and `run` runs a script.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::environment::ServerVariables;
use super::reaper::ChildReaper;
use super::script::Directories;
use super::user::ScriptUser;
use crate::files::Gate;
use crate::service::Service;

/// The settings, the child processes and the fallback of a service that runs scripts.
pub(super) struct ScriptContext {
    pub(super) root: PathBuf,
    pub(super) directories: Directories,
    /// Verifies credentials. `None` if every client may run scripts.
    pub(super) gate: Option<Arc<Gate>>,
    /// True if a path with a hidden segment can name a script.
    pub(super) hidden: bool,
    /// The names of the server's environment variables that scripts inherit.
    pub(super) passed_on: Vec<OsString>,
    pub(super) software: String,
    pub(super) https: bool,
    /// The user under which scripts run. `None` means the server's user.
    pub(super) user: Option<ScriptUser>,
    pub(super) reaper: Arc<ChildReaper>,
    /// Responds to requests that name no script. The mutex is needed because clones of the service can run on several
    /// threads and a [`Service`] need not be `Sync`.
    pub(super) fallback: Mutex<Box<dyn Service + Send>>,
}

impl ScriptContext {
    /// The settings that affect the environment of every script.
    pub(super) fn server_variables(&self) -> ServerVariables<'_> {
        ServerVariables {
            root: &self.root,
            software: &self.software,
            https: self.https,
            authenticated: self.gate.is_some(),
            passed_on: &self.passed_on,
        }
    }

    /// Calls `call` with the fallback. If the fallback panics, the client gets a 500. Poisoning of the mutex is
    /// ignored, so that later requests can still call the fallback.
    pub(super) fn with_fallback<R>(&self, call: impl FnOnce(&(dyn Service + Send)) -> R) -> R {
        call(&**self.fallback.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
