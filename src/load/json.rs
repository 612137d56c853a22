//! The report as JSON, including the whole histogram.

use std::io::{self, Write};
use std::path::Path;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::figures::{LoadSummary, PERCENTILES};
use super::options::LoadOptions;
use super::schedule::SendSchedule;
use super::units::named;

/// Writes the figures to a file; `-` is standard output.
pub(super) fn write(file: &Path, options: &LoadOptions, summary: &LoadSummary<'_>) -> io::Result<()> {
    let text = format!("{:#}\n", value(options, summary));
    if file.as_os_str() == "-" {
        return io::stdout().write_all(text.as_bytes());
    }
    std::fs::write(file, text).map_err(|error| named(error, file))
}

/// The report as a JSON object. The name of each time contains its unit: `us` for microseconds, `s` for seconds.
fn value(options: &LoadOptions, summary: &LoadSummary<'_>) -> Value {
    let figures = summary.figures;
    let rate = match options.schedule {
        SendSchedule::Open { rate } => json!(rate),
        SendSchedule::Closed => Value::Null,
    };
    json!({
        "loop": if figures.is_open { "open" } else { "closed" },
        "rate": rate,
        "connections": options.connections,
        "pipeline": options.pipeline,
        "measured_s": figures.measured.as_secs_f64(),
        "responses": summary.responses,
        "responses_per_s": summary.rate,
        "sent": figures.sent,
        "answered": figures.answered,
        "connections_made": figures.connections,
        "body_bytes": figures.body_bytes,
        "read_bytes": figures.read_bytes,
        "statuses": counts(figures.statuses.iter().map(|(status, count)| (status.to_string(), *count))),
        "errors": counts(figures.errors.iter().map(|(kind, count)| ((*kind).to_owned(), *count))),
        "latency_us": distribution(&figures.latency),
        "corrected_latency_us": summary.corrected.as_ref().map(distribution),
        "expected_interval_us": summary.corrected.as_ref().map(|_| summary.expected_interval),
        "connect_us": distribution(&figures.connect),
        "generator": {
            "cpu_share": summary.cpu_share,
            "late": figures.late,
            "bottleneck": summary.bottleneck(),
        },
    })
}

fn counts(pairs: impl Iterator<Item = (String, u64)>) -> Value {
    Value::Object(pairs.map(|(name, count)| (name, json!(count))).collect::<Map<_, _>>())
}

/// The percentiles and the mean of a histogram, and all pairs of a recorded value and its count.
fn distribution(histogram: &Histogram<u64>) -> Value {
    let percentile = |percentile: f64| (format!("p{percentile}"), json!(histogram.value_at_percentile(percentile)));
    let mut all: Map<String, Value> = PERCENTILES.into_iter().map(percentile).collect();
    all.insert("mean".to_owned(), json!(histogram.mean()));
    let recorded = histogram.iter_recorded();
    let pairs = recorded.map(|value| json!([value.value_iterated_to(), value.count_at_value()]));
    all.insert("histogram".to_owned(), pairs.collect());
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::figures::{histogram, record};
    use super::*;

    #[test]
    fn the_histogram_is_complete() {
        let mut times = histogram();
        for micros in [5, 5, 5, 1000, 70_000] {
            record(&mut times, Duration::from_micros(micros));
        }
        let value = distribution(&times);
        let counts = value["histogram"].as_array().unwrap().iter().map(|pair| pair[1].as_u64().unwrap());
        assert_eq!(counts.collect::<Vec<_>>(), [3, 1, 1]);
        assert_eq!((value["p50"].as_u64(), value["histogram"][0][0].as_u64()), (Some(5), Some(5)));
    }
}
