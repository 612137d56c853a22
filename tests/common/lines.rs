//! The lines of a dialogue in `tests/wire`, and their escapes. The code that reads a line documents its meaning.

/// The bytes of a line after its first character: with CRLF, or unchanged after `|`.
pub fn bytes_of(line: &str) -> Vec<u8> {
    match line.strip_prefix("| ") {
        Some(exact) => unescaped(exact),
        None => [unescaped(line.strip_prefix(' ').unwrap_or(line)), b"\r\n".to_vec()].concat(),
    }
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let escape = rest.chars().next().expect("an escape has a letter");
        rest = &rest[1..];
        match escape {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            '\\' => bytes.push(b'\\'),
            'x' => {
                bytes.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                rest = &rest[2..];
            }
            '{' => {
                let (inside, behind) = rest.split_once('}').unwrap();
                let (part, count) = inside.rsplit_once('*').unwrap();
                bytes.extend(unescaped(part).repeat(count.parse().unwrap()));
                rest = behind;
            }
            other => panic!("no escape is called {other}"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
