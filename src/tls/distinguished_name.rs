//! Formats distinguished names as in RFC 4514: `CN=Carla,O=Example`.

use std::fmt::Write as _;

use super::der::{Element, Elements, tag};

/// The short names of attribute types, by the encoded contents of their object identifiers.
const SHORT_NAMES: &[(&[u8], &str)] = &[
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 4], "SN"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 12], "title"),
    (&[0x55, 4, 42], "GN"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19], "DC"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01], "emailAddress"),
];

/// Formats an encoded name. The parts are in the reverse order of the encoding (RFC 4514 section 2.1).
///
/// Control characters are escaped, so the text is a single line without NUL and can be the value of an environment
/// variable. `None` if `der` is not a name.
pub(super) fn text(der: &[u8]) -> Option<String> {
    let parts: Vec<Element<'_>> = Elements(der).enter(tag::SEQUENCE)?.collect();
    let texts: Option<Vec<String>> = parts.into_iter().rev().map(relative).collect();
    Some(texts?.join(","))
}

/// Formats one part of a name. A part can have several attributes.
fn relative(part: Element<'_>) -> Option<String> {
    let attribute = |element: Element<'_>| {
        let mut fields = element.reader();
        let name = fields.next_with(tag::OBJECT_IDENTIFIER)?.contents;
        let value = fields.next()?;
        let short = SHORT_NAMES.iter().find(|(known, _)| *known == name);
        let name = short.map_or_else(|| dotted(name), |(_, short)| (*short).to_owned());
        Some(format!("{name}={}", escaped(&string(value))))
    };
    let attributes: Option<Vec<String>> = part.reader().map(attribute).collect();
    (part.tag == tag::SET).then_some(attributes?.join("+"))
}

/// The text of an attribute's value. BMPString is UTF-16. All other string types are decoded as UTF-8, of which ASCII
/// is a subset.
fn string(value: Element<'_>) -> String {
    match value.tag {
        tag::BMP_STRING => {
            let (units, _) = value.contents.as_chunks::<2>();
            String::from_utf16_lossy(&units.iter().map(|unit| u16::from_be_bytes(*unit)).collect::<Vec<_>>())
        }
        _ => String::from_utf8_lossy(value.contents).into_owned(),
    }
}

/// Escapes a value as in RFC 4514 section 2.4. Control characters become hexadecimal pairs.
fn escaped(value: &str) -> String {
    let mut text = String::new();
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        let is_special = matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\');
        let is_edge = character == ' ' && (at == 0 || at == last) || character == '#' && at == 0;
        if character.is_control() {
            let mut bytes = [0; 4];
            character.encode_utf8(&mut bytes).bytes().for_each(|byte| _ = write!(text, "\\{byte:02X}"));
            continue;
        }
        if is_special || is_edge {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// Formats an object identifier as numbers separated by dots.
fn dotted(identifier: &[u8]) -> String {
    let mut text = String::new();
    let mut number = 0u64;
    for byte in identifier {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        // The first encoded number combines the first two components: 40 * first + second, where the first is at most
        // 2.
        if text.is_empty() {
            let first = (number / 40).min(2);
            _ = write!(text, "{first}.{}", number - 40 * first);
        } else {
            _ = write!(text, ".{number}");
        }
        number = 0;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An encoded element with a short length.
    fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(contents.len()).unwrap()], contents].concat()
    }

    fn attribute(name: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        element(tag::SEQUENCE, &[element(tag::OBJECT_IDENTIFIER, name), element(tag, value)].concat())
    }

    fn name(parts: &[Vec<u8>]) -> Option<String> {
        let parts: Vec<u8> = parts.iter().flat_map(|attributes| element(tag::SET, attributes)).collect();
        text(&element(tag::SEQUENCE, &parts))
    }

    #[test]
    fn a_name_is_written_from_its_last_part_to_its_first() {
        let parts = [attribute(&[0x55, 4, 6], 0x13, b"DE"), attribute(&[0x55, 4, 3], 0x0c, "Zo\u{eb}".as_bytes())];
        assert_eq!(name(&parts).unwrap(), "CN=Zo\u{eb},C=DE");
        assert_eq!(name(&[]).unwrap(), "");
        let both = [attribute(&[0x55, 4, 10], 0x0c, b"A"), attribute(&[0x55, 4, 11], 0x1e, b"\x20\xac\0B")].concat();
        assert_eq!(name(&[both]).unwrap(), "O=A+OU=\u{20ac}B");
        assert_eq!(name(&[attribute(&[0x2a, 0x86, 0x48, 1], 0x0c, b"x")]).unwrap(), "1.2.840.1=x");
        assert_eq!(text(b"\x31\x00"), None);
    }

    #[test]
    fn characters_with_a_meaning_and_control_characters_are_escaped() {
        let common_name = |value: &str| name(&[attribute(&[0x55, 4, 3], 0x0c, value.as_bytes())]).unwrap();
        assert_eq!(common_name("a, b+c=\"\\<>;"), "CN=a\\, b\\+c=\\\"\\\\\\<\\>\\;");
        assert_eq!(common_name(" # "), "CN=\\ #\\ ");
        assert_eq!(common_name("#a"), "CN=\\#a");
        assert_eq!(common_name("a\nb\0\u{85}"), "CN=a\\0Ab\\00\\C2\\85");
    }
}
