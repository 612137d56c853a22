//! The listing for people.
//!
//! The page has CPython's lines and more between them. Three wishes shape it:
//!
//! * Programs read listings too. The line of an entry is CPython's to the byte, and the only links on the page are the
//!   entries and the parent directory: whoever follows links finds files, not the same page in six orders. So size
//!   and date stand in a list item of their own behind each entry, and sorting and the path are buttons of forms,
//!   which work without scripts as links would. Where scripts run, the path becomes links.
//! * Names are chosen by strangers. Nothing on the page can run but the one style and the one script whose hashes the
//!   content security policy names.
//! * A page may have 100,000 entries. Layout is by plain blocks: the item with size and date is moved up over the end
//!   of the line before it. A rule that looks from one item at the next, such as `li:has(+ li:hover)`, makes Chromium
//!   take a time that grows with the square of their number (18 seconds instead of one for 10,000), so there is none.

use std::io::Write;

use super::page::{ListingTemplate, Page};
use super::text::{push_html, push_iso_time, push_number, push_size};
use super::{Entry, Order, SortBy};
use crate::http::{Head, InvalidHeader, percent_encode_segment};

const STYLE: &str = include_str!("listing.css");
const SCRIPT: &str = include_str!("listing.js");

/// Nothing may be loaded or run but what the page brings, by the SHA-256 of [`STYLE`] and [`SCRIPT`].
const POLICY: &str = "default-src 'none'; \
    style-src 'sha256-hqN5EVXzLeCIbX2nlo4U+7F3zOvqCjWhXUPqRr6Stiw='; \
    script-src 'sha256-e/JXBrQPF4OFmsHJloYSanCy8/bWoQ0jIpho2DE5lBE='; \
    form-action 'self'; base-uri 'none'";

/// The page that people see by default: CPython's listing (contract rows SH30 to SH34) with size, date, sorting,
/// breadcrumbs and a filter. It works with scripts off and loads nothing.
///
/// Each entry is a line `<li><a href="LINK">NAME</a></li>`, followed by a line with its size and date.
#[derive(Debug, Clone, Copy, Default)]
pub struct HtmlPage;

impl ListingTemplate for HtmlPage {
    fn content_type(&self) -> &str {
        "text/html; charset=utf-8"
    }

    fn add_headers(&self, head: &mut Head) -> Result<(), InvalidHeader> {
        head.add("Content-Security-Policy", POLICY)
    }

    fn begin(&self, page: &Page, out: &mut Vec<u8>) {
        let mut title = b"Directory listing for ".to_vec();
        push_html(&page.path(), &mut title);
        out.extend_from_slice(b"<!DOCTYPE HTML>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        push_all(out, &[b"<title>", &title, b"</title>\n"]);
        out.extend_from_slice(b"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        push_all(out, &[b"<style>", STYLE.as_bytes(), b"</style>\n</head>\n<body>\n"]);
        push_all(out, &[b"<h1>", &title, b"</h1>\n"]);
        push_breadcrumbs(page, out);
        push_tools(page.order(), out);
        push_columns(page.order(), out);
        out.extend_from_slice(b"<hr>\n");
        if !page.url().is_root() {
            out.extend_from_slice(b"<div class=\"up\"><a href=\"../\">..</a></div>\n");
        }
        out.extend_from_slice(b"<ul>\n");
    }

    fn entry(&self, _: &Page, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let slash: &[u8] = if entry.is_directory() { b"/" } else { b"" };
        out.extend_from_slice(b"<li><a href=\"");
        percent_encode_segment(entry.name).for_each(|piece| out.extend_from_slice(piece.as_bytes()));
        push_all(out, &[slash, b"\">"]);
        push_html(&entry.text(), out);
        push_all(out, &[entry.mark().as_bytes(), b"</a></li>\n<li class=\"m\">"]);
        push_size_and_date(entry, out);
        out.extend_from_slice(b"</li>\n");
    }

    fn end(&self, _: &Page, count: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"</ul>\n<hr>\n<footer>");
        _ = write!(out, "{count} {}", if count == 1 { "entry" } else { "entries" });
        push_all(out, &[b"</footer>\n<script>", SCRIPT.as_bytes(), b"</script>\n</body>\n</html>\n"]);
    }
}

#[inline]
fn push_all(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
}

fn push_size_and_date(entry: &Entry<'_>, out: &mut Vec<u8>) {
    if let Some(size) = entry.facts.size {
        out.extend_from_slice(b"<data value=\"");
        push_number(size, out);
        out.extend_from_slice(b"\">");
        push_size(size, out);
        out.extend_from_slice(b"</data>");
    }
    if let Some(modified) = entry.facts.modified {
        out.extend_from_slice(b"<time datetime=\"");
        let start = out.len();
        push_iso_time(modified, out);
        // The same without seconds and zone, for people.
        let shown: [u8; 16] = std::array::from_fn(|at| match out.get(start + at) {
            Some(b'T') | None => b' ',
            Some(other) => *other,
        });
        push_all(out, &[b"\">", &shown, b"</time>"]);
    }
}

/// The path, each directory above this one as a button that leads there. The targets are relative, so that they hold
/// under whatever prefix the site is reached.
fn push_breadcrumbs(page: &Page, out: &mut Vec<u8>) {
    let names = std::iter::once(&b""[..]).chain(page.url().segments());
    let depth = page.url().segments().count();
    out.extend_from_slice(b"<nav aria-label=\"Path\"><form>");
    for (level, name) in names.enumerate() {
        let here = level == depth;
        if here {
            out.extend_from_slice(b"<span aria-current=\"page\">");
        } else {
            push_all(out, &[b"<button formaction=\"", "../".repeat(depth - level).as_bytes(), b"\">"]);
        }
        push_html(&String::from_utf8_lossy(name), out);
        out.extend_from_slice(if here { b"/</span>" } else { b"/</button>" });
    }
    out.extend_from_slice(b"</form></nav>\n");
}

/// The filter, which the script shows, and the switch that puts folders first.
fn push_tools(order: Order, out: &mut Vec<u8>) {
    let (sort, direction) = (order.by.word(), direction(order.descending));
    let (other, pressed) = if order.folders_first { ("mixed", "true") } else { ("first", "false") };
    out.extend_from_slice(
        b"<form class=\"bar\"><input type=\"search\" placeholder=\"Filter\" aria-label=\"Filter\" autocomplete=\"off\" hidden>",
    );
    _ = writeln!(
        out,
        "<input type=\"hidden\" name=\"sort\" value=\"{sort}\"><input type=\"hidden\" name=\"order\" value=\"{direction}\">\
         <button name=\"folders\" value=\"{other}\" aria-pressed=\"{pressed}\">Folders first</button></form>"
    );
}

/// The heads of the columns: buttons that sort by them, and the other way round if that is the order already.
fn push_columns(order: Order, out: &mut Vec<u8>) {
    let folders = if order.folders_first { "first" } else { "mixed" };
    out.extend_from_slice(b"<div class=\"cols\">");
    for (by, label) in [(SortBy::Name, "Name"), (SortBy::Size, "Size"), (SortBy::Date, "Modified (UTC)")] {
        let current = by == order.by;
        let class = if current { direction(order.descending) } else { "" };
        // The largest and the latest are what one looks for first.
        let descending_next = if current { !order.descending } else { by != SortBy::Name };
        _ = write!(
            out,
            "<form><input type=\"hidden\" name=\"folders\" value=\"{folders}\">\
             <input type=\"hidden\" name=\"sort\" value=\"{}\">\
             <button name=\"order\" value=\"{}\" class=\"{class}\">{label}</button></form>",
            by.word(),
            direction(descending_next),
        );
    }
    out.extend_from_slice(b"</div>\n");
}

fn direction(descending: bool) -> &'static str {
    if descending { "desc" } else { "asc" }
}
