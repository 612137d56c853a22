//! Conditional requests (RFC 9110 section 13). Pure functions evaluate the request's header fields against the
//! validators of the representation.

use crate::http::{HttpDate, RequestFields, parse_http_date};

/// The validators of a representation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validators<'a> {
    /// The strong entity tag, including its quotes.
    pub(crate) etag: &'a str,
    /// The value of `Last-Modified`; `None` if the representation has no such field.
    pub(crate) modified: Option<HttpDate>,
}

/// The result of evaluating the preconditions of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PreconditionResult {
    /// Every precondition is true, or the request has no precondition.
    Proceed,
    /// The client already has this representation (304).
    NotModified,
    /// A precondition is false (412).
    Failed,
}

/// Evaluates the preconditions of a GET or HEAD in the order of RFC 9110 section 13.2.2. If `If-Match` is present,
/// `If-Unmodified-Since` is ignored. If `If-None-Match` is present, `If-Modified-Since` is ignored.
pub(crate) fn evaluate(headers: RequestFields<'_>, validators: Validators<'_>) -> PreconditionResult {
    // `If-Match` and `If-Unmodified-Since` are evaluated first, because 412 takes precedence over 304.
    let holds = if_match(headers, validators).or_else(|| if_unmodified_since(headers, validators));
    if holds == Some(false) {
        return PreconditionResult::Failed;
    }
    match if_none_match(headers, validators).or_else(|| if_modified_since(headers, validators)) {
        Some(false) => PreconditionResult::NotModified,
        _ => PreconditionResult::Proceed,
    }
}

/// Evaluates `If-Match` (section 13.1.1). True if a tag matches by strong comparison, or if the value is `*`. Returns
/// `None` if the request has no such field.
fn if_match(headers: RequestFields<'_>, validators: Validators<'_>) -> Option<bool> {
    headers.contains("If-Match").then(|| any_tag(headers.get_all("If-Match"), validators.etag, Comparison::Strong))
}

/// Evaluates `If-None-Match` (section 13.1.2). True if no tag matches by weak comparison. Returns `None` if the request
/// has no such field.
fn if_none_match(headers: RequestFields<'_>, validators: Validators<'_>) -> Option<bool> {
    let name = "If-None-Match";
    headers.contains(name).then(|| !any_tag(headers.get_all(name), validators.etag, Comparison::Weak))
}

/// Evaluates `If-Modified-Since` (section 13.1.3). The field is ignored if it is not a valid date or occurs twice, or
/// if the representation has no `Last-Modified`.
fn if_modified_since(headers: RequestFields<'_>, validators: Validators<'_>) -> Option<bool> {
    let modified = validators.modified?;
    only_date(headers, "If-Modified-Since").map(|date| modified > date)
}

/// Evaluates `If-Unmodified-Since` (section 13.1.4). The field is ignored in the same cases as `If-Modified-Since`.
fn if_unmodified_since(headers: RequestFields<'_>, validators: Validators<'_>) -> Option<bool> {
    let modified = validators.modified?;
    only_date(headers, "If-Unmodified-Since").map(|date| modified <= date)
}

/// Evaluates `If-Range` (section 13.1.5). True if a range may be served, because the part that the client already has
/// comes from this representation. A tag must match by strong comparison. A date must equal `Last-Modified`, and must
/// be earlier than `Date`, because the file could change again within the same second (section 8.8.2.2). `now` returns
/// the `Date` of the response. A date never matches a representation without `Last-Modified`.
pub(crate) fn if_range(headers: RequestFields<'_>, validators: Validators<'_>, now: impl FnOnce() -> HttpDate) -> bool {
    let mut values = headers.get_all("If-Range");
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(value), None) if is_tag(value) => value == validators.etag.as_bytes(),
        (Some(value), None) => {
            validators.modified.is_some_and(|modified| parse_http_date(value) == Some(modified) && modified < now())
        }
        // Two `If-Range` fields are malformed. Sending the whole representation is always correct.
        (Some(_), Some(_)) => false,
    }
}

fn only_date(headers: RequestFields<'_>, name: &str) -> Option<HttpDate> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => parse_http_date(value),
        _ => None,
    }
}

/// The comparison functions for entity tags (RFC 9110 section 8.8.3.2). The server's own tags are strong, so only a tag
/// from the client can be weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// True if one of the lists contains a matching tag or is `*`. A malformed list is evaluated up to its first error,
/// because a tag that cannot be parsed does not match.
fn any_tag<'a>(lists: impl Iterator<Item = &'a [u8]>, etag: &str, comparison: Comparison) -> bool {
    lists.into_iter().any(|list| list == b"*" || EntityTags(list).any(|tag| matches(tag, etag, comparison)))
}

fn matches(tag: &[u8], etag: &str, comparison: Comparison) -> bool {
    match tag.strip_prefix(b"W/") {
        Some(opaque) => comparison == Comparison::Weak && opaque == etag.as_bytes(),
        None => tag == etag.as_bytes(),
    }
}

fn is_tag(value: &[u8]) -> bool {
    value.starts_with(b"\"") || value.starts_with(b"W/\"")
}

/// The tags of a list, each with its quotes and its `W/` prefix. A comma within quotes is part of the tag.
struct EntityTags<'a>(&'a [u8]);

impl<'a> Iterator for EntityTags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // A list can have empty elements (RFC 9110 section 5.6.1.2).
        let start = self.0.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let list = &self.0[start..];
        let quote = if list.starts_with(b"W/") { 2 } else { 0 };
        if list.get(quote) != Some(&b'"') {
            return None;
        }
        let length = memchr::memchr(b'"', &list[quote + 1..])?;
        let (tag, rest) = list.split_at(quote + length + 2);
        self.0 = rest;
        Some(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Request;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const EXACT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn validators() -> Validators<'static> {
        Validators { etag: "\"a,b\"", modified: Some(HttpDate::from_unix(784_111_777)) }
    }

    fn undated() -> Validators<'static> {
        Validators { modified: None, ..validators() }
    }

    fn request(fields: &[(&str, &str)]) -> Request {
        fields.iter().fold(Request::builder("GET", "/"), |request, (name, value)| request.header(name, value)).build()
    }

    #[test]
    fn one_precondition() {
        use PreconditionResult::{Failed, NotModified, Proceed};
        for (name, value, verdict) in [
            ("If-Match", "\"a,b\"", Proceed),
            ("If-Match", "\"x\", \"a,b\"", Proceed),
            ("If-Match", "*", Proceed),
            ("If-Match", "W/\"a,b\"", Failed),
            ("If-Match", "\"a\"", Failed),
            ("If-Match", "", Failed),
            ("If-None-Match", "\"a,b\"", NotModified),
            ("If-None-Match", "W/\"a,b\"", NotModified),
            ("If-None-Match", "\"x\",, ,W/\"y\" , \"a,b\"", NotModified),
            ("If-None-Match", "*", NotModified),
            ("If-None-Match", "\"a\"", Proceed),
            ("If-None-Match", "\"x, \"a,b\"", Proceed),
            ("If-None-Match", "a,b", Proceed),
            ("If-None-Match", "w/\"a,b\"", Proceed),
            ("If-None-Match", "\"unfinished", Proceed),
            ("If-None-Match", "W/", Proceed),
            ("If-Modified-Since", BEFORE, Proceed),
            ("If-Modified-Since", EXACT, NotModified),
            ("If-Modified-Since", AFTER, NotModified),
            ("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT", NotModified),
            ("If-Modified-Since", "Sun Nov  6 08:49:37 1994", NotModified),
            ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 +0100", Proceed),
            ("If-Modified-Since", "yesterday", Proceed),
            ("If-Unmodified-Since", BEFORE, Failed),
            ("If-Unmodified-Since", EXACT, Proceed),
            ("If-Unmodified-Since", "yesterday", Proceed),
        ] {
            assert_eq!(evaluate(request(&[(name, value)]).headers(), validators()), verdict, "{name}: {value}");
        }
    }

    #[test]
    fn entity_tags_take_precedence_over_dates() {
        use PreconditionResult::{Failed, NotModified, Proceed};
        for (fields, verdict) in [
            (&[("If-None-Match", "\"x\""), ("If-Modified-Since", AFTER)][..], Proceed),
            (&[("If-None-Match", "\"a,b\""), ("If-Modified-Since", BEFORE)], NotModified),
            (&[("If-Match", "\"a,b\""), ("If-Unmodified-Since", BEFORE)], Proceed),
            (&[("If-Match", "\"x\""), ("If-Unmodified-Since", AFTER)], Failed),
            (&[("If-Match", "\"x\""), ("If-None-Match", "\"a,b\"")], Failed),
            (&[("If-Match", "\"a,b\""), ("If-None-Match", "\"a,b\"")], NotModified),
            (&[("If-Unmodified-Since", AFTER), ("If-Modified-Since", AFTER)], NotModified),
            (&[("If-None-Match", "\"x\""), ("If-None-Match", "\"a,b\"")], NotModified),
            (&[("If-Modified-Since", AFTER), ("If-Modified-Since", AFTER)], Proceed),
        ] {
            assert_eq!(evaluate(request(fields).headers(), validators()), verdict, "{fields:?}");
        }
    }

    #[test]
    fn if_range_needs_the_same_representation() {
        let now = || HttpDate::from_unix(784_111_778);
        for (value, holds) in [
            ("\"a,b\"", true),
            ("W/\"a,b\"", false),
            ("\"x\"", false),
            ("*", false),
            ("\"x\", \"a,b\"", false),
            (EXACT, true),
            ("Sun Nov  6 08:49:37 1994", true),
            (BEFORE, false),
            (AFTER, false),
            ("", false),
        ] {
            assert_eq!(if_range(request(&[("If-Range", value)]).headers(), validators(), now), holds, "{value}");
        }
        assert!(if_range(request(&[]).headers(), validators(), now));
        let just_now = || HttpDate::from_unix(784_111_777);
        assert!(!if_range(request(&[("If-Range", EXACT)]).headers(), validators(), just_now));
        assert!(if_range(request(&[("If-Range", "\"a,b\"")]).headers(), validators(), just_now));
        let twice = request(&[("If-Range", "\"a,b\""), ("If-Range", "\"a,b\"")]);
        assert!(!if_range(twice.headers(), validators(), now));
    }

    #[test]
    fn dates_are_ignored_for_a_representation_without_one() {
        for (name, value) in [
            ("If-Modified-Since", AFTER),
            ("If-Modified-Since", "Fri, 31 Dec 9999 23:59:59 GMT"),
            ("If-Unmodified-Since", BEFORE),
            ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] {
            assert_eq!(
                evaluate(request(&[(name, value)]).headers(), undated()),
                PreconditionResult::Proceed,
                "{name}: {value}"
            );
        }
        let now = || HttpDate::from_unix(784_111_778);
        assert!(!if_range(request(&[("If-Range", EXACT)]).headers(), undated(), now));
        assert!(!if_range(request(&[("If-Range", "no date")]).headers(), undated(), now));
        assert!(if_range(request(&[("If-Range", "\"a,b\"")]).headers(), undated(), now));
        let tag = request(&[("If-None-Match", "\"a,b\"")]);
        assert_eq!(evaluate(tag.headers(), undated()), PreconditionResult::NotModified);
    }
}
