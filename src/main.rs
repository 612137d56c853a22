//! The program `serve-forever`. Its code is in [`serve_forever::cli`].

fn main() -> std::process::ExitCode {
    serve_forever::cli::run(std::env::args_os().skip(1))
}
