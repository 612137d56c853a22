//! The command line of `load-forever`: the options, their limits, and the plan that is built from them.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::assertion::Assertion;
use super::plan::{Plan, PreparedRequest};
use super::schedule::SendSchedule;
use super::target_url::{LoadAddress, TargetUrl};
use super::units::{named, parse_positive, parse_time};
use crate::http::HeaderList;

/// The options of a run, as set on the command line.
#[derive(Debug)]
pub(super) struct LoadOptions {
    urls: Vec<TargetUrl>,
    pub(super) connections: usize,
    pub(super) pipeline: usize,
    pub(super) schedule: SendSchedule,
    pub(super) duration: Duration,
    pub(super) warm_up: Duration,
    /// The number of requests to send; `None` if only the duration ends the run.
    pub(super) requests: Option<u64>,
    pub(super) timeout: Duration,
    method: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    unix: Option<PathBuf>,
    /// The maximum number of bytes per second that a connection reads (`slow_read`) or writes (`slow_head`).
    pub(super) slow_read: Option<f64>,
    pub(super) slow_head: Option<f64>,
    pub(super) cacert: Option<PathBuf>,
    pub(super) insecure: bool,
    pub(super) json: Option<PathBuf>,
    pub(super) svg: Option<PathBuf>,
    pub(super) assertions: Vec<Assertion>,
    pub(super) quiet: bool,
}

/// The duration of a run if the command line sets neither a duration nor a number of requests.
const DURATION: Duration = Duration::from_secs(10);

/// The duration of a run whose end is determined only by its number of requests. It is longer than any run, but short
/// enough not to overflow an `Instant`.
const ENDLESS: Duration = Duration::from_secs(365 * 24 * 3600);

/// The maximum number of connections, so that the poll's tokens and the process's descriptors do not run out.
const MOST_CONNECTIONS: u64 = 1_000_000;

/// The maximum number of requests in flight on one connection.
const MOST_PIPELINED: u64 = 10_000;

impl LoadOptions {
    /// Parses the words of the command line. The first word is the name of the program.
    pub(super) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<LoadOptions, clap::Error> {
        let mut command = command();
        let matches = command.try_get_matches_from_mut(words)?;
        LoadOptions::from_matches(&matches)
            .map_err(|error| command.error(clap::error::ErrorKind::ValueValidation, error))
    }

    fn from_matches(matches: &ArgMatches) -> Result<LoadOptions, String> {
        let time = |name: &str| matches.get_one::<Duration>(name).copied();
        let number = |name: &str| matches.get_one::<u64>(name).copied();
        let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
        let rate = |name: &str| matches.get_one::<f64>(name).copied();
        let requests = number("requests");
        let fields = matches.get_many::<(String, String)>("header").into_iter().flatten().cloned().collect();
        let body = match (matches.get_one::<String>("body"), path("body-file")) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(file)) => std::fs::read(&file).map_err(|error| named(error, &file).to_string())?,
            (None, None) => Vec::new(),
        };
        Ok(LoadOptions {
            urls: matches.get_many("url").into_iter().flatten().cloned().collect(),
            connections: number("connections").map_or(10, |count| count as usize),
            pipeline: number("pipeline").map_or(1, |count| count as usize),
            schedule: rate("rate").map_or(SendSchedule::Closed, |rate| SendSchedule::Open { rate }),
            duration: time("duration").unwrap_or(if requests.is_some() { ENDLESS } else { DURATION }),
            warm_up: time("warm-up").unwrap_or_default(),
            requests,
            timeout: time("timeout").unwrap_or(Duration::from_secs(10)),
            method: matches.get_one::<String>("method").cloned().unwrap_or_else(|| "GET".to_owned()),
            fields,
            body,
            unix: path("unix"),
            slow_read: rate("slow-read"),
            slow_head: rate("slow-head"),
            cacert: path("cacert"),
            insecure: matches.get_flag("insecure"),
            json: path("json"),
            svg: path("svg"),
            assertions: matches.get_many("assert").into_iter().flatten().cloned().collect(),
            quiet: matches.get_flag("quiet"),
        })
    }

    /// Prepares the requests and resolves the server's address.
    pub(super) fn plan(&self) -> io::Result<Plan> {
        let mut fields = HeaderList::new();
        for (name, value) in &self.fields {
            fields.add(name, value.as_str()).map_err(|error| io::Error::other(format!("--header {name}: {error}")))?;
        }
        let requests = self.urls.iter().map(|url| PreparedRequest::new(url, &self.method, &fields, &self.body));
        Plan::new(&self.urls, requests.collect::<io::Result<_>>()?, self.unix.clone().map(LoadAddress::Unix))
    }
}

fn command() -> Command {
    let time = || Arg::new("").value_parser(parse_time).value_name("TIME");
    let rate = || Arg::new("").value_parser(parse_positive).value_name("N").allow_negative_numbers(true);
    let file = || Arg::new("").value_parser(value_parser!(PathBuf)).value_name("FILE");
    let count = |most| Arg::new("").value_parser(value_parser!(u64).range(1..=most)).value_name("N");
    Command::new("load-forever")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Measures an HTTP server with one thread. With --rate, latencies count from the time a request was due.")
        .arg(
            Arg::new("url")
                .required(true)
                .num_args(1..)
                .value_name("[WEIGHT*]URL")
                .value_parser(TargetUrl::parse)
                .help("URLs of one server, requested in turn according to their weights"),
        )
        .arg(
            count(MOST_CONNECTIONS)
                .id("connections")
                .short('c')
                .long("connections")
                .help("number of connections [default: 10]"),
        )
        .arg(time().id("duration").short('d').long("duration").help("duration of the measurement [default: 10s]"))
        .arg(count(u64::MAX).id("requests").short('n').long("requests").help("end after this number of requests"))
        .arg(rate().id("rate").short('r').long("rate").help(
            "requests per second over all connections, regardless of the server (open loop); without this option, \
                 each connection sends its next request when a response is complete (closed loop)",
        ))
        .arg(
            count(MOST_PIPELINED)
                .id("pipeline")
                .short('p')
                .long("pipeline")
                .help("requests in flight per connection [default: 1]"),
        )
        .arg(time().id("warm-up").short('w').long("warm-up").help("time before the measurement [default: 0s]"))
        .arg(time().id("timeout").long("timeout").help("maximum time to wait for a response [default: 10s]"))
        .arg(Arg::new("method").short('m').long("method").value_name("METHOD").help("request method [default: GET]"))
        .arg(
            Arg::new("header")
                .short('H')
                .long("header")
                .action(ArgAction::Append)
                .value_name("NAME: VALUE")
                .value_parser(parse_field)
                .help("header field to add; may be repeated"),
        )
        .arg(
            Arg::new("body")
                .short('b')
                .long("body")
                .value_name("TEXT")
                .conflicts_with("body-file")
                .help("request body"),
        )
        .arg(file().id("body-file").long("body-file").help("file with the request body"))
        .arg(file().id("unix").long("unix").help("connect to this Unix socket"))
        .arg(rate().id("slow-read").long("slow-read").help("read only N bytes per second on each connection"))
        .arg(rate().id("slow-head").long("slow-head").help("send only N bytes per second on each connection"))
        .arg(file().id("cacert").long("cacert").help("trust the certificates in this PEM file"))
        .arg(
            Arg::new("insecure")
                .long("insecure")
                .action(ArgAction::SetTrue)
                .conflicts_with("cacert")
                .help("trust every certificate"),
        )
        .arg(
            file()
                .id("json")
                .long("json")
                .help("write the figures and the whole histogram as JSON; - is standard output"),
        )
        .arg(file().id("svg").long("svg").help("write a plot of the latency percentiles as SVG"))
        .arg(
            Arg::new("assert")
                .long("assert")
                .action(ArgAction::Append)
                .value_name("BOUND")
                .value_parser(clap::builder::StringValueParser::new().try_map(|text| Assertion::parse(&text)))
                .help("exit with status 1 if this does not hold, such as 'p99<2ms' or 'errors<=0'; may be repeated"),
        )
        .arg(Arg::new("quiet").short('q').long("quiet").action(ArgAction::SetTrue).help("print assertions only"))
}

/// Parses the value of `--header`, which has the form `NAME: VALUE`.
fn parse_field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| format!("{text:?} is not NAME: VALUE"))?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<LoadOptions, String> {
        let words = ["load-forever"].iter().chain(words).map(OsString::from);
        LoadOptions::parse(words).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn options_have_defaults() {
        let options = parse(&["http://127.0.0.1:1/"]).unwrap();
        assert_eq!((options.connections, options.pipeline, options.schedule), (10, 1, SendSchedule::Closed));
        assert_eq!((options.duration, options.requests), (DURATION, None));
        let options = parse(&["-n", "7", "-r", "0.5", "http://127.0.0.1:1/"]).unwrap();
        assert_eq!(
            (options.duration, options.requests, options.schedule),
            (ENDLESS, Some(7), SendSchedule::Open { rate: 0.5 })
        );
    }

    #[test]
    fn a_wrong_value_is_named_with_its_option() {
        for (words, named) in [
            (&["-c", "0"][..], "--connections"),
            (&["--rate", "-1"], "--rate"),
            (&["--rate", "fast"], "fast"),
            (&["-d", "soon"], "--duration"),
            (&["-H", "Name"], "--header"),
            (&["--assert", "p99=1"], "p99=1"),
            (&["--body-file", "/no/such"], "/no/such"),
            (&["--insecure", "--cacert", "f"], "--cacert"),
            (&["ftp://h/"], "ftp://h/"),
        ] {
            let words: Vec<&str> = words.iter().copied().chain(["http://127.0.0.1:1/"]).collect();
            let error = parse(&words).unwrap_err();
            assert!(error.contains(named), "{words:?}: {error}");
        }
        assert!(parse(&[]).unwrap_err().contains("URL"));
    }

    #[test]
    fn a_wrong_field_is_named_when_the_requests_are_written() {
        let options = parse(&["-H", "Na me: x", "http://127.0.0.1:1/"]).unwrap();
        assert!(options.plan().unwrap_err().to_string().contains("--header Na me"));
    }
}
