//! Compressed siblings: `app.js.br`, `app.js.zst` and `app.js.gz` next to `app.js`. They are created by the site's
//! build tool; the server does not compress files. The file service looks for siblings only if it was built with
//! `precompressed(true)`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::codings::{AcceptedCodings, Coding};
use super::dependency::CacheDependency;
use super::stat::Identity;
use super::tree::Tree;

/// The possible siblings of a file, each with the identity of the regular file at its path if there is one.
#[derive(Debug, Default)]
pub(crate) struct Siblings {
    candidates: Vec<(Coding, CacheDependency)>,
}

impl Siblings {
    /// Looks for the siblings of a file. A file whose name already ends in the suffix of a coding has no siblings.
    pub(crate) fn of(tree: &Tree, original: &Path) -> Siblings {
        // Build tools do not compress a compressed file again.
        let name = original.as_os_str().as_encoded_bytes();
        if Coding::ALL.iter().any(|coding| name.ends_with(coding.suffix().as_bytes())) {
            return Siblings::default();
        }
        let candidate = |coding: Coding| {
            let path = with_suffix(original, coding.suffix());
            (coding, CacheDependency { file: tree.regular_file(&path), path: path.into() })
        };
        Siblings { candidates: Coding::ALL.map(candidate).into() }
    }

    /// Returns the sibling that the client prefers among those that may replace the original.
    pub(crate) fn choose(&self, accepted: AcceptedCodings, original: &Identity) -> Option<(Coding, &Path, Identity)> {
        accepted.iter().find_map(|coding| {
            let (_, candidate) = self.candidates.iter().find(|(other, _)| *other == coding)?;
            let file = candidate.file.filter(|file| can_replace(file, original))?;
            Some((coding, candidate.path.as_path(), file))
        })
    }

    /// True if the response depends on `Accept-Encoding`.
    pub(crate) fn any(&self, original: &Identity) -> bool {
        self.candidates.iter().any(|(_, candidate)| candidate.file.is_some_and(|file| can_replace(&file, original)))
    }

    /// Returns a dependency of the cached response for each possible sibling: on its identity if it exists, and
    /// otherwise on its absence.
    pub(crate) fn dependencies(self) -> impl Iterator<Item = CacheDependency> {
        self.candidates.into_iter().map(|(_, candidate)| candidate)
    }
}

/// True unless the sibling is empty or older than the original. No coding produces an empty file, but a compressor that
/// runs out of disk space leaves one behind.
fn can_replace(sibling: &Identity, original: &Identity) -> bool {
    sibling.size > 0 && !is_stale(sibling, original)
}

/// True if the original changed after its sibling was written. Tools that copy the original's time to the sibling can
/// drop the fraction of the second, so if the sibling's time has no fraction, whole seconds are compared.
fn is_stale(sibling: &Identity, original: &Identity) -> bool {
    let mut changed = original.modified;
    if sibling.modified.nanoseconds == 0 {
        changed.nanoseconds = 0;
    }
    sibling.modified < changed
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::stat::Timestamp;

    #[test]
    fn a_sibling_older_than_its_original_is_stale() {
        let identity = |seconds, nanoseconds| {
            let stamp = Timestamp { seconds, nanoseconds };
            Identity { device: 0, inode: 0, size: 0, modified: stamp, changed: stamp }
        };
        for (sibling, original, stale) in [
            ((10, 5), (10, 5), false),
            ((10, 6), (10, 5), false),
            ((10, 4), (10, 5), true),
            ((10, 0), (10, 5), false),
            ((9, 0), (10, 5), true),
            ((9, 999), (10, 0), true),
            ((11, 1), (10, 5), false),
        ] {
            let stale_now = is_stale(&identity(sibling.0, sibling.1), &identity(original.0, original.1));
            assert_eq!(stale_now, stale, "{sibling:?} {original:?}");
        }
    }
}
