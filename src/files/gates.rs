//! The gates of a service: one for all paths, and one for each guarded subtree. This module selects the gate for a
//! request.
//!
//! The credentials are compared by the [`Gate`].

use std::sync::Arc;

use super::auth::Gate;
use crate::http::{Request, UrlPath};

/// The gates of a service.
///
/// Invariant: the gate for a request is selected by the same decoded and normalised path that `lookup` uses, so that no
/// spelling of a path bypasses its gate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gates {
    /// The gate for all paths outside `subtrees`.
    everywhere: Option<Arc<Gate>>,
    /// The guarded subtrees. Longer paths come first, so that the first match is the innermost subtree.
    subtrees: Vec<(Subtree, Arc<Gate>)>,
}

impl Gates {
    /// Creates a set of gates without guarded subtrees. `gate` applies to all paths; `None` means that no path is
    /// guarded.
    pub(crate) fn everywhere(gate: Option<Arc<Gate>>) -> Gates {
        Gates { everywhere: gate, subtrees: Vec::new() }
    }

    /// Adds a gate for the subtree below `path`.
    pub(super) fn add(&mut self, path: &UrlPath, gate: Arc<Gate>) {
        self.subtrees.push((Subtree::at(path), gate));
        self.subtrees.sort_by_key(|(subtree, _)| std::cmp::Reverse(subtree.0.len()));
    }

    /// Returns the gate for all paths outside guarded subtrees, or `None` if those paths are not guarded.
    pub(crate) fn for_all(&self) -> Option<&Arc<Gate>> {
        self.everywhere.as_ref()
    }

    /// Returns the gate for a request, or `None` if the request needs no credentials.
    pub(super) fn of(&self, request: &Request) -> Option<&Arc<Gate>> {
        // Most services guard no subtrees. In that case the path need not be decoded.
        if self.subtrees.is_empty() {
            return self.everywhere.as_ref();
        }
        // For a malformed path, the gate for all paths is used. Such a request is refused later, because its path names
        // no file.
        let path = UrlPath::parse(request.path()).ok().map(|path| Subtree::at(&path));
        let innermost = path.and_then(|path| self.subtrees.iter().find(|(subtree, _)| subtree.contains(&path)));
        innermost.map(|(_, gate)| gate).or(self.everywhere.as_ref())
    }

    /// True if at least one account of any gate has a bcrypt hash.
    pub(crate) fn is_slow(&self) -> bool {
        self.everywhere.iter().chain(self.subtrees.iter().map(|(_, gate)| gate)).any(|gate| gate.is_slow())
    }
}

/// The segments of a path in lower case, because `/Private` and `/private` name the same directory on a file system
/// that ignores case.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Subtree(Vec<String>);

impl Subtree {
    fn at(path: &UrlPath) -> Subtree {
        Subtree(path.segments().map(|segment| String::from_utf8_lossy(segment).to_lowercase()).collect())
    }

    fn contains(&self, path: &Subtree) -> bool {
        path.0.starts_with(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Account;

    /// Returns the challenge for a request target, or an empty string if the target needs no credentials.
    fn realm(gates: &Gates, target: &str) -> String {
        gates.of(&Request::builder("GET", target).build()).map(|gate| gate.challenge()).unwrap_or_default()
    }

    #[test]
    fn the_innermost_subtree_selects_the_gate() {
        let gate = |name: &str| Arc::new(Gate::new(name, &[Account::new("ann", "secret")]));
        let mut gates = Gates::everywhere(Some(gate("all")));
        gates.add(&UrlPath::parse(b"/a").unwrap(), gate("outer"));
        gates.add(&UrlPath::parse(b"/a/b/").unwrap(), gate("inner"));
        for (target, name) in [
            ("/", "all"),
            ("/ab", "all"),
            ("/a", "outer"),
            ("/a/", "outer"),
            ("/A/x", "outer"),
            ("/a/bc", "outer"),
            ("/a/b", "inner"),
            ("/a/x/../b/c", "inner"),
            ("/a/b/../c", "outer"),
            ("/a/%zz", "all"),
        ] {
            assert!(realm(&gates, target).contains(name), "{target}: {}", realm(&gates, target));
        }
        assert_eq!(realm(&Gates::default(), "/"), "");
    }
}
