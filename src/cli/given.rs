//! What was given and where, before anything is made of it.

use std::ffi::OsString;

use super::exit::Exit;
use super::flags::{FLAGS, Flag};
use super::options::Options;
use super::settings::PREFIX;

/// Where something was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// On the command line.
    CommandLine,
    /// In a variable of the environment.
    Environment,
    /// In the file of this name, each flag in the line that is noted here.
    File(String, Vec<(&'static str, usize)>),
}

/// Flags and their values from one source.
#[derive(Debug, Clone)]
pub(super) struct Given {
    source: Source,
    /// For each flag, the values of each time that it was given. A switch that was turned off was given no time.
    flags: Vec<(&'static Flag, Vec<Vec<OsString>>)>,
}

impl Given {
    pub(super) fn new(source: Source) -> Given {
        Given { source, flags: Vec::new() }
    }

    pub(super) fn note(&mut self, flag: &'static Flag, times: Vec<Vec<OsString>>) {
        self.flags.push((flag, times));
    }

    fn times(&self, flag: &Flag) -> Option<&[Vec<OsString>]> {
        let known = self.flags.iter().find(|(other, _)| other.name == flag.name);
        known.map(|(_, times)| times.as_slice())
    }
}

impl Options {
    /// Makes options of what was given. For each flag the first source that has it counts, and only that one.
    pub(super) fn from_layers(layers: &[Given]) -> Result<Options, Exit> {
        let mut options = Options::default();
        for flag in FLAGS {
            let Some((layer, times)) = layers.iter().find_map(|layer| Some((layer, layer.times(flag)?))) else {
                continue;
            };
            flag.apply(times, &mut options).map_err(|why| layer.wrong(flag, &why))?;
        }
        Ok(options)
    }
}

impl Given {
    /// What is wrong with a flag, and where it was given.
    fn wrong(&self, flag: &Flag, why: &str) -> Exit {
        match &self.source {
            Source::CommandLine => Exit::usage(format_args!("argument {flag}: {why}")),
            Source::Environment => {
                let name = flag.name.replace('-', "_").to_uppercase();
                Exit::wrong(format_args!("{PREFIX}{name}: {why}"))
            }
            Source::File(path, places) => {
                let place = places.iter().find(|(name, _)| *name == flag.name).map_or(0, |(_, line)| *line);
                Exit::wrong(format_args!("{path}:{place}: {}: {why}", flag.name))
            }
        }
    }
}
