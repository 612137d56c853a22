//! What a listing is about, and what makes a page of it.

use std::borrow::Cow;

use super::entry::Entry;
use super::order::Order;
use crate::http::{FieldBlock, InvalidHeader, UrlPath};

/// What a listing is about: the directory's path and the order of its entries.
#[derive(Debug, Clone)]
pub struct Page {
    url: UrlPath,
    order: Order,
}

impl Page {
    pub(super) fn new(url: UrlPath, order: Order) -> Page {
        Page { url, order }
    }

    /// The path of the directory as the client knows it.
    pub fn url(&self) -> &UrlPath {
        &self.url
    }

    /// The order of the entries.
    pub fn order(&self) -> Order {
        self.order
    }

    /// The path as text, decoded, with a slash at both ends, without the query (contract row SH33). Bytes that are no
    /// UTF-8 are shown as U+FFFD. It is not escaped.
    pub fn path(&self) -> Cow<'_, str> {
        if self.url.is_root() {
            return Cow::Borrowed("/");
        }
        Cow::Owned(format!("/{}/", String::from_utf8_lossy(self.url.as_bytes())))
    }
}

/// Makes the page of a listing, piece by piece, so that a large one is never in memory as a whole.
///
/// Every method appends to `out`, which may hold other bytes already. An implementation must escape the names and the
/// path for the language it writes: anybody who can create a file chooses them.
pub trait ListingTemplate: Send + Sync {
    /// The value of `Content-type`.
    fn content_type(&self) -> &str;

    /// Adds header fields of its own, such as a content security policy. `Content-type`, `Vary` and
    /// `X-Content-Type-Options` are there already.
    ///
    /// # Errors
    /// Those of [`FieldBlock::add`].
    fn add_headers(&self, head: &mut FieldBlock) -> Result<(), InvalidHeader> {
        _ = head;
        Ok(())
    }

    /// What comes before the entries.
    fn begin(&self, page: &Page, out: &mut Vec<u8>) {
        _ = (page, out);
    }

    /// One entry. They come in the page's order.
    fn entry(&self, page: &Page, entry: &Entry<'_>, out: &mut Vec<u8>);

    /// What comes after the entries, of which there were `count`.
    fn end(&self, page: &Page, count: usize, out: &mut Vec<u8>) {
        _ = (page, count, out);
    }
}
