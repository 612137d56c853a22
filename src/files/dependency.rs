//! The facts about the directory tree that a cached response depends on. `cache` decides when they are checked.

use std::path::PathBuf;

use super::stat::{Identity, SystemPath};
use super::tree::Tree;

/// A fact that a cached response depends on: the identity of the regular file at `path`, or the absence of a regular
/// file there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CacheDependency {
    pub(crate) path: SystemPath,
    pub(crate) file: Option<Identity>,
}

impl CacheDependency {
    /// Creates a dependency on the absence of a regular file at `path`.
    pub(crate) fn on_absence(path: PathBuf) -> CacheDependency {
        CacheDependency { path: path.into(), file: None }
    }

    /// Looks up the path again. True if the file system still has the recorded state.
    pub(crate) fn holds(&self, tree: &Tree) -> bool {
        tree.regular_file_again(&self.path) == self.file
    }

    /// Returns the memory use of the dependency in bytes.
    pub(crate) fn memory(&self) -> usize {
        size_of::<CacheDependency>() + self.path.as_path().as_os_str().len()
    }
}
