//! The program `load-forever`. Its code is in the module `load`.

use std::process::ExitCode;

fn main() -> ExitCode {
    serve_forever::load::run()
}
