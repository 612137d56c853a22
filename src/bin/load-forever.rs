//! The program `load-forever`. What stays out: everything but the call; see the module `load`.

use std::process::ExitCode;

fn main() -> ExitCode {
    serve_forever::load::run()
}
