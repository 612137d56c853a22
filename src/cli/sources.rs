//! The sources of the options: the command line, the environment, and the configuration file that one of them may name.

use std::ffi::OsString;
use std::fs;

use super::exit::Exit;
use super::layers::Layer;
use super::options::Options;
use super::{config_file, environment, parser};

/// The sources of the options in the order of precedence: command line, environment, file.
pub(super) struct Sources {
    /// The layers of the command line and the environment, which are parsed once. A reload rereads only the file.
    fixed: [Layer; 2],
}

impl Sources {
    /// Parses the command line, and the variables of the environment that begin with `SERVE_FOREVER_`.
    pub(super) fn new(args: impl IntoIterator<Item = OsString>) -> Result<Sources, Exit> {
        Ok(Sources { fixed: [parser::layer(args)?, environment::layer(std::env::vars_os())?] })
    }

    /// The options from the command line and the environment only.
    pub(super) fn without_file(&self) -> Result<Options, Exit> {
        Options::from_layers(&self.fixed)
    }

    /// Reads the configuration file, if one is named, and combines all sources.
    pub(super) fn read(&self) -> Result<Options, Exit> {
        let options = self.without_file()?;
        // The command line or the environment names the file, so they are evaluated first, without it.
        let Some(path) = &options.config else { return Ok(options) };
        let text = fs::read_to_string(path).map_err(|error| Exit::cannot("read", path, error))?;
        let [command_line, environment] = self.fixed.clone();
        Options::from_layers(&[command_line, environment, config_file::layer(path, &text)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flags::find;
    use crate::cli::layers::variable;

    #[test]
    fn an_error_about_a_value_quotes_it_and_says_what_is_allowed_in_every_source() {
        for (name, value) in [
            ("port", "x"),
            ("bind", "a b"),
            ("protocol", "HTTP/2"),
            ("content-type", "text"),
            ("index", "a/b"),
            ("error-page", "200"),
            ("hidden", "x"),
            ("symlinks", "x"),
            ("cors", "a b"),
            ("cache", "x"),
            ("mime", "x"),
            ("base-path", "/a/../b"),
            ("log-format", "x"),
            ("grace", "-1"),
            ("max-connections", "0"),
            ("max-connections-per-peer", "0"),
            ("head-timeout", "nan"),
            ("idle-timeout", "inf"),
            ("stall-timeout", "1e3"),
            ("body-timeout", "99999999999"),
            ("body-rate", "-1"),
            ("user", "a:b"),
        ] {
            let word = if name == "port" { value.to_owned() } else { format!("--{name}={value}") };
            let line = crate::cli::parse([word.into()]).unwrap_err();
            let variable = variable(find(name).unwrap());
            let in_environment = environment::layer([(variable.clone().into(), value.into())]).unwrap();
            let in_environment = Options::from_layers(&[in_environment]).unwrap_err();
            let in_file = crate::cli::parse_file("a.toml".as_ref(), &format!("{name} = '{value}'")).unwrap_err();
            let places = [
                (line.reason().to_owned(), format!("argument {}: ", find(name).unwrap())),
                (in_environment.reason().to_owned(), format!("{variable}: ")),
                (in_file.reason().to_owned(), format!("a.toml:1: {name}: ")),
            ];
            for (text, place) in places {
                assert!(text.starts_with(&place) && text.contains(&format!("'{value}'")), "{text}");
                assert!(["(must ", "(choose "].iter().any(|word| text.contains(word)), "{text}");
                assert_eq!(text.trim_end().lines().count(), 1, "{text}");
            }
        }
    }

    #[test]
    fn the_first_layer_that_has_a_flag_takes_precedence() {
        let layers = |text: &str| {
            let line = parser::layer(["--index", "a"].map(Into::into)).unwrap();
            let variable = environment::layer([("SERVE_FOREVER_QUIET".into(), "no".into())]).unwrap();
            Options::from_layers(&[line, variable, config_file::layer("a.toml".as_ref(), text).unwrap()]).unwrap()
        };
        let options = layers("quiet = true\nindex = ['b']\nport = 80");
        assert_eq!((options.quiet, options.site.index, options.port), (false, vec!["a".to_owned()], 80));
    }
}
