//! Parses a `Cookie` field as a server should (RFC 6265 section 5.4). The field contains no attributes.

/// The name and value of each pair in a `Cookie` field, in order. A part without `=` or without a name is skipped.
/// White space around names and values is removed; quotes are part of a value.
///
/// If a name is repeated, the first pair with that name is the most specific one, because a client sends cookies with
/// longer paths first.
///
/// ```
/// use serve_forever::cookies::pairs;
/// let found: Vec<_> = pairs("a=1; word; b={\"k\":[1,2]}; a=2; /c=x y").collect();
/// assert_eq!(found, [("a", "1"), ("b", "{\"k\":[1,2]}"), ("a", "2"), ("/c", "x y")]);
/// ```
pub fn pairs(field: &str) -> impl Iterator<Item = (&str, &str)> {
    let blank = [' ', '\t'];
    let parts = field.split(';').filter_map(|part| part.split_once('='));
    let trimmed = parts.map(move |(name, value)| (name.trim_matches(blank), value.trim_matches(blank)));
    trimmed.filter(|(name, _)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_pair_costs_no_other_pair() {
        for (field, expected) in [
            ("", &[][..]),
            (";;=; =x", &[]),
            ("a=b; word; c=d", &[("a", "b"), ("c", "d")]),
            ("x=1; bad[=2; b=3", &[("x", "1"), ("bad[", "2"), ("b", "3")]),
            ("$Version=1; a=b", &[("$Version", "1"), ("a", "b")]),
            ("path=/; a= b c ;d=e=f", &[("path", "/"), ("a", "b c"), ("d", "e=f")]),
            ("a=\"b; c=d\"", &[("a", "\"b"), ("c", "d\"")]),
        ] {
            assert_eq!(pairs(field).collect::<Vec<_>>(), expected, "{field}");
        }
    }
}
