//! Selects the entries of a directory that a listing shows: only those that a client could request. `entry` looks up
//! entries, and `reader` sorts them.

use crate::files::stat::Stat;

/// A function that looks up the target of the symbolic link with this name. It returns `None` if the link must not be
/// followed or is broken.
pub(crate) type CheckLink = dyn Fn(&[u8]) -> Option<Stat>;

/// The only name with a leading dot that is served even if hidden names are not, because clients look for it at the
/// root (RFC 8615).
pub(crate) const WELL_KNOWN: &str = ".well-known";

/// The rules for the entries of one directory.
pub(crate) struct EntryFilter {
    /// True if names that begin with a dot are shown.
    pub(crate) hidden: bool,
    /// True if `.well-known` is shown even when `hidden` is false.
    pub(crate) well_known: bool,
    /// Checks symbolic links. `None` if every link is followed and shown.
    pub(crate) check_link: Option<Box<CheckLink>>,
}

impl EntryFilter {
    /// True if an entry with this name is shown.
    pub(super) fn shows(&self, name: &[u8]) -> bool {
        let is_public = || self.hidden || (self.well_known && name == WELL_KNOWN.as_bytes());
        name != b"." && name != b".." && (!name.starts_with(b".") || is_public())
    }
}
