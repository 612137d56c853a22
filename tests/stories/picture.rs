//! Draws a trace as SVG: lanes for the loop and for the tracks of connections.
//!
//! The horizontal axis shows the order of the events and not their times, because sleeps are long and everything else
//! is short. `main.rs` selects the traces to draw.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// A lane: its name, the process and the category of its events, and the colour of its boxes.
type Lane = (&'static str, u64, &'static str, &'static str);

const LOOP: Lane = ("loop", 1, "loop", "#cfe0f3");

/// The lanes of a story of one connection.
const STORY: [Lane; 5] = [
    LOOP,
    ("recv", 1001, "recv", "#cdeacf"),
    ("send", 1001, "send", "#f8dfb4"),
    ("wait", 1001, "wait", "#e6d4f0"),
    ("io", 1001, "io", "#555555"),
];

/// The lanes of one turn in which two connections run.
const TURN: [Lane; 3] = [LOOP, ("io 1", 1001, "io", "#555555"), ("io 2", 1002, "io", "#555555")];

/// The legend: the lanes of a story, and the meaning of horizontal positions.
const STORY_LEGEND: [&str; 3] = [
    "loop: the steps of each turn. recv, send: the two machines of the connection. wait: the wait in which a step ended, and",
    "its limit. io: reads and writes with their bytes. Places follow the order of events, not their times: above are the",
    "number of each turn, and the time at which it begins.",
];

const TURN_LEGEND: [&str; 2] = [
    "loop: the steps of the turn, with the numbers of their connections. io: reads and writes of the two connections.",
    "Places follow the order of events, not their times.",
];

// Pixels.
const LETTER: usize = 6;
const LEFT: usize = 52;
const TOP: usize = 62;
const LANE: usize = 30;
const BOX: usize = 20;
const GAP: usize = 6;

/// A box in a lane from one event to another, or a moment in it.
struct Item {
    lane: usize,
    begin: u64,
    end: Option<u64>,
    label: String,
    colour: &'static str,
}

/// The first turn that both runs and drops a session.
pub fn turn(trace: &str, heading: &str) -> String {
    let events = events(trace);
    let reap = events.iter().find(|event| event["name"] == "reap").unwrap();
    let (begin, end) = turns(&events).find(|(begin, end)| *begin < span(reap).0 && span(reap).1 < *end).unwrap();
    draw(&events, &TURN, (begin, end), heading, &TURN_LEGEND)
}

/// The whole life of the first connection.
pub fn story(trace: &str, heading: &str) -> String {
    let events = events(trace);
    let close = events.iter().find(|event| event["name"] == "close").unwrap();
    let (_, end) = turns(&events).find(|(begin, end)| (*begin..*end).contains(&span(close).0)).unwrap();
    draw(&events, &STORY, (0, end), heading, &STORY_LEGEND)
}

fn events(trace: &str) -> Vec<Value> {
    let lines = trace.strip_prefix("[\n").unwrap().lines();
    lines.map(|line| serde_json::from_str(line.strip_suffix(',').unwrap()).unwrap()).collect()
}

/// The beginning and the end of an event in nanoseconds. The times of a trace have three decimals.
fn span(event: &Value) -> (u64, u64) {
    let nanos = |name: &str| (event[name].as_f64().unwrap_or_default() * 1000.0).round() as u64;
    (nanos("ts"), nanos("ts") + nanos("dur"))
}

fn turns(events: &[Value]) -> impl Iterator<Item = (u64, u64)> {
    events.iter().filter(|event| event["name"] == "turn").map(span)
}

/// The boxes and moments of the lanes that begin within a time, in the order of their beginnings.
fn items(events: &[Value], lanes: &[Lane], (from, to): (u64, u64)) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for event in events {
        let of_event = |lane: &Lane| event["pid"] == lane.1 && event["cat"] == lane.2;
        let Some(lane) = lanes.iter().position(of_event) else { continue };
        let (begin, end) = span(event);
        if begin < from || begin > to || matches!(event["name"].as_str(), Some("turn" | "after_turn")) {
            continue;
        }
        let colour = if event["name"] == "sleep" { "#eeeeee" } else { lanes[lane].3 };
        let mut add = |end| items.push(Item { lane, begin, end, label: label(event, lanes), colour });
        match event["ph"].as_str().unwrap() {
            "X" => add(Some(end)),
            "i" => add(None),
            // A state lasts until the next one begins, so there is no gap between them.
            "B" => {
                add(Some(to));
                let before = items.iter_mut().rev().skip(1).find(|item| item.lane == lane);
                before.into_iter().for_each(|item| item.end = Some(begin));
            }
            "E" => {
                let state = items.iter_mut().rev().find(|item| item.lane == lane);
                state.into_iter().for_each(|item| item.end = Some(begin));
            }
            _ => {}
        }
    }
    items.sort_by_key(|item| item.begin);
    items
}

/// The name of an event, and the most important of its numbers.
fn label(event: &Value, lanes: &[Lane]) -> String {
    let name = event["name"].as_str().unwrap();
    let number = |name: &str| event["args"][name].as_u64();
    match name {
        "sleep" if number("timeout_us") == Some(0) => "sleep 0".to_owned(),
        "sleep" => format!("sleep {}", time(span(event).1 - span(event).0)),
        "mark" | "step" if lanes == TURN => format!("{name} {}", number("conn").unwrap()),
        "read" | "write" => format!("{name} {}", number("bytes").unwrap()),
        "short write" => format!("write {} of {}", number("bytes").unwrap(), number("wanted").unwrap()),
        "reap" | "accept" => name.to_owned(),
        _ => match number("limit_us") {
            Some(limit) => format!("{name} {}", time(limit * 1000)),
            None => name.to_owned(),
        },
    }
}

/// A time as text, in seconds or milliseconds.
fn time(nanos: u64) -> String {
    let millis = (nanos + 500_000) / 1_000_000;
    match (millis / 1000, millis % 1000) {
        (0, millis) => format!("{millis} ms"),
        (seconds, 0) => format!("{seconds} s"),
        (seconds, millis) => format!("{seconds}.{} s", format!("{millis:03}").trim_end_matches('0')),
    }
}

/// The horizontal position of each time. It is far enough to the right for every label before it to fit.
fn places(items: &[Item], begins_of_turns: &[u64]) -> BTreeMap<u64, usize> {
    let times = items.iter().flat_map(|item| [Some(item.begin), item.end]).flatten();
    let times: std::collections::BTreeSet<u64> = times.chain(begins_of_turns.iter().copied()).collect();
    let mut places = BTreeMap::new();
    let mut x = LEFT;
    for at in times {
        let fits = items.iter().filter(|item| match item.end {
            Some(end) => end == at,
            // The label of a moment ends before the next event of its lane.
            None => item.begin < at && items.iter().any(|other| other.lane == item.lane && other.begin == at),
        });
        let labels = fits.map(|item| places[&item.begin] + LETTER * item.label.len() + 2 * GAP);
        x = labels.chain([x + GAP]).max().unwrap();
        places.insert(at, x);
    }
    places
}

fn draw(events: &[Value], lanes: &[Lane], during: (u64, u64), heading: &str, legend: &[&str]) -> String {
    let items = items(events, lanes, during);
    let begins: Vec<u64> =
        turns(events).map(|(begin, _)| begin).filter(|at| (during.0..during.1).contains(at)).collect();
    let places = places(&items, &begins);
    let last = |item: &Item| places[&item.begin] + LETTER * item.label.len();
    let right = items.iter().map(last).chain(places.values().copied()).max().unwrap() + 2 * GAP;
    let width = right.max(LEFT + LETTER * 120);
    let below = TOP + LANE * lanes.len();
    let height = below + 10 + 15 * legend.len();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"monospace\" \
         font-size=\"10\" fill=\"black\">\n<title>{heading}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"20\" font-family=\"sans-serif\" font-size=\"15\">{heading}</text>\n"
    );
    for (number, begin) in begins.iter().enumerate() {
        let x = places[begin];
        let name =
            if lanes.len() == TURN.len() { "one turn".to_owned() } else { format!("{}: {}", number + 1, time(*begin)) };
        _ = writeln!(svg, "<path d=\"M{x} {}V{below}\" stroke=\"#999999\" stroke-dasharray=\"2 3\"/>", TOP - 18);
        _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" fill=\"#555555\">{name}</text>", x + 3, TOP - 10);
    }
    for (number, (name, ..)) in lanes.iter().enumerate() {
        _ = writeln!(svg, "<text x=\"12\" y=\"{}\" font-weight=\"bold\">{name}</text>", TOP + LANE * number + 14);
    }
    items.iter().for_each(|item| draw_item(&mut svg, item, &places));
    for (number, line) in legend.iter().enumerate() {
        let y = below + 15 + 15 * number;
        _ = writeln!(svg, "<text x=\"12\" y=\"{y}\" font-family=\"sans-serif\" font-size=\"11\">{line}</text>");
    }
    svg + "</svg>\n"
}

fn draw_item(svg: &mut String, item: &Item, places: &BTreeMap<u64, usize>) {
    let Item { lane, begin, end, label, colour } = item;
    let (x, y) = (places[begin], TOP + LANE * lane);
    let text = format!("<text x=\"{}\" y=\"{}\">{label}</text>", x + GAP, y + 14);
    _ = match end {
        Some(end) => writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{BOX}\" fill=\"{colour}\" stroke=\"#666666\"/>{text}",
            places[end] - x
        ),
        None => writeln!(svg, "<path d=\"M{x} {y}v{BOX}\" stroke=\"{colour}\" stroke-width=\"2\"/>{text}"),
    };
}
