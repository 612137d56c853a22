//! The program `load-forever`. It only calls the module `load`.

use std::process::ExitCode;

fn main() -> ExitCode {
    serve_forever::load::run()
}
