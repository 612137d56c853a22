//! What was given and where, before anything is made of it.

use std::ffi::{OsStr, OsString};

use super::exit::Exit;
use super::flag::Flag;
use super::flags::FLAGS;
use super::options::{BadValue, Options};

/// How the names of our variables begin.
const PREFIX: &str = "SERVE_FOREVER_";

/// The values of a flag, for each time that it is given.
pub(super) type Occurrences = Vec<Vec<OsString>>;

/// The variable of the environment that sets a flag.
pub(super) fn variable(flag: &Flag) -> String {
    format!("{PREFIX}{}", flag.name.replace('-', "_").to_uppercase())
}

/// The name of the flag that a variable sets, or `None` if the variable is not one of ours. The name may be unknown.
pub(super) fn name_in_variable(variable: &OsStr) -> Option<String> {
    let rest = variable.as_encoded_bytes().strip_prefix(PREFIX.as_bytes())?;
    Some(String::from_utf8_lossy(rest).to_lowercase().replace('_', "-"))
}

/// Where something was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// On the command line.
    CommandLine,
    /// In a variable of the environment.
    Environment,
    /// In the file of this name, each flag in the line that is noted here.
    File(String, Vec<(&'static str, usize)>),
}

/// Flags and their values from one source.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    origin: Origin,
    /// For each flag, the values of each time that it was given. A switch that was turned off was given no time.
    flags: Vec<(&'static Flag, Occurrences)>,
}

impl Layer {
    pub(super) fn new(origin: Origin) -> Layer {
        Layer { origin, flags: Vec::new() }
    }

    pub(super) fn note(&mut self, flag: &'static Flag, occurrences: Occurrences) {
        self.flags.push((flag, occurrences));
    }

    fn occurrences(&self, flag: &Flag) -> Option<&[Vec<OsString>]> {
        let known = self.flags.iter().find(|(other, _)| other.name == flag.name);
        known.map(|(_, occurrences)| occurrences.as_slice())
    }
}

impl Options {
    /// Makes options of what was given. For each flag the first source that has it counts, and only that one.
    pub(super) fn from_layers(layers: &[Layer]) -> Result<Options, Exit> {
        let mut options = Options::default();
        for flag in FLAGS {
            let given = layers.iter().find_map(|layer| Some((layer, layer.occurrences(flag)?)));
            let Some((layer, occurrences)) = given else {
                continue;
            };
            flag.apply(occurrences, &mut options).map_err(|why| layer.wrong(flag, &why))?;
        }
        Ok(options)
    }
}

impl Layer {
    /// What is wrong with a flag, and where it was given.
    fn wrong(&self, flag: &Flag, why: &BadValue) -> Exit {
        match &self.origin {
            Origin::CommandLine => Exit::usage(format_args!("argument {flag}: {why}")),
            Origin::Environment => Exit::wrong(format_args!("{}: {why}", variable(flag))),
            Origin::File(path, places) => {
                let place = places.iter().find(|(name, _)| *name == flag.name).map_or(0, |(_, line)| *line);
                Exit::wrong(format_args!("{path}:{place}: {}: {why}", flag.name))
            }
        }
    }
}
