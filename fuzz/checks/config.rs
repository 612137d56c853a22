//! Checks that a settings file and a command line have the same meaning: every text results in options or in one line
//! that names the position, an accepted file has the same meaning as the words of a command line, and both refuse a
//! value for the same reason.
//!
//! The data is a settings file. Its lines are also taken as settings `NAME=VALUE` or `NAME`, each of which is written
//! as TOML and as a word.

use std::ffi::OsString;
use std::path::Path;

use serve_forever::cli::{Code, Exit, Options, parse, parse_file};
use toml::de::{DeTable, DeValue};

/// The flags that may be repeated. If any other flag is repeated, the last value counts.
const REPEATABLE: [&str; 7] = ["header", "index", "error-page", "cache", "mime", "auth", "cgi-env"];

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse_file(Path::new("a.toml"), text) {
        Err(exit) => _ = place(&exit, text),
        Ok(options) => {
            if let Some(words) = words_of(text) {
                assert_eq!(read(&words), Ok(options), "{words:?}");
            }
        }
    }
    agree(&Settings::of(text));
}

/// The line number of an error, and the key and the reason that its text contains.
fn place<'e>(exit: &'e Exit, text: &str) -> (usize, &'e str) {
    assert_eq!(exit.code(), Code::Usage);
    let line = exit.text().strip_prefix("serve-forever: error: a.toml:").and_then(|line| line.strip_suffix('\n'));
    let line = line.unwrap_or_else(|| panic!("a place: {}", exit.text()));
    assert!(!line.contains(char::is_control), "one line that is harmless to a terminal: {line:?}");
    let (number, what) = line.split_once(": ").expect("a number");
    let number: usize = number.parse().expect("a number");
    assert!((1..=text.split('\n').count()).contains(&number), "a line that is there: {number}");
    (number, what)
}

fn read(words: &[String]) -> Result<Options, Exit> {
    parse(words.iter().map(OsString::from))
}

/// Returns the command line with the same meaning as this file. There is none if the value of a header field begins
/// with a hyphen.
fn words_of(text: &str) -> Option<Vec<String>> {
    let table = DeTable::parse(text).expect("it was accepted");
    let (mut words, mut port) = (Vec::new(), Vec::new());
    for (name, value) in table.get_ref() {
        let name = name.get_ref();
        let word = |value: &str| format!("--{name}={value}");
        match value.get_ref() {
            DeValue::Boolean(true) => words.push(format!("--{name}")),
            DeValue::Boolean(false) => {}
            DeValue::Array(values) => words.extend(values.iter().map(|value| word(&scalar(value.get_ref())))),
            DeValue::Table(pairs) => {
                let mut pairs: Vec<_> = pairs.iter().collect();
                pairs.sort_by_key(|(key, _)| key.span().start);
                for (key, value) in pairs {
                    let (key, value) = (key.get_ref(), scalar(value.get_ref()));
                    if name == "header" && (key.starts_with('-') || value.starts_with('-')) {
                        return None;
                    } else if name == "header" {
                        words.extend(["--header".to_owned(), key.to_string(), value]);
                    } else {
                        words.push(word(&format!("{key}={value}")));
                    }
                }
            }
            value if name == "port" => port = vec!["--".to_owned(), scalar(value)],
            value => words.push(word(&scalar(value))),
        }
    }
    words.append(&mut port);
    Some(words)
}

/// A value as it is written on a command line.
fn scalar(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        other => panic!("no value of a setting: {other:?}"),
    }
}

/// The settings with their values, in the order in which they are given. A switch has no value.
struct Settings<'t>(Vec<(&'t str, Vec<Option<&'t str>>)>);

impl<'t> Settings<'t> {
    fn of(text: &'t str) -> Settings<'t> {
        let mut settings: Vec<(&str, Vec<Option<&str>>)> = Vec::new();
        for line in text.lines() {
            let (name, value) = match line.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (line, None),
            };
            let name = name.trim();
            let pair = value.and_then(|value| value.split_once(':'));
            match (name, value) {
                // The name belongs to no flag, or to a flag that is allowed only on a command line, where it may also
                // be abbreviated.
                ("config", _) => continue,
                _ if "help".starts_with(name) || "version".starts_with(name) => continue,
                ("port", None) => continue,
                ("header", _) if pair.is_none_or(|(name, value)| name.starts_with('-') || value.starts_with('-')) => {
                    continue;
                }
                _ => {}
            }
            let at = settings.iter().position(|(other, _)| *other == name).unwrap_or_else(|| {
                settings.push((name, Vec::new()));
                settings.len() - 1
            });
            let values = &mut settings[at].1;
            if !REPEATABLE.contains(&name) {
                values.clear();
            }
            // A table cannot contain a key twice.
            let key = |value: &Option<&str>| {
                name == "header"
                    && value.and_then(|value| value.split_once(':')).map(|(name, _)| name) == pair.map(|(name, _)| name)
            };
            if !values.iter().any(key) {
                values.push(value);
            }
        }
        Settings(settings)
    }

    /// A file with one setting per line.
    fn file(&self) -> String {
        let mut file = String::new();
        for (name, values) in &self.0 {
            let value = match &values[..] {
                _ if *name == "header" => {
                    let pairs = values.iter().flatten().filter_map(|value| value.split_once(':'));
                    let pairs: Vec<_> =
                        pairs.map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
                    format!("{{ {} }}", pairs.join(", "))
                }
                [None] => "true".to_owned(),
                [Some(value)] => quoted(value),
                values => {
                    let values: Vec<_> = values.iter().map(|value| value.map_or("true".to_owned(), quoted)).collect();
                    format!("[{}]", values.join(", "))
                }
            };
            file += &format!("{} = {value}\n", quoted(name));
        }
        file
    }

    fn words(&self) -> Vec<String> {
        let (mut words, mut port) = (Vec::new(), Vec::new());
        for (name, value) in self.0.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value))) {
            match (*name, value) {
                ("port", Some(value)) => port = vec!["--".to_owned(), (*value).to_owned()],
                ("header", Some(value)) => {
                    let (name, value) = value.split_once(':').expect("a pair");
                    words.extend(["--header".to_owned(), name.to_owned(), value.to_owned()]);
                }
                (name, Some(value)) => words.push(format!("--{name}={value}")),
                (name, None) => words.push(format!("--{name}")),
            }
        }
        words.append(&mut port);
        words
    }
}

/// Checks that the same settings have the same meaning in a file and on a command line, or are invalid for the same
/// reason.
fn agree(settings: &Settings<'_>) {
    let (file, words) = (settings.file(), settings.words());
    let exit = match parse_file(Path::new("a.toml"), &file) {
        Ok(options) => return assert_eq!(read(&words), Ok(options), "{file}"),
        Err(exit) => exit,
    };
    let (line, what) = place(&exit, &file);
    if what.ends_with(": no such setting") {
        return;
    }
    let (key, why) = what.split_once(": ").expect("a key");
    let refused = read(&words).expect_err(&file);
    assert_eq!(refused.code(), Code::Usage);
    // The error for an invalid value differs between the two, and they find such values in different orders.
    if why.starts_with("expected ") {
        return;
    }
    let last = refused.text().lines().last().expect("a line");
    let (flag, reason) = last
        .strip_prefix("serve-forever: error: argument ")
        .and_then(|text| text.split_once(": "))
        .unwrap_or_else(|| panic!("{last} and {why}"));
    assert_eq!((flag.rsplit("--").next(), reason), (Some(key), why));
    let place = settings.0.iter().position(|(name, _)| *name == key);
    assert_eq!(place.map(|at| at + 1), Some(line), "the line of the setting");
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => quoted += &format!("\\u{:04x}", u32::from(control)),
            other => quoted.push(other),
        }
    }
    quoted + "\""
}
