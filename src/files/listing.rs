//! Directory listings as CPython makes them (contract rows SH29 to SH34).

use std::fs::DirEntry;
use std::io;
use std::path::Path;

use crate::http::{Request, UrlPath, escape_html, percent_encode_segment};
use crate::service::Response;

/// What a listing shows.
#[derive(Debug, Clone)]
pub struct ListingOptions {
    /// Directories before everything else.
    pub folders_first: bool,
    /// Names that begin with a dot.
    pub show_hidden: bool,
}

impl Default for ListingOptions {
    fn default() -> Self {
        ListingOptions { folders_first: false, show_hidden: true }
    }
}

/// Lists the directory `dir`, which the client knows as `url`.
///
/// # Errors
/// Those of reading the directory.
pub fn respond(dir: &Path, url: &UrlPath, _: &Request, options: &ListingOptions) -> io::Result<Response> {
    let mut entries = std::fs::read_dir(dir)?.collect::<io::Result<Vec<DirEntry>>>()?;
    entries.retain(|entry| options.show_hidden || !entry.file_name().as_encoded_bytes().starts_with(b"."));
    entries.sort_by_cached_key(|entry| {
        let folder = options.folders_first && entry.path().is_dir();
        (!folder, entry.file_name().to_string_lossy().to_lowercase())
    });
    let mut path = String::from("/");
    path.push_str(&String::from_utf8_lossy(url.as_bytes()));
    if !url.is_root() {
        path.push('/');
    }
    let title = format!("Directory listing for {}", escape_html(&path, false));
    let mut page = format!(
        "<!DOCTYPE HTML>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<style type=\"text/css\">\n\
         :root {{\ncolor-scheme: light dark;\n}}\n</style>\n<title>{title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <hr>\n<ul>\n"
    );
    for entry in &entries {
        page.push_str(&line(entry));
    }
    page.push_str("</ul>\n<hr>\n</body>\n</html>\n");
    Ok(Response::html(page))
}

fn line(entry: &DirEntry) -> String {
    let name = entry.file_name();
    let slash = if entry.path().is_dir() { "/" } else { "" };
    let mark = if entry.path().is_symlink() { "@" } else { slash };
    let link = percent_encode_segment(name.as_encoded_bytes());
    format!("<li><a href=\"{link}{slash}\">{}{mark}</a></li>\n", escape_html(&name.to_string_lossy(), false))
}
