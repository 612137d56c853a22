//! `load-forever`: a load generator that uses the client's protocol state machine and one poll, on one thread.
//!
//! In the *closed loop*, a connection sends its next request when a response is complete, so a slow server receives
//! less load, and the figures do not show its stalls. In the *open loop* (`--rate`), request `k` is due at `start + k /
//! rate` regardless of the server, and its latency counts from that time. A stall of one second is thus visible in the
//! latency of every request that was due during it. For closed loops, the report also contains corrected latencies,
//! which include the requests that a stall has prevented.
//!
//! The generator does not use the server's reactor and handlers, because the reactor accepts connections, whereas the
//! generator opens them.

mod assertion;
mod connection;
mod figures;
mod generator;
mod json;
mod options;
mod plan;
mod report;
mod schedule;
mod stream;
mod svg;
mod target_url;
#[cfg(test)]
mod tests;
mod timer;
#[cfg(feature = "tls")]
mod trust;
mod units;

use std::io::{self, Write};
use std::process::ExitCode;

use figures::LoadSummary;
use generator::Generator;
use options::LoadOptions;

/// The exit status after an assertion failed, or if no response was complete.
const FAILED: u8 = 1;

/// The exit status after an error in the command line, or if the run could not be prepared or completed.
const USAGE: u8 = 2;

/// Runs the program: parses the command line, measures, and reports.
pub fn run() -> ExitCode {
    let options = match LoadOptions::parse(std::env::args_os()) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    match measure(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            // NOTE: standard error may be closed; the exit status still reports the failure.
            _ = writeln!(io::stderr(), "load-forever: error: {error}");
            ExitCode::from(USAGE)
        }
    }
}

/// Runs the generator, and writes the reports. Returns false if an assertion failed, or if no response was complete.
fn measure(options: &LoadOptions) -> io::Result<bool> {
    let plan = options.plan()?;
    let figures = Generator::new(&plan, options)?.run()?;
    let summary = LoadSummary::new(&figures);
    if let Some(file) = &options.json {
        json::write(file, options, &summary)?;
    }
    if let Some(file) = &options.svg {
        std::fs::write(file, svg::draw(&summary)).map_err(|error| units::named(error, file))?;
    }
    let mut out = io::stdout().lock();
    if !options.quiet {
        report::write(&mut out, options, &summary)?;
    }
    let mut holds = summary.responses > 0;
    if !holds {
        writeln!(out, "no response was complete")?;
    }
    for assertion in &options.assertions {
        let checked = assertion.check(&summary);
        writeln!(out, "{checked}")?;
        holds &= checked.holds;
    }
    Ok(holds)
}
