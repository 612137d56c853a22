//! The form of a listing that a client prefers (`Accept`, RFC 9110 section 12.5.1).

use crate::files::qvalue::parse_qvalue;
use crate::http::{RequestFields, list_elements};

/// True if the `Accept` field gives JSON a higher weight than HTML, or the same weight through a more specific media
/// range, as in `application/json, */*`. In all other cases, including a tie, the listing is an HTML page.
pub(super) fn prefers_json(headers: RequestFields<'_>) -> bool {
    let preference = |kind, subtype| best_range(headers, kind, subtype);
    let json = preference("application", "json");
    json.weight > 0 && json > preference("text", "html")
}

/// A client's preference for a media type. Preferences are compared by weight first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Preference {
    /// The weight in thousandths; 0 means "not acceptable".
    weight: u16,
    /// The specificity of the matching media range: 3 for the type itself, 2 for `type/*`, 1 for `*/*`, 0 if nothing
    /// matches.
    exactness: u8,
}

/// Returns the preference for a media type, as stated by the most specific media range that matches it. The weights of
/// other ranges are ignored.
fn best_range(headers: RequestFields<'_>, kind: &str, subtype: &str) -> Preference {
    let matching = list_elements(headers.get_all("Accept")).filter_map(|range| preference(range, kind, subtype));
    matching.max_by_key(|preference| (preference.exactness, preference.weight)).unwrap_or_default()
}

/// Returns the preference that a media range states for a media type, or `None` if the range does not match or is
/// malformed.
fn preference(range: &[u8], kind: &str, subtype: &str) -> Option<Preference> {
    let mut parts = std::str::from_utf8(range).ok()?.split(';').map(str::trim);
    let (range_kind, range_subtype) = parts.next()?.split_once('/')?;
    let same_kind = range_kind.eq_ignore_ascii_case(kind);
    let exactness = match (range_kind, range_subtype) {
        (_, exact) if same_kind && exact.eq_ignore_ascii_case(subtype) => 3,
        (_, "*") if same_kind => 2,
        ("*", "*") => 1,
        _ => return None,
    };
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let weight = weight.map_or(Some(1000), |value| parse_qvalue(value.as_bytes()))?;
    // A weight above 1 makes the range malformed.
    (weight <= 1000).then_some(Preference { weight, exactness })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Request;

    #[test]
    fn json_only_if_it_is_preferred() {
        for (accept, json) in [
            ("application/json", true),
            ("APPLICATION/JSON", true),
            ("application/*", true),
            ("text/html;q=0.9, application/json", true),
            ("text/html;q=0.5 , application/json ; q=0.501", true),
            ("application/json, text/plain, */*", true),
            ("application/json;q=0.1, text/html;q=0", true),
            ("", false),
            ("*/*", false),
            ("text/html, application/json", false),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", false),
            ("text/html, application/json;q=0.9", false),
            ("application/json;q=0", false),
            ("application/json;q=0.000, application/*", false),
            ("application/json;q=2", false),
            ("application/json;q=0.1234", false),
            ("application/json;q=x, */*", false),
            ("application/jsonx", false),
            ("json", false),
            ("application/json;q=0.3, */*;q=0.5", false),
        ] {
            let request = Request::builder("GET", "/").header("Accept", accept).build();
            assert_eq!(prefers_json(request.headers()), json, "{accept:?}");
        }
        assert!(!prefers_json(Request::builder("GET", "/").build().headers()));
    }

    #[test]
    fn several_accept_fields_count_as_one() {
        let request =
            Request::builder("GET", "/").header("Accept", "text/html;q=0.5").header("Accept", "application/json");
        assert!(prefers_json(request.build().headers()));
    }
}
