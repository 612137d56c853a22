//! Finds faults of the loop in a trace that `serve-forever --trace FILE` has written:
//!
//! ```text
//! cargo run --example trace_check -- FILE
//! ```
//!
//! It prints each fault with the number of its line, and ends with status 1 if there is one.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: trace_check FILE");
        return ExitCode::from(2);
    };
    let trace = match std::fs::read_to_string(&path) {
        Ok(trace) => trace,
        Err(error) => {
            eprintln!("trace_check: cannot read {}: {error}", path.display());
            return ExitCode::from(2);
        }
    };
    let faults = serve_forever::trace::faults(&trace);
    faults.iter().for_each(|fault| println!("{fault}"));
    println!("{} events, {} faults", trace.lines().count().saturating_sub(1), faults.len());
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
