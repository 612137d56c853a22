//! Determines the content type and content coding of a file from its name. The codings that a client accepts are in
//! `codings`, and compressed siblings in `siblings`.

mod declared;
mod table;

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

pub(crate) use declared::SEARCHED;

/// The content type of a file without a known extension, unless the builder sets another one.
pub(crate) const DEFAULT_TYPE: &str = "application/octet-stream";

/// The content codings that a file can have (from IANA's registry, RFC 9110 section 8.4.1); `identity` means no coding.
pub(crate) const CODINGS: [&str; 6] = ["br", "compress", "deflate", "gzip", "identity", "zstd"];

/// Short forms of double extensions, such as `tgz` for `tar.gz`, like Python's `suffix_map`. Each is paired with the
/// first of its two extensions, which determines the content type.
const SHORT: &[(&str, &str)] =
    &[("svgz", "svg"), ("tgz", "tar"), ("taz", "tar"), ("tz", "tar"), ("tbz2", "tar"), ("txz", "tar")];

/// The charset parameter for text types.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Charset {
    /// The parameter is `utf-8`. A text that declares its own encoding gets no parameter.
    #[default]
    Undeclared,
    /// Text types get no parameter.
    Absent,
    /// The parameter is this charset, even if the text declares another encoding.
    Named(String),
}

/// The settings that override or supplement the built-in tables. Extensions have no leading dot. If there is more than
/// one entry for an extension, the last one applies.
#[derive(Debug, Default)]
pub(crate) struct MimeSettings {
    /// Content types by extension, like Python's `extensions_map`.
    pub(crate) types: Vec<(String, String)>,
    /// Content codings by extension; `identity` means no coding.
    pub(crate) codings: Vec<(String, &'static str)>,
    /// The charset parameter for text types.
    pub(crate) charset: Charset,
}

impl MimeSettings {
    /// Returns the content coding for a file's extension, as a value of `Content-Encoding`. Returns `None` if the
    /// extension has no coding or the coding is `identity`.
    pub(crate) fn coding(&self, path: &Path) -> Option<&'static str> {
        let extension = extension(path.as_os_str())?;
        self.coding_of(extension).filter(|coding| *coding != "identity")
    }

    fn coding_of(&self, extension: &str) -> Option<&'static str> {
        let find = |name: &str| self.codings.iter().rev().find(|(known, _)| known == name).map(|(_, coding)| *coding);
        let lower = extension.to_ascii_lowercase();
        // By definition, `svgz` is SVG compressed with gzip. Browsers do not display it without `Content-Encoding:
        // gzip`.
        find(extension).or_else(|| find(&lower)).or_else(|| (lower == "svgz").then_some("gzip"))
    }

    /// Returns the content type for a file's extension, without a charset. Unlike Python's `guess_type`, this does not
    /// use the tables of the operating system, so that the result is the same on all machines. An extension that
    /// denotes a coding is skipped, so `x.wasm.br` is looked up as `x.wasm`.
    ///
    /// The extension is looked up in the settings and then in [`table`], first as it is spelled and then in lower case.
    /// The last resort is the table of `mime_guess`. A name whose only dot is at the beginning, such as `.html`, has no
    /// extension.
    pub(crate) fn content_type<'a>(&'a self, path: &'a Path, default: &'a str) -> &'a str {
        let name = path.as_os_str();
        let Some(last) = extension(name) else { return default };
        if self.coding(path).is_none() {
            return self.type_of(last).unwrap_or(default);
        }
        // A short form stands for two extensions, and the first of them determines the type: `x.tgz` is looked up as
        // `tar`.
        let lower = last.to_ascii_lowercase();
        if let Some((_, long)) = SHORT.iter().find(|(short, _)| *short == lower) {
            let own = find(&self.types, last).or_else(|| find(&self.types, &lower));
            return own.or_else(|| self.type_of(long)).unwrap_or(default);
        }
        let inner = path.file_stem().and_then(extension);
        inner.and_then(|inner| self.type_of(inner)).unwrap_or(default)
    }

    fn type_of(&self, extension: &str) -> Option<&str> {
        let lower = extension.to_ascii_lowercase();
        let known = |extension: &str| find(&self.types, extension).or_else(|| table::find(extension));
        known(extension)
            .or_else(|| (lower != extension).then(|| known(&lower)).flatten())
            .or_else(|| mime_guess::from_ext(&lower).first_raw().map(displayable))
    }

    /// Adds the charset parameter to a text type that has no parameters. `start` returns the first [`SEARCHED`] bytes
    /// of the file, or an empty vector if the file is compressed. `start` is called only for HTML and CSS.
    ///
    /// XML types get no parameter by default, because XML is UTF-8 unless it declares another encoding, and a charset
    /// would override the declaration (RFC 7303 section 3). Other text gets the parameter, because browsers would
    /// otherwise guess the encoding and rarely choose UTF-8.
    pub(crate) fn with_charset<'t>(&self, content_type: &'t str, start: impl FnOnce() -> Vec<u8>) -> Cow<'t, str> {
        let is_text = content_type.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case("text/"));
        // A type that already has parameters is not changed.
        if !is_text || content_type.contains(';') {
            return Cow::Borrowed(content_type);
        }
        let charset = match &self.charset {
            Charset::Absent => return Cow::Borrowed(content_type),
            Charset::Named(name) => name.as_str(),
            Charset::Undeclared if declares(content_type, start) => return Cow::Borrowed(content_type),
            Charset::Undeclared => "utf-8",
        };
        Cow::Owned(format!("{content_type}; charset={charset}"))
    }
}

/// Returns the part of a name after its last dot. Returns `None` if there is no dot, or if the only dot is at the
/// beginning of the name, as in Python's `splitext`.
fn extension(name: &OsStr) -> Option<&str> {
    Path::new(name).extension().and_then(OsStr::to_str)
}

/// True if a text file of this type declares its encoding. XML is always treated as declaring its encoding.
fn declares(content_type: &str, start: impl FnOnce() -> Vec<u8>) -> bool {
    match content_type.to_ascii_lowercase().as_str() {
        "text/html" => declared::by_html(&start()),
        "text/css" => declared::by_css(&start()),
        other => is_xml(other),
    }
}

/// True for XML types (RFC 7303 section 4.2).
fn is_xml(content_type: &str) -> bool {
    matches!(content_type, "text/xml" | "text/xml-external-parsed-entity") || content_type.ends_with("+xml")
}

/// Replaces an unregistered text type with `text/plain`, which browsers display. Some browsers do not display a file of
/// an unknown text type, but offer to save it.
fn displayable(content_type: &'static str) -> &'static str {
    if content_type.starts_with("text/x-") { "text/plain" } else { content_type }
}

fn find<'a>(types: &'a [(String, String)], extension: &str) -> Option<&'a str> {
    types.iter().rev().find(|(known, _)| known == extension).map(|(_, content_type)| content_type.as_str())
}

#[cfg(test)]
mod tests;
