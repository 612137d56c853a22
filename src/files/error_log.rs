//! Log lines about files that cannot be served. They are kept until the end of the turn, when the server logs them.

/// The log lines of one turn of the loop.
#[derive(Debug, Default)]
pub(crate) struct ErrorLog {
    texts: Vec<String>,
}

/// The maximum number of lines per turn; further lines are dropped. The limit is needed because clients can make any
/// number of requests fail.
const MAX_LINES: usize = 8;

impl ErrorLog {
    /// Adds a line, unless the turn already has [`MAX_LINES`] lines.
    pub(crate) fn push(&mut self, text: String) {
        if self.texts.len() < MAX_LINES {
            self.texts.push(text);
        }
    }

    /// Passes every line to `note` in order, and then clears the log.
    pub(crate) fn drain(&mut self, note: impl FnMut(&str)) {
        self.texts.iter().map(String::as_str).for_each(note);
        self.texts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_turn_are_bounded_and_drained_once() {
        let mut log = ErrorLog::default();
        (0..100).for_each(|number| log.push(number.to_string()));
        let mut noted = Vec::new();
        log.drain(|text| noted.push(text.to_owned()));
        log.drain(|text| panic!("{text} again"));
        assert_eq!(noted, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    }
}
