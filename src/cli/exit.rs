//! How the program ends: a status, and the last text it prints.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use super::flags::NAME;
use super::help::usage;
use super::words::shown;

/// The exit statuses of the program: all there are (contract rows CL13, CL17, B27).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// It did what was asked for, be it serving until a signal came or printing help.
    Success = 0,
    /// It could not start, or not go on: the port is taken, the directory is missing.
    Failure = 1,
    /// The command line, a variable of the environment or the configuration file is wrong; nothing was started.
    Usage = 2,
}

impl From<Code> for std::process::ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// An end of the program, with what it has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    code: Code,
    text: String,
}

impl Exit {
    /// An end that somebody asked for: `--help`, `--version`.
    pub fn success(text: impl Into<String>) -> Exit {
        Exit { code: Code::Success, text: text.into() }
    }

    /// A failed start or run. The reason should name the thing that failed, on one line.
    ///
    /// ```
    /// use serve_forever::cli::Exit;
    /// assert_eq!(Exit::failure("cannot open 'site'").text(), "serve-forever: error: cannot open 'site'\n");
    /// ```
    pub fn failure(reason: impl Display) -> Exit {
        Exit { code: Code::Failure, text: format!("{NAME}: error: {reason}\n") }
    }

    /// `cannot read 'FILE': ...`.
    pub(super) fn cannot(what: &str, path: &Path, error: io::Error) -> Exit {
        Exit::failure(format_args!("cannot {what} '{}': {error}", shown(path.as_os_str())))
    }

    /// A wrong command line: the usage, and below it one line with the reason, as argparse prints them.
    pub fn usage(reason: impl Display) -> Exit {
        Exit { code: Code::Usage, text: format!("{}{NAME}: error: {reason}\n", usage()) }
    }

    /// A wrong setting that is not on the command line: one line with the place and the reason.
    pub fn wrong(reason: impl Display) -> Exit {
        Exit { code: Code::Usage, text: format!("{NAME}: error: {reason}\n") }
    }

    /// The status.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The text, with the newline at its end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is wrong, without the usage and the program's name: one line.
    pub(super) fn reason(&self) -> &str {
        let line = self.text.lines().last().unwrap_or_default();
        line.strip_prefix(NAME).and_then(|line| line.strip_prefix(": error: ")).unwrap_or(line)
    }

    /// Whether the text is an answer, for standard output, and not a complaint, for standard error.
    pub fn is_answer(&self) -> bool {
        self.code == Code::Success
    }

    /// Prints the text where it belongs and returns the status. An answer that could not be printed is a failure.
    #[must_use]
    pub fn report(self) -> std::process::ExitCode {
        let printed = if self.is_answer() {
            let mut stdout = io::stdout().lock();
            stdout.write_all(self.text.as_bytes()).and_then(|()| stdout.flush())
        } else {
            io::stderr().lock().write_all(self.text.as_bytes())
        };
        match printed {
            Err(_) if self.is_answer() => Code::Failure.into(),
            _ => self.code.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_streams() {
        let all = [Exit::success("x\n"), Exit::failure("x"), Exit::usage("x")];
        assert_eq!(all.each_ref().map(|exit| exit.code() as u8), [0, 1, 2]);
        assert_eq!(all.each_ref().map(Exit::is_answer), [true, false, false]);
    }

    #[test]
    fn a_failure_is_one_line_and_a_wrong_command_line_shows_the_usage() {
        assert_eq!(Exit::failure("no").text(), "serve-forever: error: no\n");
        let text = Exit::usage("no").text;
        assert!(text.starts_with("usage: serve-forever [-h]"), "{text}");
        assert!(text.ends_with("\nserve-forever: error: no\n"), "{text}");
        assert_eq!((Exit::failure("no").reason(), Exit::usage("no").reason()), ("no", "no"));
    }
}
