//! Which entries of a directory a listing shows: those that a request for them is not refused by policy. What stays
//! out: looking entries up, and their order.

use crate::files::stat::Stat;

/// Looks up what the symbolic link of this name leads to; `None` if it may not be followed or leads nowhere.
pub(crate) type CheckLink = dyn Fn(&[u8]) -> Option<Stat>;

/// The directory at the root whose name begins with a dot and that is there to be found (RFC 8615).
pub(crate) const WELL_KNOWN: &str = ".well-known";

/// Which entries of one directory are shown.
pub(crate) struct EntryFilter {
    /// Whether names that begin with a dot are.
    pub(crate) hidden: bool,
    /// Whether `.well-known` is if the others are not.
    pub(crate) well_known: bool,
    /// Decides on symbolic links; without it they are followed, and all of them are shown.
    pub(crate) check_link: Option<Box<CheckLink>>,
}

impl EntryFilter {
    /// Whether an entry of this name may be shown.
    pub(super) fn has_name(&self, name: &[u8]) -> bool {
        let public = || self.hidden || (self.well_known && name == WELL_KNOWN.as_bytes());
        name != b"." && name != b".." && (!name.starts_with(b".") || public())
    }
}
