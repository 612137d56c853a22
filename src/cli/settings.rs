//! The same settings from elsewhere: a configuration file and the environment.
//!
//! Both have the names of the long flags. A file is TOML; a flag that may be repeated takes an array there, or a table
//! where its values are pairs:
//!
//! ```toml
//! port = 8080
//! directory = "site"
//! no-listing = true
//! index = ["index.html", "README.md"]
//! cache = { "*.html" = "no-cache", "*.js" = 3600 }
//! header = { X-Frame-Options = "DENY" }
//! ```
//!
//! In the environment `--log-file` is `SERVE_FOREVER_LOG_FILE`; what may be repeated has one value a line.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::exit::Exit;
use super::flags::{Action, Flag, find};
use super::given::{Given, Source};
use super::options::Options;
use super::words::shown;

/// How the names of our variables begin.
pub(super) const PREFIX: &str = "SERVE_FOREVER_";

/// The values of a flag, for each time that it is given.
type Times = Vec<Vec<OsString>>;

/// Reads the variables that are ours. One that is empty is as good as none.
pub(super) fn environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Given, Exit> {
    let mut given = Given::new(Source::Environment);
    for (name, value) in variables {
        let Some(rest) = name.as_encoded_bytes().strip_prefix(PREFIX.as_bytes()) else { continue };
        let flag = std::str::from_utf8(rest).ok().and_then(|rest| setting(&rest.to_lowercase().replace('_', "-")));
        let named = |why: &str| Exit::wrong(format_args!("{}: {why}", shown(&name)));
        let flag = flag.ok_or_else(|| named("no such setting"))?;
        if !value.is_empty() {
            let times = times_in_variable(flag, &value);
            given.note(flag, times.ok_or_else(|| named(&refused(flag, &shown(&value), in_a_variable(flag))))?);
        }
    }
    Ok(given)
}

/// The values that a variable may have.
fn in_a_variable(flag: &Flag) -> &'static str {
    match flag.action {
        Action::Two(..) => "NAME: VALUE, one a line",
        _ => "1 or 0",
    }
}

/// The values that a key of a file may have.
fn in_a_file(flag: &Flag) -> &'static str {
    match flag.action {
        Action::Switch(_) => "true or false",
        Action::Maybe(..) => "true, false or a string",
        Action::Two(..) => "a table such as { NAME = 'VALUE' }",
        Action::Many(shape, _) if shape.contains('=') => "a string, an array of strings, or a table",
        Action::Many(..) => "a string or an array of strings",
        _ => "a string or a decimal number",
    }
}

/// The message for a value of another kind than the flag takes. The value is not quoted if it may have a password in it.
fn refused(flag: &Flag, value: &str, allowed: &str) -> String {
    const MOST: usize = 60;
    let shown: String = value.chars().take(MOST).collect();
    let more = if shown.len() < value.len() { "..." } else { "" };
    match flag.name {
        "auth" => format!("expected {allowed}"),
        _ => format!("expected {allowed}, not {shown}{more}"),
    }
}

/// The flag of this name, unless it asks for the help or the version. That a file cannot name another file by `config`
/// is checked where files are read.
fn setting(name: &str) -> Option<&'static Flag> {
    find(name).filter(|flag| !matches!(flag.action, Action::Help | Action::Version))
}

fn times_in_variable(flag: &Flag, value: &OsStr) -> Option<Times> {
    let once = || vec![vec![value.to_owned()]];
    Some(match flag.action {
        Action::Switch(_) => on_or_off(value.to_str().and_then(truth)?),
        Action::Maybe(..) => value.to_str().and_then(truth).map_or_else(once, on_or_off),
        Action::Many(..) => lines(value).map(|line| vec![line.into()]).collect(),
        Action::Two(..) => lines(value).map(field).collect::<Option<_>>()?,
        _ => once(),
    })
}

fn on_or_off(on: bool) -> Times {
    if on { vec![Vec::new()] } else { Vec::new() }
}

fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// The lines of a value that has several. What is not UTF-8 is one line: it cannot be parted without unsafe code.
fn lines(value: &OsStr) -> impl Iterator<Item = &OsStr> {
    let text = value.to_str();
    let whole = text.is_none().then_some(value);
    whole.into_iter().chain(text.into_iter().flat_map(str::lines).filter(|line| !line.is_empty()).map(OsStr::new))
}

/// `NAME: VALUE`.
fn field(line: &OsStr) -> Option<Vec<OsString>> {
    let (name, value) = line.to_str()?.split_once(':')?;
    Some(vec![name.into(), value.trim().into()])
}

/// Reads a settings file as if nothing else were given; `path` is the name that errors have for it.
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
/// The end of the program: what is wrong, with the line and the name of the setting.
pub fn parse_file(path: &Path, text: &str) -> Result<Options, Exit> {
    Options::from_layers(&[file(path, text)?])
}

/// What a configuration file gives, before anything is made of it.
pub(super) fn file(path: &Path, text: &str) -> Result<Given, Exit> {
    let wrong =
        |at: usize, what: &str| Exit::wrong(format_args!("{}:{}: {what}", shown(path.as_os_str()), line(text, at)));
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        wrong(at, error.message().lines().next().unwrap_or("not TOML"))
    })?;
    let mut places = Vec::new();
    let mut settings = Vec::new();
    for (key, value) in table.get_ref() {
        let (name, at) = (key.get_ref(), key.span().start);
        let flag = setting(name).filter(|flag| flag.name != "config");
        let flag = flag.ok_or_else(|| wrong(at, &format!("{}: no such setting", shown(name.as_ref().as_ref()))))?;
        let times = times_in_file(flag, value.get_ref()).ok_or_else(|| {
            let source = text.get(value.span()).unwrap_or_default();
            wrong(at, &format!("{}: {}", flag.name, refused(flag, &shown(source.as_ref()), in_a_file(flag))))
        })?;
        settings.push((flag, times));
        places.push((flag.name, line(text, at)));
    }
    let mut given = Given::new(Source::File(shown(path.as_os_str()), places));
    settings.into_iter().for_each(|(flag, times)| given.note(flag, times));
    Ok(given)
}

fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn times_in_file(flag: &Flag, value: &DeValue<'_>) -> Option<Times> {
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

/// The pairs of a table in the order in which they are written, which may matter.
fn pairs_in(table: &DeTable<'_>) -> impl Iterator<Item = Option<[String; 2]>> {
    let mut pairs: Vec<_> = table.iter().collect();
    pairs.sort_by_key(|(key, _)| key.span().start);
    pairs.into_iter().map(|(key, value): (&Spanned<_>, &Spanned<_>)| {
        Some([String::from(key.get_ref().as_ref()), scalar(value.get_ref())?])
    })
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.as_ref().to_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
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

    fn from_environment(variables: &[(&str, &str)]) -> Result<Options, String> {
        let given = environment(variables.iter().map(|(name, value)| (name.into(), value.into())));
        given.and_then(|given| Options::from_layers(&[given])).map_err(|exit| exit.text().to_owned())
    }

    #[test]
    fn a_file_says_what_a_command_line_says() {
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
    fn what_is_wrong_in_a_file_has_its_line_and_its_key() {
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
            ("log-file = \"a\\u0000b\"", "a.toml:1: log-file: invalid file: 'a\\x00b' (must be the name of one)"),
            ("\"a\\nb\" = 1", "a.toml:1: a\\x0ab: no such setting"),
        ] {
            assert_eq!(from_file(text).unwrap_err(), why, "{text}");
        }
        for (text, line) in [("port = 1\nport = 2", 2), ("a\n", 1), ("port = 1\nx = 'y\n", 2)] {
            assert!(from_file(text).unwrap_err().starts_with(&format!("a.toml:{line}: ")), "{text}");
        }
    }

    #[test]
    fn the_environment_says_what_a_command_line_says() {
        let options = from_environment(&[
            ("SERVE_FOREVER_PORT", "80"),
            ("SERVE_FOREVER_QUIET", "yes"),
            ("SERVE_FOREVER_NO_LISTING", "0"),
            ("SERVE_FOREVER_SPA", "1"),
            ("SERVE_FOREVER_CORS", "https://a.example"),
            ("SERVE_FOREVER_INDEX", "a\nb\n"),
            ("SERVE_FOREVER_HEADER", "X-A: a\nX-B:b"),
            ("SERVE_FOREVER_BIND", ""),
            ("HOME", "/"),
        ]);
        let line = "80 -q --spa --cors=https://a.example --index a --index b -H X-A a -H X-B b";
        assert_eq!(options.unwrap(), crate::cli::parse(line.split(' ').map(Into::into)).unwrap());
    }

    #[test]
    fn what_is_wrong_in_the_environment_has_its_name() {
        for (name, value, why) in [
            ("SERVE_FOREVER_PROT", "", "no such setting"),
            ("SERVE_FOREVER_HELP", "1", "no such setting"),
            ("SERVE_FOREVER_PORT", "x", "invalid int value: 'x' (must be a number from 0 to 65535)"),
            ("SERVE_FOREVER_QUIET", "maybe", "expected 1 or 0, not maybe"),
            ("SERVE_FOREVER_HEADER", "A", "expected NAME: VALUE, one a line, not A"),
        ] {
            let text = from_environment(&[(name, value)]).unwrap_err();
            assert_eq!(text, format!("serve-forever: error: {name}: {why}\n"));
        }
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_allowed_wherever_it_is_given() {
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
            let variable = format!("{PREFIX}{}", name.replace('-', "_").to_uppercase());
            let places = [
                (line.reason().to_owned(), format!("argument {}: ", find(name).unwrap())),
                (from_environment(&[(&variable, value)]).unwrap_err(), format!("serve-forever: error: {variable}: ")),
                (from_file(&format!("{name} = '{value}'")).unwrap_err(), format!("a.toml:1: {name}: ")),
            ];
            for (text, place) in places {
                assert!(text.starts_with(&place) && text.contains(&format!("'{value}'")), "{text}");
                assert!(["(must ", "(choose "].iter().any(|word| text.contains(word)), "{text}");
                assert_eq!(text.trim_end().lines().count(), 1, "{text}");
            }
        }
    }

    #[test]
    fn the_first_layer_that_has_a_setting_counts() {
        let layers = |text: &str| {
            let line = crate::cli::parser::given(["--index", "a"].map(Into::into)).unwrap();
            let variable = environment([("SERVE_FOREVER_QUIET".into(), "no".into())]).unwrap();
            Options::from_layers(&[line, variable, file("a.toml".as_ref(), text).unwrap()]).unwrap()
        };
        let options = layers("quiet = true\nindex = ['b']\nport = 80");
        assert_eq!((options.quiet, options.site.index, options.port), (false, vec!["a".to_owned()], 80));
    }
}
