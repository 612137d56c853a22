//! One layer of options: the flags that one source sets, with their values still as text.
//!
//! This file does not read the sources: `parser`, `environment` and `config_file` each read one source and build its
//! layer.

use std::ffi::{OsStr, OsString};

use super::exit::Exit;
use super::flag::Flag;
use super::flags;
use super::options::{BadValue, Options};

/// The values of each occurrence of a flag.
pub(super) type Occurrences = Vec<Vec<OsString>>;

/// The source of a layer, for error messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The command line.
    CommandLine,
    /// The environment.
    Environment,
    /// The configuration file with this name. The list contains the line number of each flag that the file sets.
    File(String, Vec<(&'static str, usize)>),
}

/// The flags that one source sets, and their values.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    origin: Origin,
    /// The occurrences of each flag. If the source turns a switch off, the list of its occurrences is empty, so that
    /// this layer overrides a layer of lower precedence that turns the switch on.
    flags: Vec<(&'static Flag, Occurrences)>,
}

impl Layer {
    /// Creates a layer without flags.
    pub(super) fn new(origin: Origin) -> Layer {
        Layer { origin, flags: Vec::new() }
    }

    /// Adds a flag that the source sets.
    pub(super) fn note(&mut self, flag: &'static Flag, occurrences: Occurrences) {
        self.flags.push((flag, occurrences));
    }

    /// The occurrences of a flag; `None` if the source does not set the flag.
    fn occurrences(&self, flag: &Flag) -> Option<&[Vec<OsString>]> {
        let known = self.flags.iter().find(|(other, _)| other.name == flag.name);
        known.map(|(_, occurrences)| occurrences.as_slice())
    }

    /// The error for an invalid flag value. The message says where this layer sets the flag.
    fn bad_value(&self, flag: &Flag, why: &BadValue) -> Exit {
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

impl Options {
    /// Builds the options from layers, in order of decreasing precedence. The values of one flag are not merged across
    /// layers: all of them come from the first layer that contains the flag.
    pub(super) fn from_layers(layers: &[Layer]) -> Result<Options, Exit> {
        let mut options = Options::default();
        for flag in flags::all() {
            let first = layers.iter().find_map(|layer| Some((layer, layer.occurrences(flag)?)));
            let Some((layer, occurrences)) = first else { continue };
            flag.apply(occurrences, &mut options).map_err(|why| layer.bad_value(flag, &why))?;
        }
        Ok(options)
    }
}

/// The prefix of every environment variable that sets a flag.
const PREFIX: &str = "SERVE_FOREVER_";

/// The environment variable that sets a flag: `SERVE_FOREVER_LOG_FILE` for `log-file`.
pub(super) fn variable(flag: &Flag) -> String {
    format!("{PREFIX}{}", flag.name.replace('-', "_").to_uppercase())
}

/// The inverse of [`variable`]: the name of the flag that a variable would set. There may be no flag with this name.
/// Returns `None` if the variable does not begin with the prefix.
pub(super) fn name_in_variable(variable: &OsStr) -> Option<String> {
    let rest = variable.as_encoded_bytes().strip_prefix(PREFIX.as_bytes())?;
    Some(String::from_utf8_lossy(rest).to_lowercase().replace('_', "-"))
}
