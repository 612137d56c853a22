//! Makes untrusted text safe to print in messages.

use std::ffi::OsStr;
use std::fmt::Write;

/// Makes a word of the command line or a path safe to print: control characters and bytes that are not UTF-8 become
/// `\xNN`, so that the text stays on one line and cannot control a terminal.
///
/// ```
/// use serve_forever::cli::shown;
/// assert_eq!(shown("a\nb é".as_ref()), r"a\x0ab é");
/// ```
pub fn shown(word: &OsStr) -> String {
    let mut text = String::with_capacity(word.len());
    for chunk in word.as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            // A write to a string cannot fail.
            _ = match character.is_control() {
                true => write!(text, "\\x{:02x}", u32::from(character)),
                false => text.write_char(character),
            };
        }
        for byte in chunk.invalid() {
            _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn control_characters_and_invalid_utf8_are_escaped() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(shown(OsStr::from_bytes(b"a\r\n\x1b[31m\x7f\xff\xc3\xa9\\")), r"a\x0d\x0a\x1b[31m\x7f\xffé\");
        assert_eq!(shown("\u{9b}".as_ref()), r"\x9b");
    }
}
