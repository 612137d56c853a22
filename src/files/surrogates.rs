//! Python's surrogate-escape form of file names that are not valid UTF-8. `lookup` decides between this form and the
//! unchanged path.

use std::path::{Path, PathBuf};

/// Replaces each encoded surrogate from U+DC80 to U+DCFF in the path with the byte that it represents (Python's
/// `surrogateescape`). Returns `None` if the path contains no such surrogate.
#[cfg(unix)]
pub(crate) fn decode_surrogates(path: &Path) -> Option<PathBuf> {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut rest = path.as_os_str().as_bytes();
    // Every encoded surrogate begins with this byte, and few other characters do, so most paths need not be copied.
    memchr::memchr(0xed, rest)?;
    let mut bytes = Vec::with_capacity(rest.len());
    let length = rest.len();
    while let Some((first, after)) = rest.split_first() {
        match rest {
            [0xed, high @ 0xb2..=0xb3, low @ 0x80..=0xbf, after @ ..] => {
                bytes.push(((high & 3) << 6) | (low & 0x3f));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    (bytes.len() < length).then(|| OsString::from_vec(bytes).into())
}

/// Returns `None`, because file names on this system are not bytes and contain no such surrogates.
#[cfg(not(unix))]
pub(crate) fn decode_surrogates(_: &Path) -> Option<PathBuf> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn each_surrogate_becomes_its_byte() {
        let path = |bytes: &[u8]| Path::new(OsStr::from_bytes(bytes)).to_owned();
        assert_eq!(decode_surrogates(&path(b"a\xed\xb3\xbfb")), Some(path(b"a\xffb")));
        assert_eq!(decode_surrogates(&path(b"\xed\xb2\x80\xed\xb2\xbf\xed\xb3\x80")), Some(path(b"\x80\xbf\xc0")));
        assert_eq!(decode_surrogates(&path(b"plain \xed\x9f\xbf\xed\xb1\x80 \xed\xb3")), None);
    }
}
