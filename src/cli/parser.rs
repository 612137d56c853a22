//! The parser of the command line: clap, configured from the table of flags. `parse_error` converts clap's errors.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};

use super::exit::Exit;
use super::flag::{Action, Flag};
use super::flags::{self, ABOUT, NAME, VERSION};
use super::layers::{Layer, Occurrences, Origin};
use super::options::Options;
use super::parse_error::{detached, ending};

/// Parses a command line, which does not include the name of the program.
///
/// The rules are those of argparse. Options can come before or after the port. A value is the next word or attached
/// (`--bind=::1`, `-b::1`). Long names can be abbreviated if the abbreviation is unique. If an option is repeated, the
/// last occurrence is used, except for options such as `--header` that collect values. `--` ends the options.
///
/// ```
/// use serve_forever::cli::{Code, parse};
/// let words = |line: &'static str| line.split(' ').map(Into::into);
/// assert_eq!(parse(words("--dir site 0")).unwrap().port, 0);
/// assert_eq!(parse(words("70000")).unwrap_err().code(), Code::Usage);
/// ```
///
/// # Errors
/// Returns an [`Exit`] that contains the text of `--help` or `--version`, or the error in the command line.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Options, Exit> {
    Options::from_layers(&[layer(words)?])
}

/// Parses a command line into a layer. The values are not checked yet.
pub(super) fn layer(words: impl IntoIterator<Item = OsString>) -> Result<Layer, Exit> {
    let words: Vec<OsString> = words.into_iter().collect();
    let matches = command().try_get_matches_from(&words).map_err(|error| ending(&error, &words))?;
    // In `--spa a.html`, clap parses `a.html` as the port. A message about `--spa` is then more helpful than one about
    // the port.
    if let Some(port) = matches.get_one::<OsString>("port")
        && Options::default().set_port(port).is_err()
        && let Some(exit) = detached(port, &words)
    {
        return Err(exit);
    }
    let mut layer = Layer::new(Origin::CommandLine);
    for flag in flags::all() {
        if matches.value_source(flag.name) == Some(ValueSource::CommandLine) {
            layer.note(flag, occurrences(flag, &matches));
        }
    }
    Ok(layer)
}

/// Converts the table of flags to a clap command. The manual page and the completions are also generated from this
/// command.
pub(super) fn command() -> Command {
    Command::new(NAME)
        .about(ABOUT)
        .version(VERSION)
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .infer_long_args(true)
        .args_override_self(true)
        .args(flags::all().map(argument))
}

/// Converts one flag to a clap argument. `ArgAction::Append` keeps the values of each occurrence separate.
fn argument(flag: &'static Flag) -> Arg {
    let mut argument = Arg::new(flag.name).help(flag.help);
    if !flag.more.is_empty() {
        argument = argument.long_help(format!("{}. {}", flag.help, flag.more));
    }
    if !flag.is_positional() {
        argument = argument.long(flag.name).short(flag.letter);
    }
    match flag.action {
        Action::Help => argument.action(ArgAction::Help),
        Action::Version => argument.action(ArgAction::Version),
        Action::Switch(_) => argument.action(ArgAction::SetTrue),
        Action::One(..) | Action::Many(..) | Action::Two(..) => {
            taking_values(argument, flag.values()).action(ArgAction::Append)
        }
        Action::Maybe(..) => {
            let argument = taking_values(argument, flag.values()).action(ArgAction::Append);
            argument.num_args(0..=1).require_equals(true)
        }
        Action::Positional(_) => taking_values(argument, &[flag.name]),
    }
}

/// Configures an argument to take one value for each of these placeholder names. Negative numbers are accepted as
/// values, because no flag begins with a digit. Other words that begin with a hyphen are rejected.
fn taking_values(argument: Arg, names: &[&'static str]) -> Arg {
    let text = clap::builder::ValueParser::os_string();
    let argument = argument.value_names(names.iter().copied()).num_args(names.len()).value_hint(hint(names));
    argument.value_parser(text).allow_negative_numbers(true)
}

/// The kind of completion that a shell offers for values with these placeholder names.
fn hint(names: &[&str]) -> ValueHint {
    match names {
        ["DIRECTORY"] => ValueHint::DirPath,
        ["FILE"] => ValueHint::FilePath,
        ["ADDRESS"] => ValueHint::Hostname,
        ["USER"] => ValueHint::Username,
        _ => ValueHint::Other,
    }
}

/// The values of each occurrence of a flag. A switch has only one occurrence, even if it is repeated.
fn occurrences(flag: &Flag, matches: &ArgMatches) -> Occurrences {
    match flag.action {
        Action::Help | Action::Version | Action::Switch(_) => vec![Vec::new()],
        _ => {
            let occurrences = matches.get_occurrences::<OsString>(flag.name).into_iter().flatten();
            occurrences.map(|values| values.cloned().collect()).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use std::ffi::OsStr;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::cli::help::help;
    use crate::cli::{
        Code, Confinement, LifeOptions, LogOptions, ScriptOptions, SiteOptions, TlsOptions, WatchOptions,
    };
    use crate::http::Version;
    use crate::limits::Limits;
    use crate::log::LogFormat;

    const LAST_CALL: Duration = Duration::from_millis(500);

    fn parsed(words: &[&str]) -> Options {
        parse(words.iter().map(Into::into)).unwrap_or_else(|exit| panic!("{words:?}: {}", exit.text()))
    }

    /// The last line of the message for a command line with an error.
    fn refused(words: &[&str]) -> String {
        let exit = parse(words.iter().map(Into::into)).expect_err(&format!("{words:?}"));
        assert_eq!(exit.code(), Code::Usage, "{words:?}: {}", exit.text());
        assert!(exit.text().starts_with("usage: serve-forever "), "{}", exit.text());
        let line = exit.text().lines().last().unwrap();
        line.strip_prefix("serve-forever: error: ").unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    #[test]
    fn the_table_is_a_valid_clap_command() {
        command().debug_assert();
    }

    #[test]
    fn an_empty_command_line_is_the_defaults() {
        assert_eq!(parsed(&[]), Options::default());
        let options = parsed(&[]);
        assert_eq!((options.port, options.bind, options.directory.as_path()), (8000, None, Path::new(".")));
        assert_eq!((options.protocol, options.headers, options.quiet), (Version::Http11, vec![], false));
        assert_eq!((options.content_type, options.config, options.reuse_port), (None, None, false));
        assert_eq!((options.site, options.log), (SiteOptions::default(), LogOptions::default()));
        assert_eq!(options.limits, Limits { last_call: LAST_CALL, ..Limits::default() });
        assert_eq!(options.confinement, Confinement::default());
        assert_eq!(options.scripts, ScriptOptions::default());
    }

    #[test]
    fn options_are_parsed_before_and_after_the_port_in_every_spelling() {
        let all = Options {
            port: 80,
            bind: Some("::1".into()),
            directory: "site".into(),
            protocol: Version::Http10,
            server: None,
            headers: vec![("A".into(), b"b".to_vec())],
            content_type: Some("text/x".into()),
            quiet: true,
            site: SiteOptions { listing: false, spa: Some("a.html".into()), ..SiteOptions::default() },
            scripts: ScriptOptions::default(),
            #[cfg(feature = "harness")]
            bench: crate::cli::BenchOptions::default(),
            #[cfg(feature = "harness")]
            statistics: crate::cli::StatisticsOptions::default(),
            log: LogOptions { format: LogFormat::Json, file: Some("l".into()) },
            tls: TlsOptions::default(),
            watch: WatchOptions::default(),
            config: Some("c".into()),
            limits: Limits { grace: Duration::from_secs(1), last_call: LAST_CALL, ..Limits::default() },
            reuse_port: true,
            confinement: Confinement { user: Some("u".into()), chroot: Some("r".into()), sandbox: true },
            life: LifeOptions::default(),
        };
        for line in [
            "80 --bind ::1 --directory site --protocol HTTP/1.0 --header A b --content-type text/x --quiet --no-listing \
             --log-format json --log-file l --config c --grace 1 --reuse-port --user u --chroot r --sandbox --spa=a.html",
            "--bind=::1 --directory=site --protocol=HTTP/1.0 --content-type=text/x --header A b --quiet --no-listing \
             --log-format json --log-file l --config c --grace 1 --reuse-port --user u --chroot r --sandbox --spa=a.html 80",
            "-b ::1 -d site -p HTTP/1.0 80 -H A b --content-type text/x -q --no-listing --spa=a.html \
             --log-format json --log-file l --config c --grace 1 --reuse-port --user u --chroot r --sandbox",
            "-b::1 -dsite -pHTTP/1.0 -qH A b --content-type text/x --spa=a.html --no-listing \
             --log-format=json --log-file=l --config=c --grace=1 --reuse-port --user=u --chroot=r --sandbox -- 80",
            "--bin ::1 --dir site --prot HTTP/1.0 --heade A b --cont text/x --qui --no-l --sp=a.html \
             --log-fo json --log-fi l --conf c --gr 1 --reu --us u --chr r --sa 80",
        ] {
            assert_eq!(parsed(&line.split(' ').collect::<Vec<_>>()), all, "{line}");
        }
    }

    #[cfg(all(feature = "cgi", target_os = "linux"))]
    #[test]
    fn options_of_scripts_are_parsed() {
        let options = parsed(&["--cgi", "--cgi-env", "A", "--cgi-env=B", "--cgi-u", "web", "80"]);
        let scripts = ScriptOptions {
            run: true,
            variables: vec!["A".into(), "B".into()],
            user: Some("web".into()),
            ..ScriptOptions::default()
        };
        assert_eq!(options.scripts, scripts);
        assert!(!parsed(&["--cgi-env", "A"]).scripts.run);
        assert_eq!(
            refused(&["--cg"]),
            "ambiguous option: --cg could match --cgi, --cgi-env, --cgi-user, --cgi-timeout, --cgi-first-byte, --cgi-max"
        );
    }

    #[test]
    fn the_last_occurrence_counts_except_for_headers() {
        let options = parsed(&["-d", "a", "-H", "X", "1", "-q", "-d", "b", "-H", "X", "2", "-q"]);
        assert_eq!(options.directory, Path::new("b"));
        assert_eq!(options.headers, [("X".into(), b"1".to_vec()), ("X".into(), b"2".to_vec())]);
        assert_eq!(refused(&["-p", "no", "-p", "HTTP/1.1"]).split(':').next(), Some("argument -p/--protocol"));
    }

    #[test]
    fn an_optional_value_is_not_taken_from_the_next_word() {
        let options = parsed(&["--spa", "80", "--cors"]);
        assert_eq!(
            (options.port, options.site.spa, options.site.cors),
            (80, Some("index.html".into()), Some("*".into()))
        );
        let options = parsed(&["--spa", "--spa=a.html", "--cors=https://a.example", "80"]);
        assert_eq!((options.port, options.site.spa), (80, Some("a.html".into())));
        assert_eq!(options.site.cors.as_deref(), Some("https://a.example"));
        assert_eq!(refused(&["--spa="]), "argument --spa: invalid file: '' (must be the name of a file)");
    }

    #[test]
    fn an_optional_value_in_the_next_word_is_refused_with_the_correct_form() {
        let why = "argument --spa: invalid value: 'a.html' (must follow =, as in --spa=a.html)";
        for line in
            [&["--spa", "a.html"][..], &["--sp", "a.html"], &["80", "--spa", "a.html"], &["-q", "--spa", "a.html"]]
        {
            assert_eq!(refused(line), why, "{line:?}");
        }
        let why = "argument --cors: invalid value: 'https://a' (must follow =, as in --cors=https://a)";
        assert_eq!(refused(&["--cors", "https://a"]), why);
        let why = "argument port: invalid int value: 'a' (must be a number from 0 to 65535)";
        for line in [&["--spa=b", "a"][..], &["--quiet", "a"], &["a", "--spa"]] {
            assert_eq!(refused(line), why, "{line:?}");
        }
    }

    #[test]
    fn repeated_flags_of_lists_collect_their_values() {
        let site = parsed(&["--index", "a", "--mime", "x=a/b", "--index=b", "--auth", "a:b", "--auth", "c:d"]).site;
        assert_eq!((site.index, site.mime.len(), site.accounts.len()), (vec!["a".into(), "b".into()], 1, 2));
    }

    #[test]
    fn ports_are_numbers_from_0_to_65535() {
        assert_eq!(parsed(&[" +0 "]).port, 0);
        assert_eq!(refused(&["abc"]), "argument port: invalid int value: 'abc' (must be a number from 0 to 65535)");
        assert_eq!(refused(&[""]), "argument port: invalid int value: '' (must be a number from 0 to 65535)");
        assert_eq!(refused(&["-"]), "argument port: invalid int value: '-' (must be a number from 0 to 65535)");
        assert_eq!(refused(&["70000"]), "argument port: 70000 is not in 0..=65535");
        assert_eq!(refused(&["-1"]), "argument port: -1 is not in 0..=65535");
        assert_eq!(refused(&["--", "-1"]), "argument port: -1 is not in 0..=65535");
        assert_eq!(
            refused(&["--", "--bind"]),
            "argument port: invalid int value: '--bind' (must be a number from 0 to 65535)"
        );
        assert_eq!(refused(&["8001", "8002"]), "unrecognized arguments: 8002");
    }

    #[test]
    fn unknown_flags_are_refused_with_escaped_names() {
        assert_eq!(refused(&["--foo"]), "unrecognized arguments: --foo");
        assert_eq!(refused(&["--foo=bar"]), "unrecognized arguments: --foo");
        assert_eq!(refused(&["-x"]), "unrecognized arguments: -x");
        assert_eq!(refused(&["--a\nb\u{1b}"]), r"unrecognized arguments: --a\x0ab\x1b");
    }

    #[test]
    fn an_ambiguous_abbreviation_lists_its_candidates() {
        assert_eq!(
            refused(&["--he"]),
            "ambiguous option: --he could match --help, --header, --head-timeout, --health, --healthcheck"
        );
        assert_eq!(
            refused(&["--he=1"]),
            "ambiguous option: --he could match --help, --header, --head-timeout, --health, --healthcheck"
        );
    }

    #[test]
    fn a_missing_value_names_the_flag_and_the_value() {
        for rest in [&[][..], &["-q"], &["--quiet"], &["--", "80"]] {
            let line = [&["--directory"], rest].concat();
            assert_eq!(refused(&line), "argument -d/--directory: expected one argument: DIRECTORY", "{line:?}");
        }
        assert_eq!(refused(&["--content-type"]), "argument --content-type: expected one argument: TYPE");
        for line in [&["-H"][..], &["-H", "A"], &["-H", "A", "-q"], &["--header", "A", "--", "b"], &["-HA", "b"]] {
            assert_eq!(refused(line), "argument -H/--header: expected 2 arguments: NAME VALUE", "{line:?}");
        }
    }

    #[test]
    fn a_value_that_begins_with_a_hyphen_must_be_attached_or_a_number() {
        assert_eq!(parsed(&["-H", "A", "-1"]).headers, [("A".into(), b"-1".to_vec())]);
        assert_eq!(parsed(&["-d=-x"]).directory, Path::new("-x"));
        assert_eq!(parsed(&["--directory=--x"]).directory, Path::new("--x"));
        assert_eq!(parsed(&["-d-"]).directory, Path::new("-"));
        assert_eq!(refused(&["-d", "-x"]), "unrecognized arguments: -x");
        assert_eq!(refused(&["-H", "A", "--x"]), "unrecognized arguments: --x");
    }

    #[test]
    fn a_value_for_a_switch_is_refused() {
        assert_eq!(
            refused(&["--quiet=yes"]),
            "argument -q/--quiet: invalid value: 'yes' (must be given without a value)"
        );
    }

    #[test]
    fn an_error_about_a_value_names_its_flag() {
        assert_eq!(
            refused(&["-p", "SPDY/9"]),
            "argument -p/--protocol: invalid choice: 'SPDY/9' (choose from HTTP/1.0, HTTP/1.1)"
        );
        assert_eq!(
            refused(&["-H", "a b", "c"]),
            "argument -H/--header: invalid name: 'a b' (must consist of letters, digits and !#$%&'*+-.^_`|~)"
        );
        assert_eq!(
            refused(&["--content-type", "x"]),
            "argument --content-type: invalid content type: 'x' (must be a media type such as text/plain)"
        );
    }

    #[test]
    fn help_and_version_are_successful_exits() {
        for words in [&["-h"][..], &["--help"], &["--hel"], &["80", "-h"], &["-h", "--foo"], &["-qh"]] {
            let exit = parse(words.iter().map(Into::into)).unwrap_err();
            assert_eq!((exit.code(), exit.text()), (Code::Success, help().as_str()), "{words:?}");
        }
        for words in [["-V"], ["--version"]] {
            let exit = parse(words.iter().map(Into::into)).unwrap_err();
            let version = concat!("serve-forever ", env!("CARGO_PKG_VERSION"), "\n");
            assert_eq!((exit.code(), exit.text()), (Code::Success, version));
        }
    }

    #[cfg(unix)]
    #[test]
    fn values_may_contain_bytes_that_are_not_utf8() {
        use std::os::unix::ffi::OsStrExt;
        let bytes = |bytes| OsStr::from_bytes(bytes).to_owned();
        let options = parse([bytes(b"-d"), bytes(b"x\xff")]).unwrap();
        assert_eq!(options.directory.as_os_str(), bytes(b"x\xff"));
        assert_eq!(parse([bytes(b"--directory=x\xff")]).unwrap(), options);
        assert_eq!(parse([bytes(b"-dx\xff")]).unwrap(), options);
        for word in [&b"--x\xff"[..], b"-\xff", b"\xff"] {
            assert_eq!(parse([bytes(word)]).unwrap_err().code(), Code::Usage);
        }
    }
}
