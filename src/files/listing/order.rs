//! The order of the entries and how a request asks for one.

/// What the entries are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortBy {
    /// The name without regard to case, as CPython does (contract row SH29).
    #[default]
    Name,
    /// The name without regard to case, where digits count as numbers: `file2` comes before `file10`.
    Natural,
    /// The size in bytes; what has none comes before an empty file.
    Size,
    /// The time of the last change; what has none comes first.
    Date,
}

impl SortBy {
    /// The word for it in a query: `name`, `natural`, `size` or `date`.
    pub fn word(self) -> &'static str {
        match self {
            SortBy::Name => "name",
            SortBy::Natural => "natural",
            SortBy::Size => "size",
            SortBy::Date => "date",
        }
    }

    /// Whether names alone decide.
    pub(super) fn is_by_name(self) -> bool {
        matches!(self, SortBy::Name | SortBy::Natural)
    }
}

/// The order of the entries of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Order {
    /// What they are sorted by. Entries that are equal in that are sorted by name.
    pub by: SortBy,
    /// Whether the order is turned round.
    pub descending: bool,
    /// Whether directories, and links to directories, come before everything else, whatever the order is.
    pub folders_first: bool,
}

impl Order {
    /// Reads `sort=name|natural|size|date`, `order=asc|desc` and `folders=first|mixed` from a query. The first of each
    /// counts; what is missing or unknown is as in CPython, or as `folders_first` says.
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

    /// Whether entries have to be looked up before they can be sorted.
    pub(super) fn needs_facts(self) -> bool {
        !self.by.is_by_name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
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
