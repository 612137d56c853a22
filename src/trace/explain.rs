//! Writes a sentence for each event of a connection when the event occurs. The sentences are in `sentences.rs`.

use std::io::Write;

/// Selects the connections about which sentences are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explain {
    /// Sentences are written only about the connection with this number. Connections are numbered from 1 in the order
    /// of acceptance.
    Connection(u32),
    /// Sentences are written about all connections.
    All,
}

/// Writes sentences about the selected connections.
pub(super) struct Explainer {
    which: Explain,
    out: Box<dyn Write + Send>,
}

impl Explainer {
    pub(super) fn new(which: Explain, out: Box<dyn Write + Send>) -> Explainer {
        Explainer { which, out }
    }

    pub(super) fn is_about(&self, connection: u32) -> bool {
        match self.which {
            Explain::Connection(number) => number == connection,
            Explain::All => true,
        }
    }

    /// Writes a sentence about a connection. `nanos` is the time since it was accepted. `%s` and each `%d` are replaced
    /// by `values`, in order.
    pub(super) fn write(&mut self, connection: u32, nanos: u64, sentence: &str, values: &[String]) {
        let (seconds, micros) = (nanos / 1_000_000_000, nanos / 1000 % 1_000_000);
        let mut line = format!("[conn {connection} +{seconds}.{:03} {:03} s] ", micros / 1000, micros % 1000);
        let mut values = values.iter();
        let mut parts = sentence.split("%d").flat_map(|part| part.split("%s"));
        line.push_str(parts.next().unwrap_or_default());
        for part in parts {
            line.push_str(values.next().map_or("", String::as_str));
            line.push_str(part);
        }
        line.push('\n');
        // The line is written in one call, so that other writers cannot interleave with it. An error is ignored,
        // because the server must continue even without a reader.
        _ = self.out.write_all(line.as_bytes());
    }
}

/// Formats the time since the acceptance of the connection, rounded. The text contains no decimal point, because it
/// would look like the end of a sentence.
pub(super) fn moment(nanos: u64) -> String {
    let millis = (nanos + 500_000) / 1_000_000;
    if millis >= 10_000 { format!("+{} s", (millis + 500) / 1000) } else { format!("+{millis} ms") }
}
