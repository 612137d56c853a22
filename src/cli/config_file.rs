//! The configuration file: TOML with the long names of the flags as keys. A repeatable flag takes an array, or a table
//! if its values are pairs:
//!
//! ```toml
//! port = 8080
//! directory = "site"
//! no-listing = true
//! index = ["index.html", "README.md"]
//! cache = { "*.html" = "no-cache", "*.js" = 3600 }
//! header = { X-Frame-Options = "DENY" }
//! ```

use std::ffi::OsString;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::exit::Exit;
use super::flag::{Action, Flag};
use super::layers::{Layer, Occurrences, Origin};
use super::options::Options;
use super::settings::{on_or_off, refused, setting};
use super::words::shown;

/// Parses the text of a configuration file into options, without a command line or an environment. `path` only names
/// the file in error messages; it is not opened.
///
/// ```
/// use serve_forever::cli::{parse, parse_file};
/// let options = parse_file("site.toml".as_ref(), "port = 80\nno-listing = true\n").unwrap();
/// assert_eq!(options, parse(["80", "--no-listing"].map(Into::into)).unwrap());
/// let exit = parse_file("site.toml".as_ref(), "\nport = 'x'\n").unwrap_err();
/// assert_eq!(exit.text(), "serve-forever: error: site.toml:2: port: invalid int value: 'x' (must be a number from 0 to 65535)\n");
/// ```
///
/// # Errors
/// Returns an [`Exit`] that names the line, the setting and the reason.
pub fn parse_file(path: &Path, text: &str) -> Result<Options, Exit> {
    Options::from_layers(&[layer(path, text)?])
}

/// Parses the text of a configuration file into a layer. The values are not checked yet.
pub(super) fn layer(path: &Path, text: &str) -> Result<Layer, Exit> {
    let wrong =
        |at: usize, what: &str| Exit::wrong(format_args!("{}:{}: {what}", shown(path.as_os_str()), line(text, at)));
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        // The program prints one-line errors, so only the first line of the TOML parser's message is used. The other
        // lines can contain an excerpt of the file.
        wrong(at, error.message().lines().next().unwrap_or("not TOML"))
    })?;
    let mut places = Vec::new();
    let mut settings = Vec::new();
    for (key, value) in table.get_ref() {
        let (name, at) = (key.get_ref(), key.span().start);
        // A configuration file cannot name another configuration file.
        let flag = setting(name).filter(|flag| flag.name != "config");
        let flag = flag.ok_or_else(|| wrong(at, &format!("{}: no such setting", shown(name.as_ref().as_ref()))))?;
        let occurrences = occurrences(flag, value.get_ref()).ok_or_else(|| {
            let source = text.get(value.span()).unwrap_or_default();
            wrong(at, &format!("{}: {}", flag.name, refused(flag, &shown(source.as_ref()), allowed(flag))))
        })?;
        settings.push((flag, occurrences));
        places.push((flag.name, line(text, at)));
    }
    let mut layer = Layer::new(Origin::File(shown(path.as_os_str()), places));
    settings.into_iter().for_each(|(flag, occurrences)| layer.note(flag, occurrences));
    Ok(layer)
}

/// Converts a byte offset to a 1-based line number.
fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Converts a value to occurrences of `flag`, as if the flag had been set on the command line. Returns `None` if the
/// flag does not accept a value of this type.
fn occurrences(flag: &Flag, value: &DeValue<'_>) -> Option<Occurrences> {
    match (&flag.action, value) {
        (Action::Switch(_) | Action::Maybe(..), DeValue::Boolean(on)) => Some(on_or_off(*on)),
        (Action::Switch(_), _) => None,
        (Action::Many(..), DeValue::Array(values)) => {
            values.iter().map(|value| Some(vec![scalar(value.get_ref())?.into()])).collect()
        }
        (Action::Many(shape, _), DeValue::Table(pairs)) if shape.contains('=') => {
            pairs_in(pairs).map(|pair| pair.map(|[name, value]| vec![format!("{name}={value}").into()])).collect()
        }
        (Action::Two(..), DeValue::Table(pairs)) => {
            pairs_in(pairs).map(|pair| pair.map(|pair| pair.map(OsString::from).into())).collect()
        }
        (Action::Two(..), _) => None,
        (_, value) => Some(vec![vec![scalar(value)?.into()]]),
    }
}

/// The pairs of a table, in the order in which they appear in the file. The TOML parser sorts them by key, but the
/// original order matters: of the `cache` patterns, the last one that matches a file is used.
fn pairs_in(table: &DeTable<'_>) -> impl Iterator<Item = Option<[String; 2]>> {
    let mut pairs: Vec<_> = table.iter().collect();
    pairs.sort_by_key(|(key, _)| key.span().start);
    pairs.into_iter().map(|(key, value): (&Spanned<_>, &Spanned<_>)| {
        Some([String::from(key.get_ref().as_ref()), scalar(value.get_ref())?])
    })
}

/// The text of a string, a decimal integer or a float. `None` for a value of another type.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.as_ref().to_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

/// Describes the allowed form of a value, for an error message.
fn allowed(flag: &Flag) -> &'static str {
    match flag.action {
        Action::Switch(_) => "true or false",
        Action::Maybe(..) => "true, false or a string",
        Action::Two(..) => "a table such as { NAME = 'VALUE' }",
        Action::Many(shape, _) if shape.contains('=') => "a string, an array of strings, or a table",
        Action::Many(..) => "a string or an array of strings",
        _ => "a string or a decimal number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Code;

    fn from_file(text: &str) -> Result<Options, String> {
        parse_file("a.toml".as_ref(), text).map_err(|exit| {
            assert_eq!(exit.code(), Code::Usage);
            exit.text().strip_prefix("serve-forever: error: ").unwrap().trim_end().to_owned()
        })
    }

    #[test]
    fn a_file_gives_the_same_options_as_a_command_line() {
        let options = from_file(
            "port = 80\nquiet = true\nno-listing = false\nspa = true\ncors = 'https://a.example'\n\
             index = ['a', 'b']\nheader = { X-B = 'b', X-A = 'a' }\n[cache]\n'*.js' = 60\n'*' = 'no-cache'\n",
        )
        .unwrap();
        let line = "80 -q --spa --cors=https://a.example --index a --index b -H X-B b -H X-A a --cache *.js=60 --cache \
                    *=no-cache";
        assert_eq!(options, crate::cli::parse(line.split(' ').map(Into::into)).unwrap());
        assert_eq!(from_file("").unwrap(), Options::default());
    }

    #[test]
    fn an_error_in_a_file_has_its_line_and_its_key() {
        for (text, why) in [
            ("port = 1\n\nprot = 2", "a.toml:3: prot: no such setting"),
            ("config = 'b.toml'", "a.toml:1: config: no such setting"),
            ("help = true", "a.toml:1: help: no such setting"),
            ("[site]\nport = 1", "a.toml:1: site: no such setting"),
            ("\nport = 70000", "a.toml:2: port: 70000 is not in 0..=65535"),
            ("\nhidden = 'x'", "a.toml:2: hidden: invalid choice: 'x' (choose from serve, deny)"),
            ("quiet = 1", "a.toml:1: quiet: expected true or false, not 1"),
            ("bind = ['a']", "a.toml:1: bind: expected a string or a decimal number, not ['a']"),
            ("header = 'A: b'", "a.toml:1: header: expected a table such as { NAME = 'VALUE' }, not 'A: b'"),
            ("auth = { ann = 'secret' }", "a.toml:1: auth: expected a string or an array of strings"),
            ("spa = 1.5\ncors = 1979-05-27", "a.toml:2: cors: expected true, false or a string, not 1979-05-27"),
            ("port = 0x50", "a.toml:1: port: expected a string or a decimal number, not 0x50"),
            ("index = [true]", "a.toml:1: index: expected a string or an array of strings, not [true]"),
            ("cache = true", "a.toml:1: cache: expected a string, an array of strings, or a table, not true"),
            (
                "grace = nan",
                "a.toml:1: grace: invalid number of seconds: 'nan' (must be from 0 to 4294967295, such as 2.5)",
            ),
            ("log-file = \"a\\u0000b\"", "a.toml:1: log-file: invalid file: 'a\\x00b' (must be the name of a file)"),
            ("\"a\\nb\" = 1", "a.toml:1: a\\x0ab: no such setting"),
        ] {
            assert_eq!(from_file(text).unwrap_err(), why, "{text}");
        }
        for (text, line) in [("port = 1\nport = 2", 2), ("a\n", 1), ("port = 1\nx = 'y\n", 2)] {
            assert!(from_file(text).unwrap_err().starts_with(&format!("a.toml:{line}: ")), "{text}");
        }
    }
}
