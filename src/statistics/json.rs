//! The statistics report as one JSON object. The only text among the values is the nonce. It needs no escaping, because
//! the program generates it.

use std::fmt::{self, Display, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Statistics;

impl Statistics {
    /// Formats all values as one JSON object, on one line that ends in a newline.
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(2048);
        // A write to a string cannot fail.
        _ = self.write_json(&mut text);
        text.push('\n');
        text
    }

    fn write_json(&self, out: &mut String) -> fmt::Result {
        let (version, pid, nonce) = (env!("CARGO_PKG_VERSION"), std::process::id(), self.nonce.escape_default());
        let uptime = seconds(self.uptime());
        write!(out, "{{\"version\":\"{version}\",\"pid\":{pid},\"nonce\":\"{nonce}\",\"uptime_s\":{uptime},")?;
        let (accepted, open, refused) = (self.accepted.get(), self.open_connections(), self.refused.get());
        write!(out, "\"connections\":{{\"accepted\":{accepted},\"open\":{open},\"refused\":{refused},\"closed\":")?;
        object(out, self.closed())?;
        let total: u64 = self.by_status().map(|(_, count)| count).sum();
        write!(out, "}},\"requests\":{{\"total\":{total},\"by_status\":")?;
        object(out, self.by_status())?;
        write!(out, ",\"in_flight\":{}}},", self.in_flight())?;
        write!(out, "\"bytes\":{{\"in\":{},\"out\":{}}},", self.bytes_in.get(), self.bytes_out.get())?;
        self.write_loop(out)?;
        let (bytes, most) = (self.buffers.get(), self.most_buffers.get());
        write!(out, "\"buffers\":{{\"bytes\":{bytes},\"max\":{most}}},\"backlog_max\":{},", self.most_accepted.get())?;
        write!(out, "\"log_dropped\":{},\"faults\":", self.log_dropped.get())?;
        object(out, self.faults())?;
        let time = |time: SystemTime| seconds(time.duration_since(UNIX_EPOCH).unwrap_or_default());
        write!(out, ",\"time\":{{\"start\":{},\"now\":{}}}}}", time(self.started_at), time(self.now()))
    }

    fn write_loop(&self, out: &mut String) -> fmt::Result {
        let (turns, events, sleeps) = (self.turns.get(), self.events.get(), self.sleeps.get());
        let times = &self.turn_times;
        let busy = seconds(times.sum());
        write!(out, "\"loop\":{{\"turns\":{turns},\"events\":{events},\"sleeps\":{sleeps},\"busy_s\":{busy},")?;
        let [p50, p90, p99] = [50, 90, 99].map(|percent| micros(times.percentile(percent)));
        let max = micros(times.largest());
        write!(out, "\"turn_us\":{{\"p50\":{p50},\"p90\":{p90},\"p99\":{p99},\"max\":{max}}},")?;
        let (read, write) = (self.read_would_block.get(), self.write_would_block.get());
        write!(out, "\"runnable_max\":{},\"would_block\":{{", self.most_runnable.get())?;
        write!(out, "\"read\":{read},\"write\":{write}}},\"short_writes\":{}}},", self.short_writes.get())
    }
}

/// Writes names and numbers as a JSON object.
fn object<N: Display>(out: &mut String, members: impl IntoIterator<Item = (N, u64)>) -> fmt::Result {
    let mut before = '{';
    for (name, count) in members {
        write!(out, "{before}\"{name}\":{count}")?;
        before = ',';
    }
    out.push_str(if before == '{' { "{}" } else { "}" });
    Ok(())
}

/// Formats a duration as seconds with nine digits after the decimal point, which is a JSON number.
pub(super) fn seconds(time: Duration) -> String {
    format!("{}.{:09}", time.as_secs(), time.subsec_nanos())
}

/// Formats a duration as microseconds with three digits after the decimal point.
fn micros(time: Duration) -> String {
    let nanos = time.as_nanos();
    format!("{}.{:03}", nanos / 1000, nanos % 1000)
}
