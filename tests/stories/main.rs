//! Stories: scripted runs of one or two connections, on a loop with a simulated clock and simulated clients. Each
//! results in a trace and in the sentences of `--explain`. They are compared with the files in `tests/stories/told`,
//! and the pictures in `docs/pictures` are drawn from them.
//!
//! `UPDATE_STORIES=1` writes the files instead, and `UPDATE_DOCS=1` the pictures.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod picture;
mod stage;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serve_forever::trace::faults;
use stage::{Action, Told, tell};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// The title of a story, and its actions with their times.
type Story = (&'static str, Vec<(Duration, Action)>);

fn stories() -> Vec<Story> {
    let at = Duration::from_millis;
    let send = |text: &str| Action::Send(text.to_owned());
    let bytes = |count: usize| send(&format!("GET /bytes?{count} HTTP/1.1\r\nHost: h\r\n\r\n"));
    let byte = |number: usize| (at(4000 * number as u64), send(&GET[number..=number]));
    let woken = "GET /woken HTTP/1.1\r\nHost: h\r\n\r\n";
    let takes = |time: u64| (at(time), Action::Take(20_000));
    vec![
        ("get", vec![(at(0), send(GET)), (at(5), Action::End)]),
        ("keep-alive", vec![(at(0), send(GET)), (at(1000), send(GET))]),
        ("pipelined", vec![(at(0), send(&GET.repeat(3))), (at(5), Action::End)]),
        ("slow-reader", vec![takes(0), (at(0), bytes(50_000)), takes(700), takes(1500), (at(1600), Action::End)]),
        ("slowloris", (0..3).map(byte).collect()),
        ("woken-handler", vec![(at(0), send(woken)), (at(50), Action::Work), (at(60), Action::End)]),
        ("two-clients", vec![(at(0), send(GET)), (at(5), Action::End), (at(5), Action::Second(GET.to_owned()))]),
        ("drain", vec![takes(0), (at(0), bytes(30_000)), (at(100), Action::Stop), takes(300), (at(310), Action::End)]),
    ]
}

fn path(folder: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(name)
}

/// Compares a text with a file, or writes the file if `variable` is set.
fn compare(path: &Path, text: &str, variable: &str) {
    if std::env::var_os(variable).is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        return std::fs::write(path, text).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let differs = written.lines().zip(text.lines()).position(|(old, new)| old != new);
    let line = differs.unwrap_or_else(|| written.lines().count().min(text.lines().count()));
    let (old, new) = (written.lines().nth(line), text.lines().nth(line));
    let (path, number) = (path.display(), line + 1);
    assert!(written == text, "{path}, line {number}: {old:?} is now {new:?}; {variable}=1 writes the file");
}

#[test]
fn each_story_has_the_trace_and_the_sentences_that_are_written_down() {
    for (title, actions) in stories() {
        let Told { trace, sentences } = tell(actions);
        assert_eq!(faults(&trace), Vec::<String>::new(), "{title}");
        compare(&path("tests/stories/told", &format!("{title}.txt")), &sentences, "UPDATE_STORIES");
        compare(&path("tests/stories/told", &format!("{title}.json")), &trace, "UPDATE_STORIES");
    }
}

#[test]
fn the_pictures_of_the_documents_are_drawn_from_the_stories() {
    let pictures = [
        ("get", "get", "A GET, and the end of its connection"),
        ("slow-reader", "slow-reader", "A client that reads slowly"),
        ("slowloris", "slowloris", "A client that sends its request too slowly"),
        ("two-clients", "turn", "One turn of the loop: a connection comes and another one goes"),
    ];
    for (title, name, heading) in pictures {
        let (_, actions) = stories().into_iter().find(|(other, _)| *other == title).unwrap();
        let trace = tell(actions).trace;
        let svg = match name {
            "turn" => picture::turn(&trace, heading),
            _ => picture::story(&trace, heading),
        };
        compare(&path("docs/pictures", &format!("{name}.svg")), &svg, "UPDATE_DOCS");
    }
}
