//! From the name of a file to its content type and content coding. What stays out: which bytes are sent, and the
//! codings that a client accepts.

mod declared;
mod table;

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

pub(crate) use declared::SEARCHED;

/// The content type of a file without a known extension, unless the caller names another.
pub(crate) const DEFAULT_TYPE: &str = "application/octet-stream";

/// The content codings that a file may be kept in (IANA's registry, RFC 9110 section 8.4.1); `identity` stands for no coding.
pub(crate) const CODINGS: [&str; 6] = ["br", "compress", "deflate", "gzip", "identity", "zstd"];

/// Extensions that stand for two, the second of them that of a compression, as in Python's `suffix_map`.
const SHORT: &[(&str, &str)] =
    &[("svgz", "svg"), ("tgz", "tar"), ("taz", "tar"), ("tz", "tar"), ("tbz2", "tar"), ("txz", "tar")];

/// What is said of the encoding of text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Charset {
    /// UTF-8, unless the text declares its encoding itself.
    #[default]
    Undeclared,
    /// Nothing.
    Unsaid,
    /// That it is this one, whatever the text declares.
    Named(String),
}

/// The settings that say more about types than the tables do. Extensions have no dot; of several entries for one
/// extension the last counts.
#[derive(Debug, Default)]
pub(crate) struct MimeSettings {
    /// Content types by extension: Python's `extensions_map`.
    pub(crate) types: Vec<(String, String)>,
    /// Codings by extension.
    pub(crate) codings: Vec<(String, &'static str)>,
    /// What is said of the encoding of text.
    pub(crate) charset: Charset,
}

impl MimeSettings {
    /// The content coding of a file by its extension, as a value of `Content-Encoding`.
    pub(crate) fn coding(&self, path: &Path) -> Option<&'static str> {
        let extension = extension(path.as_os_str())?;
        self.coding_of(extension).filter(|coding| *coding != "identity")
    }

    fn coding_of(&self, extension: &str) -> Option<&'static str> {
        let find = |name: &str| self.codings.iter().rev().find(|(known, _)| known == name).map(|(_, coding)| *coding);
        let lower = extension.to_ascii_lowercase();
        find(extension).or_else(|| find(&lower)).or_else(|| (lower == "svgz").then_some("gzip"))
    }

    /// The content type of a file by its extension, without a charset: Python's `guess_type`, without the tables of
    /// the machine, so that all machines give the same answer. In a name such as `x.wasm.br`, the extension of a coding
    /// is left out.
    ///
    /// The extension is looked up as it stands, then in lower case, in the caller's types and in ours, and only then in
    /// the general table. A name that is nothing but an extension, such as `.html`, has none.
    pub(crate) fn content_type<'a>(&'a self, path: &'a Path, default: &'a str) -> &'a str {
        let name = path.as_os_str();
        let Some(last) = extension(name) else { return default };
        if self.coding(path).is_none() {
            return self.type_of(last).unwrap_or(default);
        }
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
            .or_else(|| mime_guess::from_ext(&lower).first_raw().map(shown))
    }

    /// Adds what is to be said of the encoding to the type of a text that says nothing about it. `start` gives the
    /// first [`SEARCHED`] bytes of the text, or nothing if they are compressed; it is called for HTML and CSS only.
    ///
    /// XML is left alone: it is UTF-8 unless it declares another encoding, and a charset would overrule that (RFC 7303
    /// section 3). Without a charset browsers guess, and few guess UTF-8.
    pub(crate) fn with_charset<'t>(&self, content_type: &'t str, start: impl FnOnce() -> Vec<u8>) -> Cow<'t, str> {
        let is_text = content_type.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case("text/"));
        if !is_text || content_type.contains(';') {
            return Cow::Borrowed(content_type);
        }
        let charset = match &self.charset {
            Charset::Unsaid => return Cow::Borrowed(content_type),
            Charset::Named(name) => name.as_str(),
            Charset::Undeclared if declares(content_type, start) => return Cow::Borrowed(content_type),
            Charset::Undeclared => "utf-8",
        };
        Cow::Owned(format!("{content_type}; charset={charset}"))
    }
}

/// What is behind the last dot of a name, unless that is the whole name.
fn extension(name: &OsStr) -> Option<&str> {
    Path::new(name).extension().and_then(OsStr::to_str)
}

/// Whether a text of this type declares its encoding, or may do so without being looked into.
fn declares(content_type: &str, start: impl FnOnce() -> Vec<u8>) -> bool {
    match content_type.to_ascii_lowercase().as_str() {
        "text/html" => declared::by_html(&start()),
        "text/css" => declared::by_css(&start()),
        other => is_xml(other),
    }
}

/// XML types by their names (RFC 7303 section 4.2).
fn is_xml(content_type: &str) -> bool {
    matches!(content_type, "text/xml" | "text/xml-external-parsed-entity") || content_type.ends_with("+xml")
}

/// A text type that is not registered is text to be read: browsers show `text/plain`, and some offer to save what they
/// do not know.
fn shown(content_type: &'static str) -> &'static str {
    if content_type.starts_with("text/x-") { "text/plain" } else { content_type }
}

fn find<'a>(types: &'a [(String, String)], extension: &str) -> Option<&'a str> {
    types.iter().rev().find(|(known, _)| known == extension).map(|(_, content_type)| content_type.as_str())
}

#[cfg(test)]
mod tests;
