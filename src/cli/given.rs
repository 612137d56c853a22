//! What was given and where, before anything is made of it.

use std::ffi::OsString;
use std::fmt;

use super::exit::Exit;
use super::flags::{FLAGS, Flag};
use super::options::Options;

/// Where something was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// On the command line.
    CommandLine,
}

/// Flags and their values from one source.
#[derive(Debug)]
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
            flag.apply(times, &mut options).map_err(|why| Exit::usage(format_args!("{}: {why}", layer.name(flag))))?;
        }
        Ok(options)
    }
}

impl Given {
    /// What a flag is called where it was given.
    fn name(&self, flag: &Flag) -> impl fmt::Display {
        match self.source {
            Source::CommandLine => format!("argument {flag}"),
        }
    }
}
