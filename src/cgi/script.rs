//! From the path of a request to the script that it names (contract rows CG02, CG05 to CG07, CG22).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::http::{Status, UrlPath};
use crate::service::Response;

/// A script that a request names, and what the request says beside its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    /// The file, by its absolute path.
    pub(super) file: PathBuf,
    /// The path of the script on this server, decoded: `SCRIPT_NAME`.
    pub(super) name: Vec<u8>,
    /// What follows the name in the path, decoded: empty, or beginning with a slash.
    pub(super) path_info: Vec<u8>,
}

impl Script {
    /// The name as it may be shown.
    pub(super) fn shown(&self) -> String {
        quoted(&self.name)
    }
}

/// Why a path below a script directory names no script that can be run. Holds the path as far as it was followed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoScript {
    Missing(Vec<u8>),
    NotAFile(Vec<u8>),
    NotExecutable(Vec<u8>),
}

impl NoScript {
    /// The response that says so, in Python's words (contract row CG07).
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

/// A name in single quotes, harmless wherever it is shown.
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

/// Directories whose files are scripts, as decoded segments of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directories(Vec<Vec<Vec<u8>>>);

impl Directories {
    /// The directories of these paths, such as `/cgi-bin`; `None` if one of them is the root or no path.
    pub(super) fn new<'a>(paths: impl IntoIterator<Item = &'a str>) -> Option<Directories> {
        let segments = |path: &str| {
            let path = UrlPath::parse(path.as_bytes()).ok().filter(|path| !path.is_root())?;
            Some(path.segments().map(<[u8]>::to_vec).collect())
        };
        paths.into_iter().map(segments).collect::<Option<_>>().map(Directories)
    }

    /// How many segments of the path are a script directory, with something below it: that may be no more than the
    /// slash at the end.
    fn prefix(&self, segments: &[&[u8]], slash: bool) -> Option<usize> {
        let below = |directory: &&Vec<Vec<u8>>| {
            let length = directory.len();
            segments.len() >= length + usize::from(!slash) && directory.iter().zip(segments).all(|(a, b)| a == b)
        };
        self.0.iter().filter(below).map(Vec::len).max()
    }
}

/// The script that a path names, or why it names none; `None` if it is not below a script directory, so that somebody
/// else has to answer. Every path below one is answered here: a script that cannot be run is never sent as a file.
pub(super) fn find(root: &Path, directories: &Directories, path: &UrlPath) -> Option<Result<Script, NoScript>> {
    let segments: Vec<&[u8]> = path.segments().collect();
    let below = directories.prefix(&segments, path.has_trailing_slash())?;
    Some(follow(root, &segments, below, path.has_trailing_slash()))
}

/// Directories below a script directory are followed (row CG06); the first name that is none is the script's.
fn follow(root: &Path, segments: &[&[u8]], below: usize, slash: bool) -> Result<Script, NoScript> {
    let mut file = segments[..below].iter().fold(root.to_owned(), |path, name| path.join(OsStr::from_bytes(name)));
    for (at, segment) in segments.iter().enumerate().skip(below) {
        file.push(OsStr::from_bytes(segment));
        let name = joined(&segments[..=at]);
        let kind = std::fs::metadata(&file).map_err(|_| NoScript::Missing(name.clone()))?;
        if kind.is_dir() {
            continue;
        } else if !kind.is_file() {
            return Err(NoScript::NotAFile(name));
        } else if access(&file, Access::EXEC_OK).is_err() {
            return Err(NoScript::NotExecutable(name));
        }
        let mut path_info = joined(&segments[at + 1..]);
        if slash {
            path_info.push(b'/');
        }
        return Ok(Script { file, name, path_info });
    }
    Err(NoScript::NotAFile([&joined(segments)[..], b"/"].concat()))
}

/// Each segment with a slash before it.
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

    /// `NAME PATH_INFO` of a script, or the text of the refusal, or nothing.
    fn found(root: &Path, path: &str) -> Option<String> {
        let directories = Directories::new(["/cgi-bin", "/a/htbin/"]).unwrap();
        let path = UrlPath::parse(path.as_bytes()).unwrap();
        Some(match find(root, &directories, &path)? {
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
    fn paths() {
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
    fn what_is_no_script_directory_is_somebody_elses() {
        let tree = tree();
        for path in ["/", "/cgi-bin", "/cgi-binary/x", "/x/cgi-bin/run", "/CGI-BIN/run", "/cgi-bin/../outside", "/a/x"]
        {
            assert_eq!(found(tree.path(), path), None, "{path}");
        }
        assert_eq!(Directories::new(["/"]), None);
        assert_eq!(Directories::new(["/%zz"]), None);
    }

    #[test]
    fn names_are_harmless() {
        assert_eq!(quoted(b"a'b\\\n\x1b\xff"), "'a\\'b\\\\\\n\\u{1b}\u{fffd}'");
    }
}
