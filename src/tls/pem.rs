//! Decodes the blocks of a PEM file (RFC 7468). Text around the blocks is ignored.
//!
//! The callers interpret the contents of the blocks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// One PEM block: the decoded bytes between `-----BEGIN LABEL-----` and `-----END LABEL-----`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PemBlock {
    /// The text after `BEGIN`, such as `CERTIFICATE`.
    pub(super) label: String,
    /// The `Name: value` lines before the first empty line. Only encrypted keys in the older format have them.
    pub(super) headers: Vec<(String, String)>,
    pub(super) contents: Vec<u8>,
}

impl PemBlock {
    /// The value of the header with this name, which is case-sensitive.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The error for a block that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadPem {
    /// The 1-based number of the line at which the block begins.
    pub(super) line: usize,
    pub(super) why: &'static str,
}

/// The blocks of a file, in order. Lines may end in CRLF and may be indented.
pub(super) fn blocks(file: &[u8]) -> Result<Vec<PemBlock>, BadPem> {
    // The text outside the blocks may be in any encoding, so each line is checked separately.
    let line = |bytes| std::str::from_utf8(bytes).unwrap_or_default().trim();
    let file = file.strip_prefix("\u{feff}".as_bytes()).unwrap_or(file);
    let mut lines = file.split(|byte| *byte == b'\n').map(line).enumerate();
    let mut blocks = Vec::new();
    while let Some((at, first)) = lines.next() {
        let Some(label) = label(first, "-----BEGIN ") else { continue };
        let bad = |why| BadPem { line: at + 1, why };
        let mut inside = Vec::new();
        loop {
            let (_, line) = lines.next().ok_or(bad("the block has no end"))?;
            match line.strip_prefix("-----END ") {
                Some(_) if self::label(line, "-----END ") == Some(label) => break,
                Some(_) => return Err(bad("the block ends with another label")),
                None => inside.push(line),
            }
        }
        blocks.push(block(label, &inside).ok_or(bad("the block is not base64"))?);
    }
    Ok(blocks)
}

/// Extracts the label from the first or last line of a block.
fn label<'l>(line: &'l str, prefix: &str) -> Option<&'l str> {
    line.strip_prefix(prefix)?.strip_suffix("-----")
}

/// Decodes the lines of a block. `None` if they are not valid base64.
fn block(label: &str, lines: &[&str]) -> Option<PemBlock> {
    let headers: Vec<(String, String)> = lines.iter().map_while(|line| line.split_once(':')).map(trimmed).collect();
    let base64: String = lines[headers.len()..].iter().flat_map(|line| line.split_whitespace()).collect();
    Some(PemBlock { label: label.to_owned(), headers, contents: STANDARD.decode(base64).ok()? })
}

fn trimmed((name, value): (&str, &str)) -> (String, String) {
    (name.trim().to_owned(), value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_between_other_text_with_either_line_end() {
        let file = b"\xef\xbb\xbf-----BEGIN A B-----\r\nAQ\r\nI=\r\n-----END A B-----\r\n\xffsubject=x\n\
                     -----BEGIN C-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: X,00\n\n Aw== \n-----END C-----";
        let found = blocks(file).unwrap();
        let headers = vec![("Proc-Type".into(), "4,ENCRYPTED".into()), ("DEK-Info".into(), "X,00".into())];
        assert_eq!(
            found,
            [
                PemBlock { label: "A B".into(), headers: vec![], contents: vec![1, 2] },
                PemBlock { label: "C".into(), headers, contents: vec![3] },
            ]
        );
        assert_eq!((found[1].header("DEK-Info"), found[0].header("DEK-Info")), (Some("X,00"), None));
        assert_eq!(blocks(b"\xff\xfe-\0-\0"), Ok(vec![]));
    }

    #[test]
    fn a_block_that_cannot_be_decoded_is_named_by_its_first_line() {
        let bad = |file: &str| blocks(file.as_bytes()).map_err(|bad| (bad.line, bad.why)).unwrap_err();
        assert_eq!(bad("x\n-----BEGIN A-----\nAQI="), (2, "the block has no end"));
        assert_eq!(bad("-----BEGIN A-----\nA*==\n-----END A-----"), (1, "the block is not base64"));
        assert_eq!(bad("\n\n-----BEGIN A-----\n-----END B-----\n"), (3, "the block ends with another label"));
    }
}
