//! Creates the representation of a file: loads the file or one of its compressed siblings, and collects the header
//! fields and the facts that a cache entry depends on. The caches are in `service`.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::cache::CacheEntry;
use super::codings::AcceptedCodings;
use super::content::{self, CachedContent, Content, ContentError, LoadedFile};
use super::dependency::CacheDependency;
use super::lookup::ResolvedFile;
use super::mime::SEARCHED;
use super::policy::FilePolicy;
use super::representation::{Representation, RepresentationMetadata};
use super::siblings::Siblings;
use super::tree::Tree;
use crate::http::FieldBlock;

/// Loads files from a tree according to a policy.
pub(crate) struct Loader<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) policy: &'a FilePolicy,
    /// The time at which the current turn began.
    pub(crate) now: SystemTime,
}

/// A representation with its content, and the cache entry for both.
pub(crate) struct LoadedRepresentation {
    pub(crate) representation: Arc<Representation>,
    pub(crate) content: Content,
    /// The entry to insert into the cache; `None` if the content must not be cached.
    pub(crate) entry: Option<CacheEntry>,
}

/// The content of an error page that the operator has configured.
pub(crate) struct CustomErrorPage {
    pub(crate) representation: Representation,
    pub(crate) content: Content,
    /// The value of the `Content-Encoding` field; `None` if the page is not compressed.
    pub(crate) coding: Option<&'static str>,
}

impl Loader<'_> {
    /// Loads a file, or its sibling in a coding that the client accepts.
    pub(crate) fn load(
        &self,
        file: ResolvedFile,
        accepted: AcceptedCodings,
    ) -> Result<LoadedRepresentation, ContentError> {
        let original = match file.identity {
            Some(identity) => identity,
            None => self.tree.identify(&file.path).map_err(ContentError::Open)?,
        };
        let own_coding = self.policy.mime.coding(&file.path);
        // A file that is already compressed is not replaced by a compressed sibling.
        let has_siblings = self.policy.precompressed && own_coding.is_none();
        let siblings = if has_siblings { Siblings::of(self.tree, &file.path) } else { Siblings::default() };
        // A sibling that cannot be read is ignored, because the uncompressed file can still be served.
        let sibling = siblings.choose(accepted, &original).and_then(|(coding, path, found)| {
            let loaded = content::load_found(self.tree, path, &found, self.now).ok()?;
            Some((Some(coding.name()), path, loaded))
        });
        let (coding, path, loaded) = match sibling {
            Some(sibling) => sibling,
            None => (own_coding, &*file.path, content::load_found(self.tree, &file.path, &original, self.now)?),
        };
        let varies = siblings.any(&original);
        let representation = Arc::new(Representation::new(&loaded, self.metadata(&file.path, coding, &loaded, varies)));
        let content = CachedContent::of(&loaded, path);
        let entry = loaded.cacheable.then(|| {
            // The entry depends on the identities that were found before loading, so any change during or after loading
            // is detected in the next turn.
            let mut dependencies = vec![CacheDependency { path: file.path.into(), file: Some(original) }];
            dependencies.extend(file.outranked_by);
            // `Vary` depends on the siblings even if the client accepts no coding.
            dependencies.extend(siblings.dependencies());
            CacheEntry { dependencies, representation: Arc::clone(&representation), content }
        });
        Ok(LoadedRepresentation { representation, content: loaded.content, entry })
    }

    /// Loads an error page that the operator has configured; `None` if it is missing or cannot be read.
    pub(crate) fn error_page(&self, path: &Path) -> Option<CustomErrorPage> {
        // The operator configured the path, so the rule for symbolic links does not apply to it.
        let loaded = content::load(&self.tree.following_symlinks(), path, self.now).ok()?;
        let coding = self.policy.mime.coding(path);
        let content_type = self.content_type(path, if coding.is_none() { Some(&loaded.content) } else { None });
        let metadata = RepresentationMetadata::of_page(content_type, self.now.into());
        Some(CustomErrorPage {
            representation: Representation::new(&loaded, metadata),
            content: loaded.content,
            coding,
        })
    }

    fn metadata(
        &self,
        path: &Path,
        coding: Option<&'static str>,
        loaded: &LoadedFile,
        varies: bool,
    ) -> RepresentationMetadata {
        let mut shared = FieldBlock::new();
        if varies {
            shared.put("Vary", "Accept-Encoding");
        }
        if let Some(value) = self.policy.cache_control(self.tree.root(), path) {
            // This cannot fail, because `build` has checked the value.
            _ = shared.add("Cache-Control", value);
        }
        shared.append(&self.policy.everywhere);
        let plain = if coding.is_none() { Some(&loaded.content) } else { None };
        RepresentationMetadata {
            content_type: self.content_type(path, plain),
            coding,
            shared,
            extra: self.policy.extra.clone(),
            now: self.now.into(),
        }
    }

    /// Returns the content type of the file at `path`. `plain` is the content of the file, or `None` if the served
    /// content has a coding. If a compressed sibling is served, the uncompressed file is read to find the character
    /// encoding that it declares.
    fn content_type(&self, path: &Path, plain: Option<&Content>) -> String {
        let original = || {
            let (file, _) = self.tree.open(path).ok()?;
            Some(start_of(&Content::File(Arc::new(file))))
        };
        let has_own_coding = self.policy.mime.coding(path).is_some();
        self.policy.content_type(path, || match plain {
            Some(content) => start_of(content),
            None if has_own_coding => Vec::new(),
            None => original().unwrap_or_default(),
        })
    }
}

/// Returns the first bytes of a text file, which may contain a declaration of its character encoding.
fn start_of(content: &Content) -> Vec<u8> {
    let mut start = vec![0; SEARCHED];
    // If reading fails, no declaration is found. The error is reported when the file is read again for the response.
    let count = content.read_at(&mut start, 0).unwrap_or(0);
    start.truncate(count);
    start
}
