//! Cookie files: their options and errors, and the code that reads a file and replaces it atomically. The two formats
//! are in `mozilla.rs` and `lwp.rs`.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::{Cookie, CookieJar, CookiePolicy, Standard};
use crate::http::{FieldValue, latin1};

/// Selects the cookies that are written to or read from a file, like the arguments of Python's `save`, `load` and
/// `revert`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileOptions {
    /// If true, cookies that are discarded at the end of the session are included.
    pub ignore_discard: bool,
    /// If true, expired cookies are included.
    pub ignore_expires: bool,
}

impl FileOptions {
    fn include(self, cookie: &Cookie, now: i64) -> bool {
        (self.ignore_discard || !cookie.discard) && (self.ignore_expires || !cookie.is_expired(now))
    }
}

/// The result of [`CookieFile::save`]: the number of cookies that were written, and the number that were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Saved {
    /// The number of cookies that were written.
    pub written: usize,
    /// The number of cookies that were left out because the format cannot represent them. A tab or a line break would
    /// corrupt the file, and a character above U+00FF does not fit into a byte. A cookie received under
    /// [`Standard::Rfc6265`] can contain a tab.
    pub unwritable: usize,
}

/// The error for a file from which no cookies were loaded. The jar is unchanged.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The file could not be read.
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error from the operating system.
        error: io::Error,
    },
    /// The file is not in the expected format.
    Format {
        /// The path of the file.
        path: PathBuf,
        /// The 1-based line number.
        line: usize,
        /// A description of the error in this line.
        reason: String,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Io { path, error } => write!(f, "{}: {error}", path.display()),
            LoadError::Format { path, line, reason } => write!(f, "{}:{line}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<LoadError> for io::Error {
    /// Converts the error. The kind is that of the system error, or [`InvalidData`](io::ErrorKind::InvalidData) if the
    /// file is not in the expected format.
    fn from(error: LoadError) -> Self {
        let kind = match &error {
            LoadError::Io { error, .. } => error.kind(),
            LoadError::Format { .. } => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

/// A 1-based line number, and the error in that line.
pub(super) type LineError = (usize, String);

/// A cookie file in the format `F`, which is a [`MozillaFile`](super::MozillaFile) or an [`LwpFile`](super::LwpFile).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieFile<F> {
    path: PathBuf,
    format: PhantomData<F>,
}

impl<F: FileFormat> CookieFile<F> {
    /// Creates a reference to the file at this path, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> CookieFile<F> {
        CookieFile { path: path.into(), format: PhantomData }
    }

    /// The path of the file, as it was passed to [`new`](CookieFile::new).
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the cookies of a jar to the file, in the jar's order. The file is replaced atomically, and afterwards,
    /// only its owner can read and write it.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written. The previous file is then unchanged.
    pub fn save<P: CookiePolicy>(&self, jar: &CookieJar<P>, now: i64, options: FileOptions) -> io::Result<Saved> {
        F::FORMAT.save(&self.path, jar, now, options)
    }

    /// Adds the cookies in the file to a jar, without consulting the jar's policy.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is not in the format `F`. The jar is then unchanged.
    pub fn load<P: CookiePolicy>(
        &self,
        jar: &mut CookieJar<P>,
        now: i64,
        options: FileOptions,
    ) -> Result<(), LoadError> {
        F::FORMAT.load(&self.path, jar, now, options, false)
    }

    /// Replaces the cookies of a jar with those in the file.
    ///
    /// # Errors
    /// Returns the same errors as [`load`](CookieFile::load).
    pub fn revert<P: CookiePolicy>(
        &self,
        jar: &mut CookieJar<P>,
        now: i64,
        options: FileOptions,
    ) -> Result<(), LoadError> {
        F::FORMAT.load(&self.path, jar, now, options, true)
    }

    /// The content that [`save`](CookieFile::save) would write, in Latin-1, and the number of cookies in it.
    pub fn content<P: CookiePolicy>(jar: &CookieJar<P>, now: i64, options: FileOptions) -> (Vec<u8>, Saved) {
        F::FORMAT.content(jar, now, options)
    }
}

/// The format of a [`CookieFile`]. Only this crate can implement this trait.
pub trait FileFormat {
    /// The definition of the file format.
    const FORMAT: Format;
}

/// The definition of a file format: the header of a file, a function that writes one cookie, and a function that parses
/// a whole file.
pub struct Format {
    /// The text before the first cookie, with its line terminators.
    pub(super) header: &'static str,
    /// Formats a cookie as a line without its line terminator; `None` if the format cannot represent the cookie.
    pub(super) write: fn(&Cookie) -> Option<String>,
    /// Parses the text of a file. Fails at the first malformed line.
    pub(super) read: fn(&str) -> Result<Vec<Cookie>, LineError>,
}

impl Format {
    /// Formats the cookies that `options` select. Returns the content of the file, and the number of cookies written
    /// and left out.
    fn content<P: CookiePolicy>(&self, jar: &CookieJar<P>, now: i64, options: FileOptions) -> (Vec<u8>, Saved) {
        let mut content = self.header.as_bytes().to_vec();
        let mut saved = Saved::default();
        for cookie in jar.iter().filter(|cookie| options.include(cookie, now)) {
            let before = content.len();
            let line = (self.write)(&named(cookie.clone()));
            // A character above U+00FF makes appending fail after a part of the line has been appended. That part is
            // removed.
            if line.is_some_and(|line| line.append_to(&mut content).is_ok()) {
                content.push(b'\n');
                saved.written += 1;
            } else {
                content.truncate(before);
                saved.unwritable += 1;
            }
        }
        (content, saved)
    }

    /// Writes the cookies that `options` select to a file.
    fn save<P: CookiePolicy>(
        &self,
        path: &Path,
        jar: &CookieJar<P>,
        now: i64,
        options: FileOptions,
    ) -> io::Result<Saved> {
        let (content, saved) = self.content(jar, now, options);
        let written = replace(path, &content);
        written.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        Ok(saved)
    }

    /// Reads a file, and adds the cookies that `options` select to the jar. If there is an error, no cookie is added.
    /// If `replace` is true, the previous cookies of the jar are removed first.
    fn load<P: CookiePolicy>(
        &self,
        path: &Path,
        jar: &mut CookieJar<P>,
        now: i64,
        options: FileOptions,
        replace: bool,
    ) -> Result<(), LoadError> {
        let owned = || path.to_owned();
        let bytes = fs::read(path).map_err(|error| LoadError::Io { path: owned(), error })?;
        let cookies = (self.read)(&latin1(&bytes));
        let cookies = cookies.map_err(|(line, reason)| LoadError::Format { path: owned(), line, reason })?;
        // The jar is not changed until the file has been parsed, so that an error leaves it unchanged.
        if replace {
            jar.clear();
        }
        let standard = jar.policy().settings().standard;
        for cookie in cookies.into_iter().filter(|cookie| options.include(cookie, now)) {
            jar.set_cookie(if standard == Standard::Rfc6265 { nameless(cookie) } else { cookie });
        }
        Ok(())
    }
}

/// Converts a cookie without a name to Python's form: a name without a value. Files can represent only this form.
fn named(cookie: Cookie) -> Cookie {
    match cookie.value {
        Some(value) if cookie.name.is_empty() => Cookie { name: value, value: None, ..cookie },
        value => Cookie { value, ..cookie },
    }
}

/// Converts a cookie without a name to the form of RFC 6265bis: a value without a name.
fn nameless(cookie: Cookie) -> Cookie {
    match cookie.value {
        None => Cookie { value: Some(cookie.name), name: String::new(), ..cookie },
        value => Cookie { value, ..cookie },
    }
}

/// The lines of a file with their 1-based line numbers. A line ends with LF, CR LF or CR, as in Python.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'));
    lines.enumerate().map(|(at, line)| (at + 1, line))
}

/// Replaces the content of a file atomically, so that a reader sees either the old or the new content. Afterwards, only
/// the owner of the file can read and write it (mode 0600), regardless of the mode of the old file.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    // If the path is a symbolic link, its target is replaced and the link is kept.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // A device or a pipe is written in place, because renaming would replace it with a regular file.
    if fs::metadata(&target).is_ok_and(|metadata| !metadata.is_file()) {
        return OpenOptions::new().write(true).open(&target)?.write_all(content);
    }
    let (scratch, file) = create_beside(&target)?;
    let done = fill(file, content).and_then(|()| fs::rename(&scratch, &target));
    if done.is_err() {
        _ = fs::remove_file(&scratch);
    }
    done
}

fn fill(mut file: File, content: &[u8]) -> io::Result<()> {
    file.write_all(content)?;
    // Without `sync_all`, a system crash could leave an empty file.
    file.sync_all()
}

/// Creates a new file in the directory of `target`, with a mode that allows only its owner to open it.
fn create_beside(target: &Path) -> io::Result<(PathBuf, File)> {
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut attempts = 0..100;
    loop {
        let number = attempts.next().ok_or(io::ErrorKind::AlreadyExists)?;
        let mut scratch = std::ffi::OsString::from(".");
        scratch.push(name);
        scratch.push(format!(".{}-{number}", std::process::id()));
        let scratch = target.with_file_name(scratch);
        match options.open(&scratch) {
            Ok(file) => return Ok((scratch, file)),
            // Another thread is using this name, or a killed process with the same id has left the file. The next name
            // is tried.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_python_reads_them() {
        let found: Vec<_> = lines("a\nb\r\nc\rd\n").collect();
        assert_eq!(found, [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "")]);
    }

    #[test]
    fn an_error_names_file_and_line() {
        let path = PathBuf::from("cookies.txt");
        let error = LoadError::Format { path: path.clone(), line: 3, reason: "no".to_owned() };
        assert_eq!(error.to_string(), "cookies.txt:3: no");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidData);
        let error = LoadError::Io { path, error: io::ErrorKind::NotFound.into() };
        assert_eq!(error.to_string(), "cookies.txt: entity not found");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_value_without_a_name_has_another_form_in_files() {
        let cookie = Cookie { name: String::new(), ..Cookie::new("", "b", "h") };
        let in_file = named(cookie.clone());
        assert_eq!((in_file.name.as_str(), &in_file.value), ("b", &None));
        assert_eq!(nameless(in_file), cookie);
    }

    #[cfg(unix)]
    mod replacing {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

        use super::*;

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).unwrap().mode() & 0o777
        }

        fn names(folder: &Path) -> Vec<std::ffi::OsString> {
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
        }

        #[test]
        fn a_file_is_replaced_and_its_mode_is_0600() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("cookies.txt");
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let old = fs::metadata(&path).unwrap().ino();
            let reader = File::open(&path).unwrap();
            replace(&path, b"new").unwrap();
            assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path)), (&b"new"[..], 0o600));
            assert_ne!(fs::metadata(&path).unwrap().ino(), old, "it is another file");
            assert_eq!(io::read_to_string(reader).unwrap(), "old", "a reader of the old one is not disturbed");
            assert_eq!(names(folder.path()), ["cookies.txt"]);
        }

        #[test]
        fn a_failure_leaves_no_scratch_file() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("missing/cookies.txt");
            assert_eq!(replace(&path, b"new").unwrap_err().kind(), io::ErrorKind::NotFound);
            assert!(names(folder.path()).is_empty());
        }

        #[test]
        fn a_symbolic_link_stays_one() {
            let folder = tempfile::tempdir().unwrap();
            let (link, target) = (folder.path().join("link"), folder.path().join("target"));
            fs::write(&target, "old").unwrap();
            symlink(&target, &link).unwrap();
            replace(&link, b"new").unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read(&target).unwrap(), b"new");
        }

        #[test]
        fn a_device_is_written_to_and_not_replaced() {
            let folder = tempfile::tempdir().unwrap();
            let link = folder.path().join("null");
            symlink("/dev/null", &link).unwrap();
            replace(&link, b"new").unwrap();
            assert!(!fs::metadata("/dev/null").unwrap().is_file());
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }

        #[test]
        fn a_scratch_file_of_another_process_is_not_touched() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("c");
            let other = folder.path().join(format!(".c.{}-0", std::process::id()));
            fs::write(&other, "other").unwrap();
            replace(&path, b"new").unwrap();
            assert_eq!(fs::read(&other).unwrap(), b"other");
            assert_eq!(fs::read(&path).unwrap(), b"new");
        }
    }
}
