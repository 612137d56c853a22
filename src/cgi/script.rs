//! Finds the script that the path of a request names.
//!
//! The script is started in `spawn`. Paths that are not below a script directory go to the fallback.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::files::is_hidden;
use crate::http::{Status, UrlPath};
use crate::service::Response;

/// A script that a request names, and the rest of the request's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    /// The absolute path of the file.
    pub(super) file: PathBuf,
    /// `SCRIPT_NAME`: the decoded URL path of the script.
    pub(super) name: Vec<u8>,
    /// `PATH_INFO`: the decoded path after the name. It is empty or begins with a slash.
    pub(super) path_info: Vec<u8>,
}

impl Script {
    /// The URL path of the script in quotes, for the log and for error pages.
    pub(super) fn shown(&self) -> String {
        quoted(&self.name)
    }
}

/// The reason why a path below a script directory does not name a runnable script. Contains the URL path up to and
/// including the segment that caused the error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoScript {
    Missing(Vec<u8>),
    NotAFile(Vec<u8>),
    NotExecutable(Vec<u8>),
}

impl NoScript {
    /// The error response for this reason, with Python's message.
    pub(super) fn response(&self) -> Response {
        match self {
            NoScript::Missing(name) => error(Status::NOT_FOUND, "No such CGI script", name),
            NoScript::NotAFile(name) => error(Status::FORBIDDEN, "CGI script is not a plain file", name),
            NoScript::NotExecutable(name) => error(Status::FORBIDDEN, "CGI script is not executable", name),
        }
    }
}

fn error(status: Status, text: &str, name: &[u8]) -> Response {
    Response::error(status).message(format!("{text} ({})", quoted(name)))
}

/// A name in single quotes. Quotes, backslashes and control characters in the name are escaped. Control characters
/// could otherwise affect a terminal.
pub(super) fn quoted(name: &[u8]) -> String {
    let mut text = String::from("'");
    for character in String::from_utf8_lossy(name).chars() {
        match character {
            '\'' | '\\' => text.extend(['\\', character]),
            control if control.is_control() => text.extend(control.escape_default()),
            other => text.push(other),
        }
    }
    text + "'"
}

/// The directories whose files are scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directories {
    /// The decoded base path, which is part of URL paths but not of the directory tree.
    base: PathBuf,
    /// The decoded path of each directory, relative to the base path.
    paths: Vec<PathBuf>,
}

impl Directories {
    /// The directories at these paths, such as `/cgi-bin`, below the base path. `None` if one of them is the root, or
    /// if one of them or the base path cannot be decoded.
    pub(super) fn new<'a>(base: &str, paths: impl IntoIterator<Item = &'a str>) -> Option<Directories> {
        let relative = |path: &str| Some(UrlPath::parse(path.as_bytes()).ok()?.relative().to_owned());
        let below_root = |path: &str| relative(path).filter(|path| !path.as_os_str().is_empty());
        let paths = paths.into_iter().map(below_root).collect::<Option<_>>()?;
        Some(Directories { base: relative(base)?, paths })
    }

    /// True if the path is below one of the directories.
    pub(super) fn contain(&self, path: &UrlPath) -> bool {
        self.split(path).is_some()
    }

    /// The path without the base, and the number of its leading segments that form a script directory: the longest one,
    /// if there are several. `None` if the path is not below a script directory. The path of the directory itself,
    /// without a trailing slash, is not below it.
    fn split<'p>(&self, path: &'p UrlPath) -> Option<(&'p Path, usize)> {
        let relative = path.relative().strip_prefix(&self.base).ok()?;
        let below = |directory: &&PathBuf| {
            relative
                .strip_prefix(directory)
                .is_ok_and(|rest| rest.components().next().is_some() || path.has_trailing_slash())
        };
        let length = self.paths.iter().filter(below).map(|directory| directory.components().count()).max()?;
        Some((relative, length))
    }
}

/// Finds the script that a path below the [`Directories`] names. Unless `hidden` is true, a path with a hidden segment
/// does not name a script. This includes segments after the script's name, because scripts use `PATH_INFO` as a file
/// path.
pub(super) fn find(root: &Path, directories: &Directories, hidden: bool, path: &UrlPath) -> Result<Script, NoScript> {
    let missing = || NoScript::Missing([b"/", path.as_bytes()].concat());
    let (relative, below) = directories.split(path).ok_or_else(missing)?;
    // This is checked before the file system is accessed, so that the response and its timing do not depend on the
    // hidden file.
    if !hidden && is_hidden(relative) {
        return Err(missing());
    }
    let segments: Vec<&[u8]> = path.segments().collect();
    let base = directories.base.components().count();
    follow(root, &segments, base, base + below, path.has_trailing_slash())
}

/// Follows the segments from index `below` into the directory tree. The first one that is not a directory is the
/// script. The segments before index `base` are the base path, which does not exist in the directory tree.
fn follow(root: &Path, segments: &[&[u8]], base: usize, below: usize, slash: bool) -> Result<Script, NoScript> {
    let mut file = segments[base..below].iter().fold(root.to_owned(), |path, name| path.join(OsStr::from_bytes(name)));
    for (at, segment) in segments.iter().enumerate().skip(below) {
        file.push(OsStr::from_bytes(segment));
        let name = joined(&segments[..=at]);
        // Every error becomes a 404, so that the response does not reveal files that the server cannot read.
        let kind = std::fs::metadata(&file).map_err(|_| NoScript::Missing(name.clone()))?;
        if kind.is_dir() {
            continue;
        } else if !kind.is_file() {
            return Err(NoScript::NotAFile(name));
        } else if access(&file, Access::EXEC_OK).is_err() {
            return Err(NoScript::NotExecutable(name));
        }
        // The trailing slash belongs to `PATH_INFO`, but normalisation has removed it.
        let mut path_info = joined(&segments[at + 1..]);
        if slash {
            path_info.push(b'/');
        }
        return Ok(Script { file, name, path_info });
    }
    Err(NoScript::NotAFile([&joined(segments)[..], b"/"].concat()))
}

/// Joins the segments, each preceded by a slash.
fn joined(segments: &[&[u8]]) -> Vec<u8> {
    segments.iter().flat_map(|segment| [&b"/"[..], segment]).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("cgi-bin/sub/empty")).unwrap();
        for (name, mode) in [("run", 0o755), ("sub/run", 0o755), ("plain", 0o644), ("a b", 0o755), ("%2e", 0o755)] {
            let path = root.join("cgi-bin").join(name);
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::write(root.join("outside"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(root.join("outside"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("../outside", root.join("cgi-bin/out")).unwrap();
        symlink("nowhere", root.join("cgi-bin/broken")).unwrap();
        symlink("/etc/passwd", root.join("cgi-bin/passwd")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("cgi-bin/fifo"), rustix::fs::FileType::Fifo, 0o755.into(), 0)
            .unwrap();
        dir
    }

    /// Returns `NAME PATH_INFO` of the script, or the status and the text of the error response. `None` if the path is
    /// not below a script directory.
    fn found(root: &Path, path: &str) -> Option<String> {
        found_below("/", true, root, path)
    }

    /// Like `found`, but below the base path `base`. If `hidden` is true, names that begin with a dot are allowed.
    fn found_below(base: &str, hidden: bool, root: &Path, path: &str) -> Option<String> {
        let directories = Directories::new(base, ["/cgi-bin", "/a/htbin/"]).unwrap();
        let path = UrlPath::parse(path.as_bytes()).unwrap();
        Some(match directories.contain(&path).then(|| find(root, &directories, hidden, &path))? {
            Ok(script) => {
                assert!(script.file.is_absolute());
                String::from_utf8([script.name, b" ".to_vec(), script.path_info].concat()).unwrap()
            }
            Err(no) => {
                let response = no.response();
                format!("{} {}", response.status.code(), response.error.unwrap().message.unwrap())
            }
        })
    }

    #[test]
    fn paths_below_a_script_directory_name_a_script_or_an_error() {
        let tree = tree();
        for (path, expected) in [
            ("/cgi-bin/run", "/cgi-bin/run "),
            ("/cgi-bin/run/", "/cgi-bin/run /"),
            ("/cgi-bin/run/x/y", "/cgi-bin/run /x/y"),
            ("/cgi-bin/run/x%2Fy//z/", "/cgi-bin/run /x/y/z/"),
            ("//cgi-bin/./run", "/cgi-bin/run "),
            ("/x/../cgi-bin/run", "/cgi-bin/run "),
            ("/cgi%2Dbin%2Frun", "/cgi-bin/run "),
            ("/cgi-bin/a%20b", "/cgi-bin/a b "),
            ("/cgi-bin/sub/run/i", "/cgi-bin/sub/run /i"),
            ("/cgi-bin/out", "/cgi-bin/out "),
            ("/cgi-bin/%252e", "/cgi-bin/%2e "),
            ("/cgi-bin/", "403 CGI script is not a plain file ('/cgi-bin/')"),
            ("/cgi-bin/.", "403 CGI script is not a plain file ('/cgi-bin/')"),
            ("/cgi-bin/sub", "403 CGI script is not a plain file ('/cgi-bin/sub/')"),
            ("/cgi-bin/sub/empty/", "403 CGI script is not a plain file ('/cgi-bin/sub/empty/')"),
            ("/cgi-bin/fifo", "403 CGI script is not a plain file ('/cgi-bin/fifo')"),
            ("/cgi-bin/plain", "403 CGI script is not executable ('/cgi-bin/plain')"),
            ("/cgi-bin/passwd", "403 CGI script is not executable ('/cgi-bin/passwd')"),
            ("/cgi-bin/broken", "404 No such CGI script ('/cgi-bin/broken')"),
            ("/cgi-bin/no'pe/x", "404 No such CGI script ('/cgi-bin/no\\'pe')"),
            ("/cgi-bin/%252e%252e/outside", "404 No such CGI script ('/cgi-bin/%2e%2e')"),
            ("/a/htbin/x", "404 No such CGI script ('/a/htbin/x')"),
        ] {
            assert_eq!(found(tree.path(), path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn other_paths_are_left_to_the_fallback() {
        let tree = tree();
        for path in ["/", "/cgi-bin", "/cgi-binary/x", "/x/cgi-bin/run", "/CGI-BIN/run", "/cgi-bin/../outside", "/a/x"]
        {
            assert_eq!(found(tree.path(), path), None, "{path}");
        }
        assert_eq!(Directories::new("/", ["/"]), None);
        assert_eq!(Directories::new("/", ["/%zz"]), None);
        assert_eq!(Directories::new("/%zz", ["/cgi-bin"]), None);
    }

    #[test]
    fn the_base_path_is_a_part_of_the_name_and_not_of_the_file() {
        let tree = tree();
        for (path, expected) in [
            ("/b/c/cgi-bin/run/x", Some("/b/c/cgi-bin/run /x")),
            ("//b/./c%2fcgi-bin/run", Some("/b/c/cgi-bin/run ")),
            ("/b/c/cgi-bin/no", Some("404 No such CGI script ('/b/c/cgi-bin/no')")),
            ("/b/c/cgi-bin/", Some("403 CGI script is not a plain file ('/b/c/cgi-bin/')")),
            ("/b/c/cgi-bin", None),
            ("/b/c/../cgi-bin/run", None),
            ("/cgi-bin/run", None),
            ("/b/cd/cgi-bin/run", None),
            ("/c/cgi-bin/run", None),
        ] {
            assert_eq!(found_below("/b/c/", true, tree.path(), path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn paths_with_a_hidden_segment_are_404() {
        let tree = tree();
        fs::create_dir_all(tree.path().join("cgi-bin/.d")).unwrap();
        fs::copy(tree.path().join("outside"), tree.path().join("cgi-bin/.run")).unwrap();
        fs::copy(tree.path().join("outside"), tree.path().join("cgi-bin/.d/run")).unwrap();
        for path in ["/cgi-bin/.run", "/cgi-bin/.no", "/cgi-bin/.d/run", "/cgi-bin/run/.x", "/cgi-bin/%2erun"] {
            let shown = path.replace("%2e", ".");
            let expected = format!("404 No such CGI script ('{shown}')");
            assert_eq!(found_below("/", false, tree.path(), path), Some(expected), "{path}");
        }
        assert_eq!(found_below("/", true, tree.path(), "/cgi-bin/.d/run").as_deref(), Some("/cgi-bin/.d/run "));
        assert_eq!(found_below("/", false, tree.path(), "/cgi-bin/run/a.b").as_deref(), Some("/cgi-bin/run /a.b"));
        // The rule for hidden names does not apply to the base path.
        let below = found_below("/.b", false, tree.path(), "/.b/cgi-bin/run");
        assert_eq!(below.as_deref(), Some("/.b/cgi-bin/run "));
    }

    #[test]
    fn quoted_names_have_no_control_characters_and_no_bare_quotes() {
        assert_eq!(quoted(b"a'b\\\n\x1b\xff"), "'a\\'b\\\\\\n\\u{1b}\u{fffd}'");
    }
}
