//! The table of flags. To add a flag, add an entry to the appropriate part in `flags/`, and its setter in `options/`.

mod general;
mod life;
mod operation;
#[cfg(all(feature = "cgi", target_os = "linux"))]
mod scripts;
mod site;
mod watching;

use super::flag::Flag;

/// The name of the program in messages, even if the executable file has a different name.
pub(super) const NAME: &str = "serve-forever";

/// The version that `--version` prints.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A one-sentence description of the program, which begins the help and the manual page.
pub(super) const ABOUT: &str = "Serve the files of a directory over HTTP.";

/// The parts of the table, in the order in which `--help` lists them.
const PARTS: &[&[Flag]] = &[
    general::GENERAL,
    site::SITE,
    operation::OPERATION,
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    scripts::SCRIPTS,
    watching::WATCHING,
    life::LIFE,
];

/// All flags, in the order in which `--help` lists them.
pub(super) fn all() -> impl Iterator<Item = &'static Flag> {
    PARTS.iter().copied().flatten()
}

/// Finds a flag by its long name, or the positional argument by its name.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    all().find(|flag| flag.name == name)
}

/// The flags whose long name begins with `start`.
pub(super) fn beginning_with(start: &str) -> impl Iterator<Item = &'static Flag> {
    all().filter(move |flag| !flag.is_positional() && flag.name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_letters_are_unique() {
        let flags: Vec<&Flag> = all().collect();
        for (at, flag) in flags.iter().enumerate() {
            for other in &flags[at + 1..] {
                assert_ne!(flag.name, other.name);
                assert!(flag.letter.is_none() || flag.letter != other.letter, "{flag} and {other}");
            }
        }
    }

    #[test]
    fn help_does_not_end_in_a_full_stop_and_details_do() {
        for flag in all() {
            assert!(!flag.help.is_empty() && !flag.help.ends_with('.'), "{flag}");
            assert!(flag.more.is_empty() || flag.more.ends_with('.'), "{flag}");
        }
    }
}
