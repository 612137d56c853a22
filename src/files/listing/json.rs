//! The listing as JSON, for programs.

use std::io::Write;

use super::entry::{Entry, Kind};
use super::page::{ListingTemplate, Page};
use super::text::{push_iso_time, push_json};
use crate::http::{FieldBlock, InvalidHeader, percent_encode_segment};

/// A listing as JSON (RFC 8259), one entry per line:
///
/// ```text
/// {"path": "/x/", "entries": [
/// {"name": "a", "href": "a", "type": "file", "size": 5, "modified": "2026-01-31T12:00:00Z"},
/// {"name": "b", "href": "b/", "type": "symlink", "target_type": "directory", "broken": false, "size": null, "modified": "…"}
/// ]}
/// ```
///
/// In `name`, U+FFFD replaces bytes that are not UTF-8, whereas `href` contains the exact name, percent-encoded. `type`
/// is `file`, `directory`, `symlink` or `other`. Only symbolic links have `target_type` and `broken`; for a broken link
/// they are `null` and `true`. `size` is `null` unless the entry or its target is a regular file; `modified` is `null`
/// if the entry was removed while the directory was read.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonList;

impl ListingTemplate for JsonList {
    fn content_type(&self) -> &str {
        "application/json"
    }

    fn add_headers(&self, head: &mut FieldBlock) -> Result<(), InvalidHeader> {
        head.add("Content-Security-Policy", "default-src 'none'")
    }

    fn begin(&self, page: &Page, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"path\": ");
        push_json(&page.path(), out);
        out.extend_from_slice(b", \"entries\": [");
    }

    fn entry(&self, _: &Page, entry: &Entry<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(if entry.index == 0 { b"\n{\"name\": " } else { b",\n{\"name\": " });
        push_json(&entry.text(), out);
        let slash = if entry.is_directory() { "/" } else { "" };
        let kind = entry.facts.kind.word();
        _ = write!(out, ", \"href\": \"{}{slash}\", \"type\": \"{kind}\"", percent_encode_segment(entry.name));
        if entry.facts.kind == Kind::Symlink {
            push_member("target_type", entry.facts.target.map(|target| format!("\"{}\"", target.word())), out);
            push_member("broken", Some(entry.is_broken()), out);
        }
        push_member("size", entry.facts.size, out);
        match entry.facts.modified {
            Some(modified) => {
                out.extend_from_slice(b", \"modified\": \"");
                push_iso_time(modified, out);
                out.push(b'"');
            }
            None => out.extend_from_slice(b", \"modified\": null"),
        }
        out.push(b'}');
    }

    fn end(&self, _: &Page, _: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\n]}\n");
    }
}

fn push_member(name: &str, value: Option<impl std::fmt::Display>, out: &mut Vec<u8>) {
    _ = match value {
        Some(value) => write!(out, ", \"{name}\": {value}"),
        None => write!(out, ", \"{name}\": null"),
    };
}
