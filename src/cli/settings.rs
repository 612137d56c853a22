//! Code that `environment` and `config_file` share. A setting is a flag that the environment and the configuration file
//! can set by its long name.

use super::flag::{Action, Flag};
use super::flags::find;
use super::layers::Occurrences;

/// Flags that apply to a single run of the program and are therefore not settings.
const OF_ONE_START: [&str; 2] = ["ready-fd", "healthcheck"];

/// Finds the flag for the name of a setting. `help` and `version` are not settings.
pub(super) fn setting(name: &str) -> Option<&'static Flag> {
    let flag = find(name).filter(|flag| !matches!(flag.action, Action::Help | Action::Version));
    flag.filter(|flag| !OF_ONE_START.contains(&flag.name))
}

/// The occurrences of a switch: one if it is on, none if it is off.
pub(super) fn on_or_off(on: bool) -> Occurrences {
    if on { vec![Vec::new()] } else { Vec::new() }
}

/// The message for a value of the wrong kind. A value of `auth` is not quoted, because it may contain a password.
pub(super) fn refused(flag: &Flag, value: &str, allowed: &str) -> String {
    const MAX_CHARS: usize = 60;
    let shown: String = value.chars().take(MAX_CHARS).collect();
    let more = if shown.len() < value.len() { "..." } else { "" };
    match flag.name {
        "auth" => format!("expected {allowed}"),
        _ => format!("expected {allowed}, not {shown}{more}"),
    }
}
