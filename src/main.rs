//! The program `serve-forever`: see [`serve_forever::cli`].

fn main() -> std::process::ExitCode {
    serve_forever::cli::run(std::env::args_os().skip(1))
}
