//! The table of flags: the only place where a flag is written down.

use std::ffi::OsStr;
use std::fmt;

use super::options::{Options, Understood};

/// The name under which the program speaks of itself, whatever it was started as.
pub(super) const NAME: &str = "serve-forever";

/// The version that `--version` prints.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the program is, in one sentence: the help and the manual page begin with it.
pub(super) const ABOUT: &str = "Serve the files of a directory over HTTP.";

/// One flag, or the positional argument.
#[derive(Debug)]
pub(super) struct Flag {
    /// The name behind `--`. The positional argument is named as it is shown.
    pub(super) name: &'static str,
    /// The letter behind `-`.
    pub(super) letter: Option<char>,
    /// What it takes, and what that does to the options.
    pub(super) action: Action,
    /// What it is for, in a line or two of `--help`.
    pub(super) help: &'static str,
    /// What else there is to know: in the manual page it follows the help.
    pub(super) more: &'static str,
}

/// What a flag takes. The words are the names of the values, as the usage shows them.
#[derive(Debug)]
pub(super) enum Action {
    /// Prints the help and ends the program.
    Help,
    /// Prints the version and ends the program.
    Version,
    /// Takes nothing.
    Switch(fn(&mut Options)),
    /// Takes one value. If the flag is repeated the last one counts.
    One(&'static str, fn(&mut Options, &OsStr) -> Understood),
    /// Takes two values. If the flag is repeated all count.
    Two([&'static str; 2], fn(&mut Options, &OsStr, &OsStr) -> Understood),
    /// Is a value itself, and may be missing.
    Positional(fn(&mut Options, &OsStr) -> Understood),
}

/// All of them, in the order in which they are shown.
pub(super) const FLAGS: &[Flag] = &[
    Flag {
        name: "port",
        letter: None,
        action: Action::Positional(Options::set_port),
        help: "port to listen on, 0 for any free one (default: 8000)",
        more: "The line that the program prints when it is ready has the real port.",
    },
    Flag { name: "help", letter: Some('h'), action: Action::Help, help: "show this help and exit", more: "" },
    Flag { name: "version", letter: Some('V'), action: Action::Version, help: "show the version and exit", more: "" },
    Flag {
        name: "bind",
        letter: Some('b'),
        action: Action::One("ADDRESS", Options::set_bind),
        help: "address or host name to listen on (default: all interfaces)",
        more: "All interfaces are those of IPv6 and IPv4 where the system has both. Only this machine can reach \
               127.0.0.1 and ::1.",
    },
    Flag {
        name: "directory",
        letter: Some('d'),
        action: Action::One("DIRECTORY", Options::set_directory),
        help: "directory to serve (default: the current one)",
        more: "Everything below it can be read by everybody who can reach the port.",
    },
    Flag {
        name: "protocol",
        letter: Some('p'),
        action: Action::One("VERSION", Options::set_protocol),
        help: "HTTP/1.1, or HTTP/1.0 to close each connection after one answer unless the client asks otherwise \
               (default: HTTP/1.1)",
        more: "",
    },
    Flag {
        name: "header",
        letter: Some('H'),
        action: Action::Two(["NAME", "VALUE"], Options::add_header),
        help: "header field to add to every successful answer; may be repeated",
        more: "Content-Length, Transfer-Encoding and Connection are refused: they follow from the answer. A value \
               that begins with a hyphen cannot be given, unless it is a negative number.",
    },
    Flag {
        name: "content-type",
        letter: None,
        action: Action::One("TYPE", Options::set_content_type),
        help: "content type of files whose extension is not known (default: application/octet-stream)",
        more: "",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi",
        letter: None,
        action: Action::Switch(Options::run_scripts),
        help: "run the programs in /cgi-bin and /htbin of the directory instead of sending them",
        more: "They follow the Common Gateway Interface, RFC 3875. Everybody who can reach the port can run them. If \
               the server is root they run as nobody.",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi-env",
        letter: None,
        action: Action::One("NAME", Options::add_script_variable),
        help: "variable of this environment that scripts get too; may be repeated",
        more: "They get PATH, what describes their request, and nothing else.",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi-user",
        letter: None,
        action: Action::One("USER", Options::set_script_user),
        help: "user that scripts run as if the server is root: a name, or UID:GID (default: nobody)",
        more: "The group is the user's, and all other groups are dropped.",
    },
    Flag {
        name: "quiet",
        letter: Some('q'),
        action: Action::Switch(Options::be_quiet),
        help: "do not log requests",
        more: "Errors of the server itself are still printed.",
    },
];

impl Flag {
    /// The flag's values as they are shown, such as `NAME VALUE`; empty for none.
    pub(super) fn values(&self) -> &[&'static str] {
        match &self.action {
            Action::Help | Action::Version | Action::Switch(_) | Action::Positional(_) => &[],
            Action::One(value, _) => std::slice::from_ref(value),
            Action::Two(values, _) => values,
        }
    }

    /// Whether it is a value itself.
    pub(super) fn is_positional(&self) -> bool {
        matches!(self.action, Action::Positional(_))
    }
}

/// The name in messages, as argparse has it: `port`, `-b/--bind`, `--content-type`.
impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.letter {
            _ if self.is_positional() => f.write_str(self.name),
            Some(letter) => write!(f, "-{letter}/--{}", self.name),
            None => write!(f, "--{}", self.name),
        }
    }
}

/// The flag with this name.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

/// The flags whose long name begins like that.
pub(super) fn beginning_with(start: &str) -> impl Iterator<Item = &'static Flag> {
    FLAGS.iter().filter(move |flag| !flag.is_positional() && flag.name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_letters_are_unique() {
        for (at, flag) in FLAGS.iter().enumerate() {
            for other in &FLAGS[at + 1..] {
                assert_ne!(flag.name, other.name);
                assert!(flag.letter.is_none() || flag.letter != other.letter, "{flag} and {other}");
            }
        }
    }

    #[test]
    fn every_flag_says_what_it_is_for_in_the_style_of_the_others() {
        for flag in FLAGS {
            assert!(!flag.help.is_empty() && !flag.help.ends_with('.'), "{flag}");
            assert!(flag.more.is_empty() || flag.more.ends_with('.'), "{flag}");
        }
    }
}
