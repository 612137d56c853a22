//! The program `load-forever`. Not here: everything but the call; see the module `load`.

use std::process::ExitCode;

fn main() -> ExitCode {
    serve_forever::load::run()
}
