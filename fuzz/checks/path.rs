//! Checks that a request's path never leads out of the directory in which it is looked up. The data is the path.

use serve_forever::http::UrlPath;

pub fn check(raw: &[u8]) {
    let Ok(path) = UrlPath::parse(raw) else { return };
    let segments: Vec<&[u8]> = path.segments().collect();
    for segment in &segments {
        assert!(!matches!(*segment, b"" | b"." | b".."), "{path:?}");
        assert!(!segment.iter().any(|byte| matches!(byte, b'/' | 0)), "{path:?}");
    }
    assert_eq!(segments.join(&b'/'), path.as_bytes(), "the segments are all there is");
    assert!(path.relative().is_relative());
    assert_eq!(path.is_root(), segments.is_empty());

    let location = path.location();
    assert!(location.starts_with('/') && !location.starts_with("//"), "{location}");
    assert!(location.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\?#\"<>".contains(&byte)), "{location}");
    let again = UrlPath::parse(location.as_bytes()).expect("our own location");
    assert_eq!(again.as_bytes(), path.as_bytes(), "a redirect leads to what was asked for");
    assert!(again.has_trailing_slash());
    assert_eq!(again.location(), location);
}
