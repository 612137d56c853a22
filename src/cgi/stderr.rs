//! Splits a script's standard error into lines for the log.
//!
//! The pipe is read in `child`, and the log escapes the lines.

/// The maximum number of bytes logged per line. The rest of a longer line is dropped.
const LINE: usize = 1024;

/// The maximum number of bytes logged from one script's standard error. Without this limit, a script that writes
/// endlessly would flood the log.
const MOST: usize = 64 * 1024;

/// The number of bytes charged against [`MOST`] for each line in addition to its text, because the log adds an address,
/// a date and a name.
const COST: usize = 64;

/// Splits a script's standard error into lines, and limits their length and their total size.
#[derive(Debug, Default)]
pub(super) struct StderrLines {
    /// The incomplete line, up to [`LINE`] bytes.
    line: Vec<u8>,
    /// The number of bytes charged against [`MOST`] so far.
    taken: usize,
    /// True once `taken` has exceeded [`MOST`]. The line that caused this is replaced with a notice, and all further
    /// lines are dropped.
    silenced: bool,
}

impl StderrLines {
    /// Adds bytes and calls `each` with every line that they complete, truncated to [`LINE`] bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            // Bytes beyond the limit are dropped, but the end of the line must still be found.
            let room = LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < piece.len() {
                self.end(&mut each);
            }
        }
    }

    /// Calls `each` with the last line if it does not end in a newline.
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
            each(if self.silenced { "(further output dropped)" } else { text.trim_end_matches('\r') });
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
    fn lines_may_be_split_between_reads() {
        assert_eq!(lines(&[b"one\ntw", b"o\r\n", b"\nlast"]), ["one", "two", "", "last"]);
        assert_eq!(lines(&[b"\xff\n"]), ["\u{fffd}"]);
        assert_eq!(lines(&[]), [""; 0]);
    }

    #[test]
    fn long_lines_and_long_output_are_cut() {
        let long = [b'x'; 5000];
        assert_eq!(lines(&[&long, &long, b"\nshort"]), ["x".repeat(LINE), "short".to_owned()]);
        let many = lines(&[&b"12345678\n".repeat(20_000)]);
        assert_eq!(many.len(), MOST / 72 + 1);
        assert_eq!(many.last().unwrap(), "(further output dropped)");
        // Lines that reach the limit exactly are all logged.
        let line = [vec![b'x'; 64], vec![b'\n']].concat();
        let count = MOST / (64 + COST);
        assert_eq!(lines(&[&line.repeat(count)]), vec!["x".repeat(64); count]);
    }
}
