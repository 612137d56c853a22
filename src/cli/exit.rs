//! How the program ends: its exit status and its final message.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use super::flags::NAME;
use super::help::usage;
use super::options::ExitCodes;
use super::words::shown;

/// The reason the program ends. With `--exit-codes fine`, the exit status is the variant's discriminant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// The program served until it was told to stop, or printed the help or its version.
    Success = 0,
    /// The program could not start or continue, for a reason that is not listed below.
    Failure = 1,
    /// The command line, an environment variable or the configuration file is invalid; nothing was started.
    Usage = 2,
    /// The address could not be bound: it is in use, forbidden, or not an address of this machine.
    Bind = 3,
    /// The directory, or a file that an option names, is missing, unreadable or not writable.
    File = 4,
    /// The certificate or its key is missing or invalid.
    Tls = 5,
    /// The program ended before all responses were complete.
    Cut = 6,
}

impl Code {
    /// The exit status. Without `--exit-codes fine`, it is 2 for invalid options and 1 for every other failure, as in
    /// Python's program, and responses that were not completed do not count as a failure.
    pub fn status(self, codes: ExitCodes) -> u8 {
        match (codes, self) {
            (ExitCodes::Coarse, Code::Bind | Code::File | Code::Tls) => Code::Failure as u8,
            (ExitCodes::Coarse, Code::Cut) => Code::Success as u8,
            (_, code) => code as u8,
        }
    }
}

/// An early exit from the program: the exit status and the text to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    code: Code,
    text: String,
}

impl Exit {
    /// A successful exit after `--help` or `--version`, with the requested text.
    pub fn success(text: impl Into<String>) -> Exit {
        Exit { code: Code::Success, text: text.into() }
    }

    /// A failure at startup or while running. `reason` should be one line that names what failed.
    ///
    /// ```
    /// use serve_forever::cli::Exit;
    /// assert_eq!(Exit::failure("cannot open 'site'").text(), "serve-forever: error: cannot open 'site'\n");
    /// ```
    pub fn failure(reason: impl Display) -> Exit {
        Exit::of(Code::Failure, reason)
    }

    /// An error with this code. Its text is one line: `serve-forever: error: ` and the reason.
    pub fn of(code: Code, reason: impl Display) -> Exit {
        Exit { code, text: format!("{NAME}: error: {reason}\n") }
    }

    /// Creates the error for a failed file operation, such as `cannot read 'FILE': ERROR`. `what` is the verb, here
    /// `read`.
    pub(super) fn cannot(what: &str, path: &Path, error: io::Error) -> Exit {
        Exit::of(Code::File, format_args!("cannot {what} '{}': {error}", shown(path.as_os_str())))
    }

    /// A command-line error: the usage followed by one line with the reason, as argparse prints them.
    pub fn usage(reason: impl Display) -> Exit {
        Exit { code: Code::Usage, text: format!("{}{NAME}: error: {reason}\n", usage()) }
    }

    /// An error in a setting from the environment or the configuration file. It is printed as one line, without the
    /// usage. `reason` must say where the setting is and why it is invalid.
    pub fn wrong(reason: impl Display) -> Exit {
        Exit::of(Code::Usage, reason)
    }

    /// The category of this exit, which determines the exit status.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The text to print, including the final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Only the reason, on one line, without the usage text or the program name.
    pub(super) fn reason(&self) -> &str {
        let line = self.text.lines().last().unwrap_or_default();
        line.strip_prefix(NAME).and_then(|line| line.strip_prefix(": error: ")).unwrap_or(line)
    }

    /// True if the text was requested and goes to standard output. False if it is an error and goes to standard error.
    pub fn is_output(&self) -> bool {
        self.code == Code::Success
    }

    /// Prints the text to its stream and returns the status. If text for standard output cannot be printed, the status
    /// indicates failure.
    #[must_use]
    pub fn report(self, codes: ExitCodes) -> std::process::ExitCode {
        let printed = if self.is_output() {
            let mut stdout = io::stdout().lock();
            stdout.write_all(self.text.as_bytes()).and_then(|()| stdout.flush())
        } else {
            io::stderr().lock().write_all(self.text.as_bytes())
        };
        match printed {
            // A shell script that reads the help or the version must be able to detect that the output failed.
            Err(_) if self.is_output() => Code::Failure.status(codes).into(),
            _ => self.code.status(codes).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_exit_has_its_status_and_stream() {
        let all = [Exit::success("x\n"), Exit::failure("x"), Exit::usage("x")];
        assert_eq!(all.each_ref().map(|exit| exit.code() as u8), [0, 1, 2]);
        assert_eq!(all.each_ref().map(Exit::is_output), [true, false, false]);
    }

    #[test]
    fn failures_have_their_own_statuses_only_if_they_are_asked_for() {
        use Code::*;
        let all = [Success, Failure, Usage, Bind, File, Tls, Cut];
        assert_eq!(all.map(|code| code.status(ExitCodes::Fine)), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(all.map(|code| code.status(ExitCodes::Coarse)), [0, 1, 2, 1, 1, 1, 0]);
    }

    #[test]
    fn a_failure_is_one_line_and_an_error_of_the_command_line_includes_the_usage() {
        assert_eq!(Exit::failure("no").text(), "serve-forever: error: no\n");
        let text = Exit::usage("no").text;
        assert!(text.starts_with("usage: serve-forever [-h]"), "{text}");
        assert!(text.ends_with("\nserve-forever: error: no\n"), "{text}");
        assert_eq!((Exit::failure("no").reason(), Exit::usage("no").reason()), ("no", "no"));
    }
}
