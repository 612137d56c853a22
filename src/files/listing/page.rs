//! The directory being listed, and the trait for writing its page.

use std::borrow::Cow;

use super::entry::Entry;
use super::order::Order;
use crate::http::{FieldBlock, InvalidHeader, UrlPath};

/// The directory being listed: its path and the order of its entries.
#[derive(Debug, Clone)]
pub struct Page {
    url: UrlPath,
    order: Order,
}

impl Page {
    pub(super) fn new(url: UrlPath, order: Order) -> Page {
        Page { url, order }
    }

    /// Returns the URL path of the directory.
    pub fn url(&self) -> &UrlPath {
        &self.url
    }

    /// Returns the order in which the entries are listed.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Returns the path of the directory as text: decoded, with a slash at both ends, without the query, and with
    /// U+FFFD for bytes that are not UTF-8. The text is not escaped.
    pub fn path(&self) -> Cow<'_, str> {
        if self.url.is_root() {
            return Cow::Borrowed("/");
        }
        Cow::Owned(format!("/{}/", String::from_utf8_lossy(self.url.as_bytes())))
    }
}

/// Writes the page of a listing in pieces, so that a large page is never held in memory as a whole.
///
/// Every method appends to `out`, which may already contain other bytes. An implementation must escape the names and
/// the path as its output format requires, because any user with write access to the directory can choose them.
pub trait ListingTemplate: Send + Sync {
    /// Returns the value of the `Content-type` field.
    fn content_type(&self) -> &str;

    /// Adds header fields, such as a content security policy. `Content-type`, `Vary` and `X-Content-Type-Options` are
    /// already set.
    ///
    /// # Errors
    /// Returns any error from [`FieldBlock::add`].
    fn add_headers(&self, head: &mut FieldBlock) -> Result<(), InvalidHeader> {
        _ = head;
        Ok(())
    }

    /// Writes the part of the page before the entries. By default, nothing is written.
    fn begin(&self, page: &Page, out: &mut Vec<u8>) {
        _ = (page, out);
    }

    /// Writes one entry. Called once for each entry, in the order of the listing.
    fn entry(&self, page: &Page, entry: &Entry<'_>, out: &mut Vec<u8>);

    /// Writes the part of the page after the entries. `count` is the number of entries. By default, nothing is written.
    fn end(&self, page: &Page, count: usize, out: &mut Vec<u8>) {
        _ = (page, count, out);
    }
}
