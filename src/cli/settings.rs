//! What settings in the environment and in a configuration file have in common: the names of the long flags.

use super::flag::{Action, Flag};
use super::flags::find;
use super::layers::Occurrences;

/// The flag of this name, unless it asks for the help or the version. That a file cannot name another file by `config`
/// is checked where files are read.
pub(super) fn setting(name: &str) -> Option<&'static Flag> {
    find(name).filter(|flag| !matches!(flag.action, Action::Help | Action::Version))
}

pub(super) fn on_or_off(on: bool) -> Occurrences {
    if on { vec![Vec::new()] } else { Vec::new() }
}

/// The message for a value of another kind than the flag takes. The value is not quoted if it may have a password in it.
pub(super) fn refused(flag: &Flag, value: &str, allowed: &str) -> String {
    const MOST: usize = 60;
    let shown: String = value.chars().take(MOST).collect();
    let more = if shown.len() < value.len() { "..." } else { "" };
    match flag.name {
        "auth" => format!("expected {allowed}"),
        _ => format!("expected {allowed}, not {shown}{more}"),
    }
}
