//! The report as plain text, for a terminal.

use std::io::{self, Write};

use super::figures::{LoadSummary, PERCENTILES};
use super::options::LoadOptions;
use super::schedule::SendSchedule;
use super::units::time_text;

/// Writes the report to `out`.
pub(super) fn write(out: &mut impl Write, options: &LoadOptions, summary: &LoadSummary<'_>) -> io::Result<()> {
    let figures = summary.figures;
    let seconds = figures.measured.as_secs_f64();
    writeln!(out, "{}", loop_text(options))?;
    writeln!(out, "{} responses in {seconds:.2} s, {:.1} a second", summary.responses, summary.rate)?;
    writeln!(out, "{} sent, {} answered, {} connections", figures.sent, figures.answered, figures.connections)?;
    let mebibytes = figures.body_bytes as f64 / f64::from(1 << 20);
    writeln!(out, "{mebibytes:.2} MiB of bodies, {:.2} a second", mebibytes / seconds.max(f64::MIN_POSITIVE))?;
    for (status, count) in &figures.statuses {
        writeln!(out, "  status {status}: {count}")?;
    }
    for (kind, count) in &figures.errors {
        writeln!(out, "  error {kind}: {count}")?;
    }
    write_latency(out, summary)?;
    if !figures.connect.is_empty() {
        let (median, most) = (figures.connect.value_at_percentile(50.0), figures.connect.max());
        writeln!(out, "connecting: p50 {}, max {}", time_text(median as f64), time_text(most as f64))?;
    }
    writeln!(
        out,
        "this program: {:.0} % of a processor, {:.2} us a response",
        summary.cpu_share * 100.0,
        figures.cpu.as_secs_f64() * 1e6 / summary.responses.max(1) as f64
    )?;
    if let Some(reason) = summary.bottleneck() {
        writeln!(out, "warning: {reason}")?;
    }
    Ok(())
}

fn loop_text(options: &LoadOptions) -> String {
    let (connections, pipeline) = (options.connections, options.pipeline);
    match options.schedule {
        SendSchedule::Open { rate } => {
            format!("open loop: {rate} requests a second over {connections} connections, {pipeline} in flight on each")
        }
        SendSchedule::Closed => {
            format!("closed loop: {connections} connections, {pipeline} requests in flight on each")
        }
    }
}

fn write_latency(out: &mut impl Write, summary: &LoadSummary<'_>) -> io::Result<()> {
    let raw = &summary.figures.latency;
    let corrected = summary.corrected.as_ref();
    match corrected {
        Some(_) => writeln!(
            out,
            "latency          raw    corrected for one request in {} on each slot",
            time_text(summary.expected_interval as f64)
        )?,
        None => writeln!(out, "latency from when each request was due")?,
    }
    for percentile in PERCENTILES {
        let name = if percentile == 100.0 { "max".to_owned() } else { format!("p{percentile}") };
        write!(out, "  {name:<7}{:>11}", time_text(raw.value_at_percentile(percentile) as f64))?;
        match corrected {
            Some(corrected) => writeln!(out, "{:>13}", time_text(corrected.value_at_percentile(percentile) as f64))?,
            None => writeln!(out)?,
        }
    }
    writeln!(out, "  mean   {:>11}", time_text(raw.mean()))
}
