//! Detects a declaration of the character encoding in a page or a style sheet. The functions implement the parts of the
//! HTML standard's "encoding sniffing algorithm" and of CSS Syntax that search for a declaration. Only the presence of
//! a declaration matters, not the name of the encoding. Only HTML, CSS and XML can contain such a declaration.

/// A declaration is recognised only within this number of bytes from the beginning of the file.
pub(crate) const SEARCHED: usize = 1024;

/// True if the beginning of an HTML page declares an encoding, by a byte order mark, an XML declaration or a `meta`
/// element.
pub(super) fn by_html(start: &[u8]) -> bool {
    let start = &start[..start.len().min(SEARCHED)];
    has_mark(start) || by_xml(start) || by_meta(start)
}

/// True if the beginning of a style sheet declares an encoding, by a byte order mark or by an `@charset` rule. The rule
/// must have exactly the form that CSS Syntax Level 3, section 3.2, specifies.
pub(super) fn by_css(start: &[u8]) -> bool {
    let start = &start[..start.len().min(SEARCHED)];
    let rule = start.strip_prefix(b"@charset \"").and_then(|rest| Some(rest.split_at(memchr::memchr(b'"', rest)?)));
    has_mark(start) || rule.is_some_and(|(label, end)| is_label(label) && end.starts_with(b"\";"))
}

/// True if the text begins with a byte order mark of UTF-8 or UTF-16.
fn has_mark(start: &[u8]) -> bool {
    [&b"\xef\xbb\xbf"[..], b"\xfe\xff", b"\xff\xfe"].iter().any(|mark| start.starts_with(mark))
}

/// True if the text begins with `<?xml version="1.0" encoding="NAME"?>`.
fn by_xml(start: &[u8]) -> bool {
    let end = |rest: &[u8]| memchr::memchr(b'>', rest).unwrap_or(rest.len());
    let declaration = start.strip_prefix(b"<?xml").map(|rest| &rest[..end(rest)]);
    declaration.is_some_and(|declaration| {
        memchr::memmem::find(declaration, b"encoding").is_some_and(|at| {
            let value = declaration[at + b"encoding".len()..].trim_ascii_start();
            value.strip_prefix(b"=").map(<[u8]>::trim_ascii_start).is_some_and(|value| is_label(unquoted(value)))
        })
    })
}

/// Implements the HTML standard's "prescan a byte stream to determine its encoding", which recognises only comments,
/// tags and attribute values.
fn by_meta(start: &[u8]) -> bool {
    let mut tags = TagReader { rest: start };
    while let Some(at) = memchr::memchr(b'<', tags.rest) {
        tags.rest = &tags.rest[at..];
        match tags.rest {
            [b'<', b'!', b'-', b'-', ..] => {
                // The search for the closing hyphens begins at the opening ones, because `<!-->` is a complete comment.
                tags.rest = memchr::memmem::find(&tags.rest[2..], b"-->").map_or(&[], |end| &tags.rest[2 + end + 3..]);
            }
            [b'<', b'!' | b'?', ..] => tags.skip_past(b'>'),
            [b'<', b'/', letter, ..] | [b'<', letter, ..] if letter.is_ascii_alphabetic() => {
                let is_meta = tags.is_meta();
                tags.skip_name();
                if tags.declares() && is_meta {
                    return true;
                }
            }
            [b'<', b'/', ..] => tags.skip_past(b'>'),
            _ => tags.rest = &tags.rest[1..],
        }
    }
    false
}

/// Parses the tags of a page and their attributes. `rest` is the part of the page that has not been parsed yet.
struct TagReader<'a> {
    rest: &'a [u8],
}

impl<'a> TagReader<'a> {
    fn skip_past(&mut self, byte: u8) {
        self.rest = memchr::memchr(byte, self.rest).map_or(&[], |at| &self.rest[at + 1..]);
    }

    fn is_meta(&self) -> bool {
        let name = self.rest.get(1..5).is_some_and(|name| name.eq_ignore_ascii_case(b"meta"));
        name && self.rest.get(5).is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'/')
    }

    /// Skips the name of a tag. White space, a slash or `>` ends it.
    fn skip_name(&mut self) {
        let end = self.rest.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
        self.rest = end.map_or(&[], |end| &self.rest[end..]);
    }

    /// Parses the attributes up to the end of the tag. Returns true if these attributes declare an encoding, provided
    /// that the tag is a `meta` tag.
    fn declares(&mut self) -> bool {
        let (mut charset, mut pragma, mut content) = (false, false, false);
        while let Some((name, value)) = self.attribute() {
            if name.eq_ignore_ascii_case(b"charset") {
                charset |= is_label(value);
            } else if name.eq_ignore_ascii_case(b"http-equiv") {
                pragma |= value.eq_ignore_ascii_case(b"content-type");
            } else if name.eq_ignore_ascii_case(b"content") {
                content |= names_charset(value);
            }
        }
        charset || (pragma && content)
    }

    /// Implements the HTML standard's "get an attribute". Returns `None` at the end of the tag.
    fn attribute(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let start = self.rest.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != b'/');
        self.rest = start.map_or(&[][..], |start| &self.rest[start..]);
        if let None | Some(b'>') = self.rest.first() {
            return None;
        }
        let ends_name = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>' | b'=');
        // If the first character is an equals sign, it is part of the name.
        let end = 1 + self.rest[1..].iter().position(ends_name).unwrap_or(self.rest.len() - 1);
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        let Some(value) = rest.trim_ascii_start().strip_prefix(b"=") else { return Some((name, b"")) };
        let value = value.trim_ascii_start();
        self.rest = match value.first() {
            Some(quote @ (b'"' | b'\'')) => {
                memchr::memchr(*quote, &value[1..]).map_or(&[][..], |end| &value[end + 2..])
            }
            _ => {
                let end = value.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'>');
                &value[end.unwrap_or(value.len())..]
            }
        };
        Some((name, unquoted(&value[..value.len() - self.rest.len()])))
    }
}

/// Implements the HTML standard's "extracting a character encoding from a meta element". Returns true if such an
/// encoding is found.
fn names_charset(content: &[u8]) -> bool {
    let lower = content.to_ascii_lowercase();
    memchr::memmem::find_iter(&lower, b"charset").any(|at| {
        let rest = lower[at + b"charset".len()..].trim_ascii_start();
        rest.strip_prefix(b"=").is_some_and(|value| is_label(unquoted(value.trim_ascii_start())))
    })
}

/// Returns the text between the quotes of a value or, if the value is not quoted, the text up to the first white space
/// or semicolon.
fn unquoted(value: &[u8]) -> &[u8] {
    let (quote, inner) = match value {
        [quote @ (b'"' | b'\''), inner @ ..] => (Some(*quote), inner),
        _ => (None, value),
    };
    let ends = |byte: &u8| match quote {
        Some(quote) => *byte == quote,
        None => byte.is_ascii_whitespace() || *byte == b';',
    };
    &inner[..inner.iter().position(ends).unwrap_or(inner.len())]
}

/// True if the bytes have the form of an encoding label.
fn is_label(label: &[u8]) -> bool {
    let label = label.trim_ascii();
    !label.is_empty() && label.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_:.+()".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_in_pages_are_found() {
        for page in [
            "<meta charset=euc-kr>",
            "<!doctype html><html lang=ko><head><META CharSet = 'EUC-KR' /><title>",
            "<meta name=a content=b charset=\"shift_jis\">",
            "<meta/charset=utf-8>",
            "<meta\ncharset=utf-8>",
            "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=iso-8859-1\">",
            "<meta content='text/html;CHARSET = \"koi8-r\"' http-equiv=content-type>",
            "<?xml version=\"1.0\" encoding='iso-8859-2'?><html>",
            "<!-- a > b --><meta charset=x>",
            "<!--><meta charset=utf-8>",
            "</p a='>'><?php echo '' ?><b title=\"<b\"><meta charset=big5>",
            "1 < 2 <meta charset=gbk>",
            "\u{feff}<p>",
        ] {
            assert!(by_html(page.as_bytes()), "{page}");
        }
        assert!(by_html(b"\xff\xfe<\0p\0>\0") && by_html(b"\xfe\xff\0<\0p\0>"));
        assert!(by_html(format!("<!--{}--><meta charset=gbk>", "x".repeat(960)).as_bytes()));
    }

    #[test]
    fn other_pages_declare_no_encoding() {
        for page in [
            "",
            "<",
            "<p>charset=euc-kr",
            "<!doctype html><meta name=viewport content=\"width=device-width; charset=x\">",
            "<!-- <meta charset=euc-kr> -->",
            "<!-- <meta charset=euc-kr>",
            "<p title='<meta charset=euc-kr>'>",
            "<p charset=euc-kr>",
            "<metadata charset=euc-kr>",
            "<meta charset=>",
            "<meta charset=''>",
            "<meta charset",
            "<meta http-equiv=refresh content='0; charset=euc-kr'>",
            "<meta http-equiv=content-type content='text/html'>",
            "<meta http-equiv=content-type content='text/html; charset='>",
            "<?xml version='1.0'?><p encoding='euc-kr'>",
            " <?xml version='1.0' encoding='euc-kr'?>",
        ] {
            assert!(!by_html(page.as_bytes()), "{page}");
        }
        assert!(!by_html(format!("{}<meta charset=gbk>", " ".repeat(SEARCHED)).as_bytes()));
    }

    #[test]
    fn declarations_in_style_sheets_are_found() {
        for (sheet, declares) in [
            ("@charset \"euc-kr\";p{}", true),
            ("\u{feff}p{}", true),
            ("@charset 'euc-kr';", false),
            ("@charset  \"euc-kr\";", false),
            (" @charset \"euc-kr\";", false),
            ("@charset \"euc-kr\"", false),
            ("@charset \"euc-kr\" ;", false),
            ("@charset \"\";", false),
            ("@charset \"euc-kr", false),
            ("p{}", false),
            ("", false),
        ] {
            assert_eq!(by_css(sheet.as_bytes()), declares, "{sheet}");
        }
    }
}
