//! A writer that calls a function with each log line. It works for all log formats.

use std::io::{self, Write};

/// Calls a function with each line that is written to it, without the newline.
pub(super) struct LineWriter<F> {
    pub(super) receive: F,
    /// The beginning of a line whose newline has not been written yet.
    pub(super) begun: Vec<u8>,
}

impl<F: FnMut(&str)> Write for LineWriter<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        let end = memchr::memrchr(b'\n', &self.begun).map_or(0, |at| at + 1);
        let lines = String::from_utf8_lossy(&self.begun[..end]);
        lines.lines().for_each(&mut self.receive);
        drop(lines);
        self.begun.drain(..end);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_received_whole_however_they_are_written() {
        let mut received = Vec::new();
        let mut writer = LineWriter { receive: |line: &str| received.push(line.to_owned()), begun: Vec::new() };
        for piece in [&b"on"[..], b"e\ntwo\nth", b"ree", b"\n\n", b"\xff\n", b"four"] {
            writer.write_all(piece).unwrap();
        }
        assert_eq!(received, ["one", "two", "three", "", "\u{fffd}"]);
    }
}
