//! From the path of a request to what it names in the tree.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::cache::CacheDependency;
use super::listing::WELL_KNOWN;
use super::policy::Policy;
use super::refusal::Refusal;
use super::tree::{FileKind, Identity, Stat, Tree};
use crate::http::UrlPath;

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// A regular file.
    File(ResolvedFile),
    /// A directory without an index file.
    Directory(PathBuf),
    /// Something whose address is another one: a directory without a slash.
    Redirect(String),
}

/// A regular file, and what would have been preferred to it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResolvedFile {
    pub(crate) path: PathBuf,
    /// Which file that was when it was looked at, if it was.
    pub(crate) identity: Option<Identity>,
    /// Where regular files would be served instead of this one, and are none now.
    pub(crate) outranked_by: Vec<CacheDependency>,
}

impl ResolvedFile {
    /// A file that nothing else could have been found for.
    pub(crate) fn at(path: PathBuf) -> ResolvedFile {
        ResolvedFile { path, identity: None, outranked_by: Vec::new() }
    }
}

/// Looks a path up (contract rows SH04 to SH10, SH13, SH35).
pub(crate) fn find(tree: &Tree, policy: &Policy, url: &UrlPath) -> Result<Resource, Refusal> {
    let relative = match policy.base.as_os_str().is_empty() {
        true => url.relative(),
        false => url.relative().strip_prefix(&policy.base).map_err(|_| Refusal::OutsideBase)?,
    };
    if !policy.hidden && is_hidden(relative) {
        return Err(Refusal::NotFound);
    }
    let path = match &policy.translate_path {
        Some(translate) => translate(url).ok_or(Refusal::NotFound)?,
        None => below(tree.root(), relative),
    };
    let found = stat(tree, path.clone());
    if let Some(found) = clean(tree, policy, url, &path, &found) {
        return Ok(found);
    }
    let (path, stat) = found?;
    match (stat.kind, url.has_trailing_slash()) {
        (FileKind::File, false) => {
            Ok(Resource::File(ResolvedFile { identity: Some(stat.identity), ..ResolvedFile::at(path) }))
        }
        (FileKind::Directory, true) => Ok(index(tree, &policy.index_names, path)),
        (FileKind::Directory, false) => Ok(Resource::Redirect(url.location())),
        (FileKind::File, true) | (FileKind::Other, _) => Err(Refusal::NotFound),
    }
}

/// Whether a segment begins with a dot. `.well-known` does not count: it is there to be found (RFC 8615).
pub(crate) fn is_hidden(relative: &Path) -> bool {
    // Most paths have no such segment. One search over the bytes is cheaper than taking the path apart.
    let bytes = relative.as_os_str().as_encoded_bytes();
    if !bytes.starts_with(b".") && !bytes.windows(2).any(|pair| pair == b"/.") {
        return false;
    }
    let public = relative.strip_prefix(WELL_KNOWN).unwrap_or(relative);
    public.iter().any(|segment| segment.as_encoded_bytes().starts_with(b"."))
}

/// What addresses without `.html` make of a path; `None` where they make nothing of it.
///
/// `/about` is `about.html`, also where there is a directory `about`, which keeps `/about/`; but a file that is
/// really called `about` goes first. The other spellings of a page's address move to that one.
fn clean(
    tree: &Tree,
    policy: &Policy,
    url: &UrlPath,
    asked: &Path,
    found: &Result<(PathBuf, Stat), Refusal>,
) -> Option<Resource> {
    if !policy.clean_urls || asked == tree.root() {
        return None;
    }
    let location = url.location();
    let as_file = location.strip_suffix('/')?;
    match found {
        Ok((path, stat)) if stat.kind == FileKind::File && !url.has_trailing_slash() => {
            let shorter = as_file.strip_suffix(".html")?;
            if let Some(directory) = shorter.strip_suffix("/index") {
                let is_index = index(tree, &policy.index_names, path.parent()?.to_owned()).is_file(path);
                return is_index.then(|| Resource::Redirect(format!("{directory}/")));
            }
            let unambiguous = !shorter.ends_with('/') && tree.file(&path.with_extension("")).is_none();
            unambiguous.then(|| Resource::Redirect(shorter.to_owned()))
        }
        Ok((_, stat)) if stat.kind != FileKind::Directory || url.has_trailing_slash() => None,
        _ => {
            let mut page = OsString::from(asked);
            page.push(".html");
            let identity = Some(tree.file(Path::new(&page))?);
            if url.has_trailing_slash() {
                return Some(Resource::Redirect(as_file.to_owned()));
            }
            let outranked_by = vec![CacheDependency::nothing(asked.to_owned())];
            Some(Resource::File(ResolvedFile { path: page.into(), identity, outranked_by }))
        }
    }
}

impl Resource {
    fn is_file(&self, path: &Path) -> bool {
        matches!(self, Resource::File(file) if file.path == path)
    }
}

/// Joins without the slash that joining nothing would leave at the end.
fn below(root: &Path, relative: &Path) -> PathBuf {
    if relative.as_os_str().is_empty() { root.to_owned() } else { root.join(relative) }
}

/// The first of the names that is a regular file, else the directory itself.
fn index(tree: &Tree, names: &[OsString], directory: PathBuf) -> Resource {
    let mut outranked_by = Vec::new();
    for name in names {
        let path = directory.join(name);
        let identity = tree.file(&path);
        if identity.is_some() {
            return Resource::File(ResolvedFile { path, identity, outranked_by });
        }
        outranked_by.push(CacheDependency::nothing(path));
    }
    Resource::Directory(directory)
}

/// Python's listings write a byte that is no UTF-8 as the escape of a lone surrogate. Such a path is tried as it
/// stands, because a file may really be called that, and then as the bytes that were meant (contract row SH35).
fn stat(tree: &Tree, path: PathBuf) -> Result<(PathBuf, Stat), Refusal> {
    match tree.stat(&path) {
        Ok(stat) => Ok((path, stat)),
        Err(error) => {
            let meant = without_surrogates(&path).ok_or(Refusal::System(error))?;
            let stat = tree.stat(&meant).map_err(Refusal::System)?;
            Ok((meant, stat))
        }
    }
}

/// The path with each encoded surrogate from U+DC80 to U+DCFF replaced by the byte it stands for; `None` if there is
/// none.
#[cfg(unix)]
fn without_surrogates(path: &Path) -> Option<PathBuf> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut rest = path.as_os_str().as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    let length = rest.len();
    while let Some((first, after)) = rest.split_first() {
        match rest {
            [0xed, high @ 0xb2..=0xb3, low @ 0x80..=0xbf, after @ ..] => {
                bytes.push(((high & 3) << 6) | (low & 0x3f));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    (bytes.len() < length).then(|| OsString::from_vec(bytes).into())
}

/// Where names are not bytes, there is nothing to put in a surrogate's place.
#[cfg(not(unix))]
fn without_surrogates(_: &Path) -> Option<PathBuf> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn surrogates_stand_for_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let path = |bytes: &[u8]| Path::new(std::ffi::OsStr::from_bytes(bytes)).to_owned();
        assert_eq!(without_surrogates(&path(b"a\xed\xb3\xbfb")), Some(path(b"a\xffb")));
        assert_eq!(without_surrogates(&path(b"\xed\xb2\x80\xed\xb2\xbf\xed\xb3\x80")), Some(path(b"\x80\xbf\xc0")));
        assert_eq!(without_surrogates(&path(b"plain \xed\x9f\xbf\xed\xb1\x80 \xed\xb3")), None);
    }
}
