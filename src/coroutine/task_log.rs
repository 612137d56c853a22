//! `TaskLog`: the lines that a handler has logged and its connection has not yet written to the server's log.

/// The maximum number of lines that are kept until the connection writes them to the log.
const MAX_LINES: usize = 256;

/// A limited number of log lines. Lines beyond the limit are dropped and counted.
#[derive(Debug, Default)]
pub(crate) struct TaskLog {
    lines: Vec<String>,
    dropped: usize,
}

impl TaskLog {
    /// Adds a line, or counts it as dropped if there are too many lines.
    pub(crate) fn add(&mut self, line: String) {
        if self.lines.len() < MAX_LINES { self.lines.push(line) } else { self.dropped += 1 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Takes all lines. If any were dropped, one more line says how many.
    pub(crate) fn take(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.lines);
        if self.dropped > 0 {
            lines.push(format!("{} log lines dropped", std::mem::take(&mut self.dropped)));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_beyond_the_bound_are_counted_and_dropped() {
        let mut log = TaskLog::default();
        (0..MAX_LINES + 10).for_each(|number| log.add(number.to_string()));
        let lines = log.take();
        assert_eq!(lines.len(), MAX_LINES + 1);
        assert_eq!(lines[MAX_LINES - 1..], [(MAX_LINES - 1).to_string(), "10 log lines dropped".to_owned()]);
        assert!(log.is_empty() && log.take().is_empty(), "the dropped lines are reported once");
        log.add("room again".to_owned());
        assert!(!log.is_empty());
        assert_eq!(log.take(), ["room again"]);
    }
}
