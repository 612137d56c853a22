//! The order of a listing's entries, and the query parameters that select it. The entries are compared in `reader`.

/// The property by which the entries of a listing are sorted. The variants describe the ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortBy {
    /// By name, ignoring case, as in CPython.
    #[default]
    Name,
    /// By name, ignoring case, with digits compared as numbers: `file2` comes before `file10`.
    Natural,
    /// By size in bytes. Entries without a size come before empty files.
    Size,
    /// By modification time. Entries without a time come first.
    Date,
}

impl SortBy {
    /// Returns the value of the query parameter `sort` that selects this key: `name`, `natural`, `size` or `date`.
    pub fn word(self) -> &'static str {
        match self {
            SortBy::Name => "name",
            SortBy::Natural => "natural",
            SortBy::Size => "size",
            SortBy::Date => "date",
        }
    }

    /// True if entries are sorted by their names.
    pub(super) fn is_by_name(self) -> bool {
        matches!(self, SortBy::Name | SortBy::Natural)
    }
}

/// The order of the entries in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Order {
    /// The sort key. Entries with equal keys are sorted by name.
    pub by: SortBy,
    /// True if the entries are in descending order.
    pub descending: bool,
    /// True if directories and links to directories come first, in ascending and in descending order.
    pub folders_first: bool,
}

impl Order {
    /// Parses `sort=name|natural|size|date`, `order=asc|desc` and `folders=first|mixed` in a query. If a parameter
    /// occurs more than once, its first value applies. If `sort` or `order` is missing or unknown, CPython's order is
    /// used, and for `folders` the value of `folders_first`.
    ///
    /// ```
    /// use serve_forever::files::listing::{Order, SortBy};
    /// let order = Order::from_query(b"sort=size&order=desc", false);
    /// assert_eq!(order, Order { by: SortBy::Size, descending: true, folders_first: false });
    /// assert_eq!(Order::from_query(b"sort=colour&x", false), Order::default());
    /// ```
    pub fn from_query(query: &[u8], folders_first: bool) -> Order {
        let value = |name: &str| {
            let mut pairs = query.split(|byte| *byte == b'&');
            pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        };
        Order {
            by: match value("sort") {
                Some(b"size") => SortBy::Size,
                Some(b"date") => SortBy::Date,
                Some(b"natural") => SortBy::Natural,
                _ => SortBy::Name,
            },
            descending: value("order") == Some(b"desc"),
            folders_first: match value("folders") {
                Some(b"first") => true,
                Some(b"mixed") => false,
                _ => folders_first,
            },
        }
    }

    /// True if entries must be looked up before they can be sorted.
    pub(super) fn needs_facts(self) -> bool {
        !self.by.is_by_name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_value_of_a_query_counts() {
        let order = |by, descending, folders_first| Order { by, descending, folders_first };
        for (query, expected) in [
            ("", order(SortBy::Name, false, false)),
            ("sort=name&order=desc", order(SortBy::Name, true, false)),
            ("sort=natural", order(SortBy::Natural, false, false)),
            ("order=asc&sort=date", order(SortBy::Date, false, false)),
            ("sort=size&sort=date", order(SortBy::Size, false, false)),
            ("folders=first&x=y", order(SortBy::Name, false, true)),
            ("sorted=size&order=descending&folders=", order(SortBy::Name, false, false)),
        ] {
            assert_eq!(Order::from_query(query.as_bytes(), false), expected, "{query}");
        }
        assert!(Order::from_query(b"", true).folders_first);
        assert!(!Order::from_query(b"folders=mixed", true).folders_first);
    }
}
