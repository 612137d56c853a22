//! The statistics report in the text format of Prometheus, version 0.0.4. Its counters are never reset, as Prometheus
//! expects.

use std::fmt::{Display, Write};

use super::Statistics;
use super::json::seconds;

/// The text of the report, which consists of metric families. Each family is a header followed by samples.
struct Exposition(String);

impl Exposition {
    /// Writes the header of a metric family: its help text and its type. Prefixes `name` with the name of the program.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writes to a string cannot fail.
        _ = write!(self.0, "# HELP serve_forever_{name} {help}\n# TYPE serve_forever_{name} {kind}\n");
    }

    /// Writes one sample of a family. `labels` is empty or has the form `{name="value"}`.
    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        _ = writeln!(self.0, "serve_forever_{name}{labels} {value}");
    }

    /// Writes a family that has one sample, without labels.
    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, "", value);
    }

    /// Writes a family of counters, one for each value of `label`.
    fn labelled<L: Display>(&mut self, name: &str, help: &str, label: &str, all: impl IntoIterator<Item = (L, u64)>) {
        self.family(name, "counter", help);
        for (value, count) in all {
            self.sample(name, &format!("{{{label}=\"{value}\"}}"), count);
        }
    }
}

impl Statistics {
    /// Formats the counters in the text format of Prometheus.
    pub fn to_prometheus(&self) -> String {
        let mut page = Exposition(String::with_capacity(8192));
        page.single("connections_accepted_total", "counter", "Accepted connections.", self.accepted.get());
        page.single("connections_refused_total", "counter", "Connections closed without a byte.", self.refused.get());
        page.single("connections_open", "gauge", "Open connections.", self.open_connections());
        page.labelled("connections_closed_total", "Ended connections by reason.", "reason", self.closed());
        page.labelled("requests_total", "Final responses by status.", "status", self.by_status());
        page.single("requests_in_flight", "gauge", "Requests whose response is not complete.", self.in_flight());
        let bytes = [("in", self.bytes_in.get()), ("out", self.bytes_out.get())];
        page.labelled("bytes_total", "Bytes received and sent on connections.", "direction", bytes);
        self.add_turns(&mut page);
        let would_block = [("read", self.read_would_block.get()), ("write", self.write_would_block.get())];
        page.labelled("would_block_total", "Calls that returned WouldBlock.", "verb", would_block);
        page.single("short_writes_total", "counter", "Writes of fewer bytes than asked for.", self.short_writes.get());
        page.single("buffers_bytes", "gauge", "Memory of the buffers of all connections.", self.buffers.get());
        page.single("log_dropped_total", "counter", "Lines that the log has dropped.", self.log_dropped.get());
        page.labelled("faults_total", "Faults made on purpose, by kind.", "kind", self.faults());
        page.0
    }

    fn add_turns(&self, page: &mut Exposition) {
        page.single("loop_events_total", "counter", "Events of the poll.", self.events.get());
        page.single("loop_sleeps_total", "counter", "Turns that waited for events.", self.sleeps.get());
        page.family("turn_seconds", "histogram", "Time of a turn of the loop without its sleep.");
        let mut count = 0;
        for (bound, below) in self.turn_times.cumulative() {
            let bound = bound.map_or("+Inf".to_owned(), seconds);
            page.sample("turn_seconds_bucket", &format!("{{le=\"{bound}\"}}"), below);
            count = below;
        }
        page.sample("turn_seconds_sum", "", seconds(self.turn_times.sum()));
        page.sample("turn_seconds_count", "", count);
    }
}
