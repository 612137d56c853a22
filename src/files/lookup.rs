//! Finds the file or directory named by the path of a request. The file is read by `loader`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::dependency::CacheDependency;
use super::listing::WELL_KNOWN;
use super::policy::FilePolicy;
use super::refusal::Refusal;
use super::stat::{FileKind, Identity, Stat};
use super::surrogates::decode_surrogates;
use super::tree::Tree;
use crate::http::UrlPath;

/// The resource named by the path of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// A regular file.
    File(ResolvedFile),
    /// A directory without an index file.
    Directory(PathBuf),
    /// The resource has a canonical URL that differs from the requested one, for example with a trailing slash for a
    /// directory or without `.html` for a page. The field is that URL.
    Redirect(String),
}

/// A regular file, and the absent files that would take precedence over it if they were created.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResolvedFile {
    pub(crate) path: PathBuf,
    /// The identity of the file; `None` if the file has not been looked up in this turn.
    pub(crate) identity: Option<Identity>,
    /// Dependencies on the absence of the files that would take precedence over this file if they were created.
    pub(crate) outranked_by: Vec<CacheDependency>,
}

impl ResolvedFile {
    /// Creates the result for a file that was found neither as an index file nor through a clean URL, so that no other
    /// file can take precedence over it.
    pub(crate) fn at(path: PathBuf) -> ResolvedFile {
        ResolvedFile { path, identity: None, outranked_by: Vec::new() }
    }
}

/// Finds the resource named by a URL path, according to the policy.
pub(crate) fn find(tree: &Tree, policy: &FilePolicy, url: &UrlPath) -> Result<Resource, Refusal> {
    let path = file_system_path(tree, policy, url)?;
    // Clean URLs do not apply to the root, because it has no name to which `.html` could be added.
    let clean_urls = policy.clean_urls && path != tree.root();
    let as_page = || if clean_urls { page(tree, url, &path) } else { None };
    match (stat(tree, path.clone()), url.has_trailing_slash()) {
        (Ok((path, Stat { kind: FileKind::File, identity })), false) => {
            if clean_urls && let Some(location) = clean_location(tree, policy, url, &path) {
                return Ok(Resource::Redirect(location));
            }
            Ok(Resource::File(ResolvedFile { identity: Some(identity), ..ResolvedFile::at(path) }))
        }
        (Ok((path, Stat { kind: FileKind::Directory, .. })), true) => Ok(index(tree, &policy.index_names, path)),
        // Without a trailing slash, `/about` stands for the page `about.html` and not for the directory `about`, whose
        // path is `/about/`.
        (Ok((_, Stat { kind: FileKind::Directory, .. })), false) => {
            Ok(as_page().unwrap_or_else(|| Resource::Redirect(url.location())))
        }
        (Ok((_, Stat { kind: FileKind::File | FileKind::Other, .. })), _) => Err(Refusal::NotFound),
        (Err(refusal), _) => as_page().ok_or(refusal),
    }
}

/// True if a segment begins with a dot. A leading `.well-known` is not hidden, because clients look for it (RFC 8615).
pub(crate) fn is_hidden(relative: &Path) -> bool {
    // Most paths have no such segment. One search over the bytes is cheaper than splitting the path.
    let bytes = relative.as_os_str().as_encoded_bytes();
    if !bytes.starts_with(b".") && !bytes.windows(2).any(|pair| pair == b"/.") {
        return false;
    }
    let public = relative.strip_prefix(WELL_KNOWN).unwrap_or(relative);
    public.iter().any(|segment| segment.as_encoded_bytes().starts_with(b"."))
}

/// Returns the file system path for a URL. The path is below the root, unless the program's `translate_path` chooses
/// another path. Returns an error if the policy denies the path.
fn file_system_path(tree: &Tree, policy: &FilePolicy, url: &UrlPath) -> Result<PathBuf, Refusal> {
    let relative = match policy.base.as_os_str().is_empty() {
        true => url.relative(),
        false => url.relative().strip_prefix(&policy.base).map_err(|_| Refusal::OutsideBase)?,
    };
    if !policy.hidden && is_hidden(relative) {
        return Err(Refusal::NotFound);
    }
    match &policy.translate_path {
        Some(translate) => translate(url).ok_or(Refusal::NotFound),
        // Joining an empty path would add a trailing slash.
        None if relative.as_os_str().is_empty() => Ok(tree.root().to_owned()),
        None => Ok(tree.root().join(relative)),
    }
}

/// Implements clean URLs: finds the page `PATH.html` for a path that does not name a file. If the URL has a trailing
/// slash, the result is a redirect to the URL without the slash.
fn page(tree: &Tree, url: &UrlPath, path: &Path) -> Option<Resource> {
    let mut page = OsString::from(path);
    page.push(".html");
    let page = PathBuf::from(page);
    let identity = Some(tree.regular_file(&page)?);
    if url.has_trailing_slash() {
        return url.location().strip_suffix('/').map(|location| Resource::Redirect(location.to_owned()));
    }
    let outranked_by = vec![CacheDependency::on_absence(path.to_owned())];
    Some(Resource::File(ResolvedFile { path: page, identity, outranked_by }))
}

/// Implements clean URLs: returns the URL of a file without its `.html`, or without its name if the file is the index
/// of its directory. Returns `None` if the requested URL is already the shortest one.
fn clean_location(tree: &Tree, policy: &FilePolicy, url: &UrlPath, path: &Path) -> Option<String> {
    let location = url.location();
    let shorter = location.strip_suffix('/')?.strip_suffix(".html")?;
    if let Some(directory) = shorter.strip_suffix("/index") {
        let index = index(tree, &policy.index_names, path.parent()?.to_owned());
        return matches!(index, Resource::File(file) if file.path == path).then(|| format!("{directory}/"));
    }
    // If the file `about` exists, `/about` is its URL, so `about.html` has no shorter URL.
    let unambiguous = !shorter.ends_with('/') && tree.regular_file(&path.with_extension("")).is_none();
    unambiguous.then(|| shorter.to_owned())
}

/// Finds the index file of a directory: the first of `names` that is a regular file there. Returns the directory itself
/// if it has no such file.
fn index(tree: &Tree, names: &[OsString], directory: PathBuf) -> Resource {
    let mut outranked_by = Vec::new();
    for name in names {
        let path = directory.join(name);
        let identity = tree.regular_file(&path);
        if identity.is_some() {
            return Resource::File(ResolvedFile { path, identity, outranked_by });
        }
        outranked_by.push(CacheDependency::on_absence(path));
    }
    Resource::Directory(directory)
}

/// Looks up the kind and identity of the file at a path. Also returns the path at which it was found.
///
/// Python's listings write a byte that is not UTF-8 as an encoded lone surrogate. Such a path is first tried as it is,
/// because a file may have exactly that name, and then with the bytes that the surrogates represent.
fn stat(tree: &Tree, path: PathBuf) -> Result<(PathBuf, Stat), Refusal> {
    match tree.stat(&path) {
        Ok(stat) => Ok((path, stat)),
        Err(error) => {
            let decoded = decode_surrogates(&path).ok_or(Refusal::System(error))?;
            let stat = tree.stat(&decoded).map_err(Refusal::System)?;
            Ok((decoded, stat))
        }
    }
}
