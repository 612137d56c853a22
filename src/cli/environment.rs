//! Reads settings from environment variables. The variable for `--log-file` is `SERVE_FOREVER_LOG_FILE`. In the
//! variable of a repeatable flag, each line is one value.

use std::ffi::{OsStr, OsString};

use super::exit::Exit;
use super::flag::{Action, Flag};
use super::layers::{Layer, Occurrences, Origin, name_in_variable};
use super::settings::{on_or_off, refused, setting};
use super::words::shown;

/// Reads the variables that begin with `SERVE_FOREVER_`. A variable with an empty value sets nothing, but its name must
/// still be that of a setting.
pub(super) fn layer(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Layer, Exit> {
    let mut layer = Layer::new(Origin::Environment);
    for (name, value) in variables {
        let Some(flag) = name_in_variable(&name) else { continue };
        let named = |why: &str| Exit::wrong(format_args!("{}: {why}", shown(&name)));
        let flag = setting(&flag).ok_or_else(|| named("no such setting"))?;
        // The name is checked even if the value is empty, so that typos are reported.
        if !value.is_empty() {
            let occurrences = occurrences(flag, &value);
            layer.note(flag, occurrences.ok_or_else(|| named(&refused(flag, &shown(&value), allowed(flag))))?);
        }
    }
    Ok(layer)
}

/// Describes the allowed form of a value, for an error message.
fn allowed(flag: &Flag) -> &'static str {
    match flag.action {
        Action::Two(..) => "NAME: VALUE on each line",
        _ => "1 or 0",
    }
}

/// Converts the value of a variable to occurrences of `flag`, as if the flag had been set on the command line. Returns
/// `None` if the value has the wrong form.
fn occurrences(flag: &Flag, value: &OsStr) -> Option<Occurrences> {
    let once = || vec![vec![value.to_owned()]];
    Some(match flag.action {
        Action::Switch(_) => on_or_off(value.to_str().and_then(truth)?),
        // A flag with an optional value is turned on by `1` or a synonym, and off by `0` or a synonym. Any other text
        // is used as the flag's value.
        Action::Maybe(..) => value.to_str().and_then(truth).map_or_else(once, on_or_off),
        Action::Many(..) => lines(value).map(|line| vec![line.into()]).collect(),
        Action::Two(..) => lines(value).map(field).collect::<Option<_>>()?,
        _ => once(),
    })
}

/// Parses the value of a switch. `None` if it is not one of the accepted words.
fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// The lines of a value. A value that is not UTF-8 is treated as one line, because it cannot be split without unsafe
/// code.
fn lines(value: &OsStr) -> impl Iterator<Item = &OsStr> {
    let text = value.to_str();
    let whole = text.is_none().then_some(value);
    whole.into_iter().chain(text.into_iter().flat_map(str::lines).filter(|line| !line.is_empty()).map(OsStr::new))
}

/// Splits `NAME: VALUE` at the first colon. `None` if there is no colon or the line is not UTF-8.
fn field(line: &OsStr) -> Option<Vec<OsString>> {
    let (name, value) = line.to_str()?.split_once(':')?;
    Some(vec![name.into(), value.trim().into()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Options;

    fn from_environment(variables: &[(&str, &str)]) -> Result<Options, String> {
        let given = layer(variables.iter().map(|(name, value)| (name.into(), value.into())));
        given.and_then(|given| Options::from_layers(&[given])).map_err(|exit| exit.text().to_owned())
    }

    #[test]
    fn variables_give_the_same_options_as_a_command_line() {
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
    fn an_error_in_the_environment_names_the_variable() {
        for (name, value, why) in [
            ("SERVE_FOREVER_PROT", "", "no such setting"),
            ("SERVE_FOREVER_HELP", "1", "no such setting"),
            ("SERVE_FOREVER_PORT", "x", "invalid int value: 'x' (must be a number from 0 to 65535)"),
            ("SERVE_FOREVER_QUIET", "maybe", "expected 1 or 0, not maybe"),
            ("SERVE_FOREVER_HEADER", "A", "expected NAME: VALUE on each line, not A"),
        ] {
            let text = from_environment(&[(name, value)]).unwrap_err();
            assert_eq!(text, format!("serve-forever: error: {name}: {why}\n"));
        }
    }
}
