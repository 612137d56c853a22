//! The listing as an HTML page, for human readers.
//!
//! The page contains CPython's lines. Four requirements determine the rest:
//!
//! * Programs read listings. An entry's line begins as in CPython. The only links on the page are the entries and the
//!   parent directory. A program that follows links therefore finds the files, and not the same page in six different
//!   orders. For this reason, sorting and the breadcrumbs use form buttons, which work without scripts. If scripts are
//!   enabled, the page's script turns the breadcrumbs into links.
//! * Screen readers read listings. An entry is one item of the list, with its size and date; the column headers state
//!   the order, and the footer announces the number of entries that match the filter. Colours have the contrast that
//!   WCAG 2.2 requires.
//! * Names are untrusted. The content security policy allows only the page's style and script, by their hashes.
//! * A page can have 100,000 entries. The layout uses plain blocks: size and date form a block that is moved up to
//!   overlap the end of the previous line. No CSS rule relates one item to the next, as `li:has(+ li:hover)` would.
//!   Such rules make the layout time in Chromium quadratic in the number of items (18 seconds instead of one for 10,000
//!   items).

use std::io::Write;

use super::entry::Entry;
use super::order::{Order, SortBy};
use super::page::{ListingTemplate, Page};
use super::text::{push_html, push_iso_time, push_number, push_size};
use crate::http::{FieldBlock, InvalidHeader, percent_encode_segment};

const STYLE: &str = include_str!("listing.css");
const SCRIPT: &str = include_str!("listing.js");

/// The content security policy. It allows only [`STYLE`] and [`SCRIPT`], by their SHA-256 hashes, and forbids loading
/// any other resource.
const POLICY: &str = "default-src 'none'; \
    style-src 'sha256-UApzuysrbbTkTbs94xH7Bh4oA/hD9cI9smZKigPg/E0='; \
    script-src 'sha256-chFPs9aiptars8nSwgax0bk8IOJUJWnRCmi2oKaJc0M='; \
    form-action 'self'; base-uri 'none'";

/// The default page: CPython's listing, extended with size, date, sorting, breadcrumbs and a filter. It works without
/// scripts and does not load other resources.
///
/// Each entry is a line `<li><a href="LINK">NAME</a>`, followed by a line with its size and date, which ends the item.
/// For a broken symbolic link, the words "broken link" replace the size.
#[derive(Debug, Clone, Copy, Default)]
pub struct HtmlPage;

impl ListingTemplate for HtmlPage {
    fn content_type(&self) -> &str {
        "text/html; charset=utf-8"
    }

    fn add_headers(&self, head: &mut FieldBlock) -> Result<(), InvalidHeader> {
        head.add("Content-Security-Policy", POLICY)
    }

    fn begin(&self, page: &Page, out: &mut Vec<u8>) {
        let mut title = b"Directory listing for ".to_vec();
        push_html(&page.path(), &mut title);
        out.extend_from_slice(b"<!DOCTYPE HTML>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        push_all(out, &[b"<title>", &title, b"</title>\n"]);
        out.extend_from_slice(b"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        push_all(out, &[b"<style>", STYLE.as_bytes(), b"</style>\n</head>\n<body>\n<main>\n"]);
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
        push_all(out, &[entry.mark().as_bytes(), b"</a>\n<span class=\"m\">"]);
        push_size_and_date(entry, out);
        out.extend_from_slice(b"</span></li>\n");
    }

    fn end(&self, _: &Page, count: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"</ul>\n<hr>\n<footer aria-live=\"polite\">");
        _ = write!(out, "{count} {}", if count == 1 { "entry" } else { "entries" });
        push_all(out, &[b"</footer>\n</main>\n<script>", SCRIPT.as_bytes(), b"</script>\n</body>\n</html>\n"]);
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
    if entry.is_broken() {
        out.extend_from_slice(b"<span>broken link</span>");
    }
    if let Some(modified) = entry.facts.modified {
        out.extend_from_slice(b"<time datetime=\"");
        let start = out.len();
        push_iso_time(modified, out);
        // The visible text is the time without seconds and time zone.
        let shown: [u8; 16] = std::array::from_fn(|at| match out.get(start + at) {
            Some(b'T') | None => b' ',
            Some(other) => *other,
        });
        push_all(out, &[b"\">", &shown, b"</time>"]);
    }
}

/// Writes the path, with a button for each parent directory. The targets are relative, so that they are correct even if
/// a proxy serves the site under a prefix.
fn push_breadcrumbs(page: &Page, out: &mut Vec<u8>) {
    let names = std::iter::once(&b""[..]).chain(page.url().segments());
    let depth = page.url().segments().count();
    out.extend_from_slice(b"<nav aria-label=\"Path\"><form>");
    // Level 0 is the root, whose name is empty.
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

/// Writes the filter field, which is hidden until the script runs, and the buttons "Folders first" and "Natural order".
fn push_tools(order: Order, out: &mut Vec<u8>) {
    let (sort, direction) = (order.by.word(), direction(order.descending));
    let folders = [folders(false), folders(true)];
    let first = usize::from(order.folders_first);
    let natural = order.by == SortBy::Natural;
    let other = if natural { SortBy::Name } else { SortBy::Natural }.word();
    out.extend_from_slice(
        b"<div class=\"bar\"><form><input type=\"search\" placeholder=\"Filter\" aria-label=\"Filter\" autocomplete=\"off\" hidden>",
    );
    _ = writeln!(
        out,
        "<input type=\"hidden\" name=\"sort\" value=\"{sort}\"><input type=\"hidden\" name=\"order\" value=\"{direction}\">\
         <button name=\"folders\" value=\"{}\" aria-pressed=\"{}\">Folders first</button></form>\
         <form><input type=\"hidden\" name=\"order\" value=\"{direction}\">\
         <input type=\"hidden\" name=\"folders\" value=\"{}\">\
         <button name=\"sort\" value=\"{other}\" aria-pressed=\"{natural}\">Natural order</button></form></div>",
        folders[1 - first],
        order.folders_first,
        folders[first],
    );
}

/// Writes the column headers: buttons that sort by a column, or reverse the order if the page is already sorted by that
/// column. A list cannot have column headers, so they form a separate table without further rows.
fn push_columns(order: Order, out: &mut Vec<u8>) {
    let folders = folders(order.folders_first);
    let by_name = if order.by == SortBy::Natural { SortBy::Natural } else { SortBy::Name };
    out.extend_from_slice(b"<div class=\"cols\" role=\"table\" aria-label=\"Order\"><div role=\"row\">");
    for (by, label) in [(by_name, "Name"), (SortBy::Size, "Size"), (SortBy::Date, "Modified (UTC)")] {
        let current = by == order.by;
        let sorted = match (current, order.descending) {
            (false, _) => "none",
            (true, false) => "ascending",
            (true, true) => "descending",
        };
        // The first click on size or date sorts in descending order, because the largest or latest entries are usually
        // the most interesting.
        let descending_next = if current { !order.descending } else { by != by_name };
        _ = write!(
            out,
            "<form role=\"none\"><div role=\"columnheader\" aria-sort=\"{sorted}\">\
             <input type=\"hidden\" name=\"folders\" value=\"{folders}\">\
             <input type=\"hidden\" name=\"sort\" value=\"{}\">\
             <button name=\"order\" value=\"{}\">{label}</button></div></form>",
            by.word(),
            direction(descending_next),
        );
    }
    out.extend_from_slice(b"</div></div>\n");
}

fn folders(first: bool) -> &'static str {
    if first { "first" } else { "mixed" }
}

fn direction(descending: bool) -> &'static str {
    if descending { "desc" } else { "asc" }
}
