//! What a script says on standard error, as lines for the log.

/// No more of a line is logged than this; the rest of it is left out.
const LINE: usize = 1024;

/// No more of one script is logged than this, so that a script that complains without end does not push everything
/// else out of the log.
const MOST: usize = 64 * 1024;

/// What a line costs beside its text: the log puts an address, a date and a name before it.
const COST: usize = 64;

/// Takes bytes and gives lines.
#[derive(Debug, Default)]
pub(super) struct StderrLines {
    line: Vec<u8>,
    taken: usize,
    silenced: bool,
}

impl StderrLines {
    /// Takes more bytes and hands over each line that is complete, or as long as a line may be.
    pub(super) fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < piece.len() {
                self.end(&mut each);
            }
        }
    }

    /// Hands over what is left without a line's end.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&str)) {
        if !self.line.is_empty() {
            self.end(&mut each);
        }
    }

    fn end(&mut self, each: &mut impl FnMut(&str)) {
        if !self.silenced {
            self.taken += self.line.len() + COST;
            self.silenced = self.taken > MOST;
            let text = String::from_utf8_lossy(&self.line);
            each(if self.silenced { "(more is left out)" } else { text.trim_end_matches('\r') });
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut got) = (StderrLines::default(), Vec::new());
        for piece in pieces {
            lines.feed(piece, |line| got.push(line.to_owned()));
        }
        lines.finish(|line| got.push(line.to_owned()));
        got
    }

    #[test]
    fn lines_come_out_however_they_come_in() {
        assert_eq!(lines(&[b"one\ntw", b"o\r\n", b"\nlast"]), ["one", "two", "", "last"]);
        assert_eq!(lines(&[b"\xff\n"]), ["\u{fffd}"]);
        assert_eq!(lines(&[]), [""; 0]);
    }

    #[test]
    fn a_long_line_and_a_long_complaint_are_cut() {
        let long = [b'x'; 5000];
        assert_eq!(lines(&[&long, &long, b"\nshort"]), ["x".repeat(LINE), "short".to_owned()]);
        let many = lines(&[&b"12345678\n".repeat(20_000)]);
        assert_eq!(many.len(), MOST / 72 + 1);
        assert_eq!(many.last().unwrap(), "(more is left out)");
    }
}
