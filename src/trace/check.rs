//! Finds faults of an event loop in its trace: violations of rules that every loop must follow, regardless of its
//! clients.
//!
//! A trace does not contain the bytes that clients sent and received, so wrong responses cannot be found. The format of
//! a trace is defined in `file.rs`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::json::Json;

/// The minimum number of consecutive turns without work that counts as spinning.
const SPIN: usize = 200;

/// Consecutive turns without work count as spinning only if their average duration is below this number of
/// microseconds.
const IDLE_TURN: f64 = 1000.0;

/// Returns the faults found in a trace. Each is described by one line of text, which begins with the line number in the
/// trace. An incomplete last line of the trace is ignored.
///
/// * *Lost interest*: a connection waits for its client to accept more although its last write did not return
///   `WouldBlock`, so no event will follow.
/// * *Sleep with work left*: the loop sleeps although a session is runnable.
/// * *Spin*: 200 consecutive turns neither read, write, accept nor close, and take less than a millisecond each on
///   average.
/// * *Forgotten mark*: a session was marked, but did not run in the same turn.
/// * *No deadline*: a session waits for its client for a limited time, but has set no deadline.
///
/// ```
/// let faults = serve_forever::trace::faults("[\n");
/// assert!(faults.is_empty());
/// ```
pub fn faults(trace: &str) -> Vec<String> {
    let mut checker = Checker::default();
    let lines: Vec<&str> = trace.lines().collect();
    for (at, line) in lines.iter().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
        match Json::parse(line.trim_end_matches(',')) {
            Some(event) => checker.event(at + 1, &event),
            // The process may have been killed while it was writing its last line.
            None if at + 1 == lines.len() => {}
            None => checker.fault(at + 1, "this is not an event"),
        }
    }
    checker.faults
}

#[derive(Default)]
struct Checker {
    faults: Vec<String>,
    /// The open connections that have tracks, by their numbers.
    open: BTreeMap<u64, OpenConnection>,
    /// The connections that were marked in this turn and have not run yet.
    marked: BTreeSet<u64>,
    /// The number of sessions that were runnable at the end of the last turn.
    runnable: f64,
    /// True if there has been work since the end of the last turn: a connection was accepted, a connection without
    /// tracks has run, or a connection has reported an event in its I/O track other than `deadline set`, `register` and
    /// `WouldBlock`.
    has_worked: bool,
    /// The times in microseconds at which the last consecutive turns without work began, at most [`SPIN`] of them.
    idle_turns: VecDeque<f64>,
}

/// The part of a connection's state that is needed to check its next step.
#[derive(Default)]
struct OpenConnection {
    wait: String,
    is_limited: bool,
    /// True if the last write did not return `WouldBlock`, so that no event will report free space.
    has_written: bool,
}

/// The value that stands for "no limit" in a trace.
const NO_LIMIT: f64 = ((1_u64 << 53) - 1) as f64;

impl Checker {
    fn fault(&mut self, line: usize, text: &str) {
        self.faults.push(format!("line {line}: {text}"));
    }

    fn event(&mut self, line: usize, event: &Json) {
        let text = |name| event.get(name).and_then(Json::text).unwrap_or_default();
        let number = |name| event.get(name).and_then(Json::number).unwrap_or_default();
        let argument = |name: &str| event.get("args").and_then(|args| args.get(name));
        let (name, phase, process) = (text("name"), text("ph"), number("pid") as u64);
        if process > 1000 && phase != "M" {
            return self.connection(process - 1000, name, phase, text("cat"), event);
        }
        let connection = argument("conn").and_then(Json::number).unwrap_or_default() as u64;
        match (name, phase) {
            ("sleep", "X") if self.runnable > 0.0 && argument("timeout_us").and_then(Json::number) != Some(0.0) => {
                self.fault(line, "sleep with work left: the loop sleeps although a session could run");
            }
            ("mark", "X") if self.open.contains_key(&connection) => _ = self.marked.insert(connection),
            ("step", "X") => self.step(line, connection, event),
            // After an immediate stop, marked sessions do not run.
            ("stop", "i") if argument("how").and_then(Json::text) == Some("now") => self.marked.clear(),
            ("accept", "X") => self.has_worked = true,
            ("loop", "C") => self.runnable = argument("runnable").and_then(Json::number).unwrap_or_default(),
            ("turn", "X") => self.turn(line, number("ts"), number("dur")),
            _ => {}
        }
    }

    fn connection(&mut self, number: u64, name: &str, phase: &str, category: &str, event: &Json) {
        let argument = |name: &str| event.get("args").and_then(|args| args.get(name));
        if name == "accept" && category == "io" {
            self.open.insert(number, OpenConnection::default());
        }
        let Some(connection) = self.open.get_mut(&number) else { return };
        match (category, phase, name) {
            ("wait", "B", _) => {
                connection.wait = name.to_owned();
                let limit = argument("limit_us").and_then(Json::number);
                connection.is_limited = limit.is_some_and(|limit| limit < NO_LIMIT);
            }
            ("io", _, "write" | "sendfile" | "short write") => connection.has_written = true,
            ("io", _, "WouldBlock") => {
                let is_read = argument("verb").and_then(Json::text) == Some("read");
                connection.has_written &= is_read;
            }
            ("io", _, "close") => {
                self.open.remove(&number);
                self.marked.remove(&number);
            }
            _ => {}
        }
        self.has_worked |= category == "io" && !matches!(name, "deadline set" | "register" | "WouldBlock");
    }

    fn step(&mut self, line: usize, number: u64, event: &Json) {
        self.marked.remove(&number);
        let argument = |name: &str| event.get("args").and_then(|args| args.get(name));
        // The trace does not contain the work of connections without tracks, so each of their steps counts as work.
        let Some(connection) = self.open.get(&number) else {
            self.has_worked = true;
            return;
        };
        if argument("next").and_then(Json::text) != Some("Wait") {
            return;
        }
        let lost_interest = connection.wait == "Write" && connection.has_written;
        let no_deadline = connection.is_limited && argument("deadline_us") == Some(&Json::Null);
        if lost_interest {
            self.fault(
                line,
                &format!("lost interest: connection {number} waits for room after a write that was complete"),
            );
        }
        if no_deadline {
            self.fault(
                line,
                &format!("no deadline: connection {number} waits with a limit, and the loop has no deadline"),
            );
        }
    }

    fn turn(&mut self, line: usize, begin: f64, length: f64) {
        for number in std::mem::take(&mut self.marked) {
            self.fault(line, &format!("forgotten mark: connection {number} was marked and did not run in this turn"));
        }
        if std::mem::take(&mut self.has_worked) {
            self.idle_turns.clear();
            return;
        }
        // Older turns are forgotten, because a long quiet time before a spin would hide it in the average.
        if self.idle_turns.len() == SPIN {
            self.idle_turns.pop_front();
        }
        self.idle_turns.push_back(begin);
        let took = begin + length - self.idle_turns[0];
        if self.idle_turns.len() == SPIN && took < SPIN as f64 * IDLE_TURN {
            self.fault(line, &format!("spin: {SPIN} turns without work in {took:.0} microseconds"));
            self.idle_turns.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPT: &str = r#"{"name":"accept","ph":"i","cat":"io","pid":1001,"args":{}}"#;
    const WAITS: &str = r#"{"name":"Write","ph":"B","cat":"wait","pid":1001,"args":{"limit_us":5}}"#;
    const WRITE: &str = r#"{"name":"short write","ph":"i","cat":"io","pid":1001,"args":{}}"#;
    const BLOCKED: &str = r#"{"name":"WouldBlock","ph":"i","cat":"io","pid":1001,"args":{"verb":"write"}}"#;
    const MARK: &str = r#"{"name":"mark","ph":"X","pid":1,"args":{"conn":1}}"#;
    const STEP: &str = r#"{"name":"step","ph":"X","pid":1,"args":{"conn":1,"next":"Wait","deadline_us":5}}"#;
    const ENDLESS: &str = r#"{"name":"step","ph":"X","pid":1,"args":{"conn":1,"next":"Wait","deadline_us":null}}"#;
    const TURN: &str = r#"{"name":"turn","ph":"X","pid":1,"ts":1,"dur":1,"args":{}}"#;
    const CLOSE: &str = r#"{"name":"close","ph":"i","cat":"io","pid":1001,"args":{}}"#;
    const BUSY: &str = r#"{"name":"loop","ph":"C","pid":1,"args":{"runnable":1}}"#;
    const SLEEP: &str = r#"{"name":"sleep","ph":"X","pid":1,"args":{"timeout_us":null}}"#;
    const NO_SLEEP: &str = r#"{"name":"sleep","ph":"X","pid":1,"args":{"timeout_us":0}}"#;

    fn check(events: &[&str]) -> Vec<String> {
        let lines: Vec<String> = events.iter().map(|event| format!("{event},\n")).collect();
        let faults = faults(&format!("[\n{}", lines.concat()));
        faults.iter().map(|fault| fault.split(": ").nth(1).unwrap().to_owned()).collect()
    }

    #[test]
    fn a_wait_for_room_after_a_complete_write_is_lost_interest() {
        assert_eq!(check(&[ACCEPT, WRITE, WAITS, STEP]), ["lost interest"]);
        assert!(check(&[ACCEPT, WRITE, BLOCKED, WAITS, STEP]).is_empty());
    }

    #[test]
    fn a_sleep_while_a_session_could_run_is_a_fault() {
        assert_eq!(check(&[BUSY, SLEEP]), ["sleep with work left"]);
        assert!(check(&[BUSY, NO_SLEEP]).is_empty());
    }

    #[test]
    fn two_hundred_turns_without_work_in_no_time_are_a_spin() {
        assert_eq!(check(&vec![TURN; 200]), ["spin"]);
        let mut turns = vec![TURN; 399];
        turns[199] = ACCEPT;
        assert!(check(&turns).is_empty());
    }

    #[test]
    fn reads_and_writes_that_would_block_are_no_work() {
        let in_turns_with = |io| [&[ACCEPT, TURN][..], &[io, TURN].repeat(200)].concat();
        assert_eq!(check(&in_turns_with(BLOCKED)), ["spin"]);
        assert!(check(&in_turns_with(WRITE)).is_empty());
    }

    #[test]
    fn a_quiet_time_before_a_spin_does_not_hide_it() {
        let long = TURN.replace("\"dur\":1", "\"dur\":3600000000");
        let later = TURN.replace("\"ts\":1", "\"ts\":3600000001");
        assert!(check(&vec![&*long; 200]).is_empty());
        let turns = [vec![&*long; 1], vec![&*later; 200]].concat();
        assert_eq!(check(&turns), ["spin"]);
    }

    #[test]
    fn a_marked_session_runs_in_its_turn_or_is_closed() {
        assert_eq!(check(&[ACCEPT, MARK, TURN]), ["forgotten mark"]);
        assert!(check(&[ACCEPT, MARK, STEP, TURN]).is_empty());
        assert!(check(&[ACCEPT, MARK, CLOSE, TURN]).is_empty());
    }

    #[test]
    fn a_wait_with_a_limit_has_a_deadline() {
        assert_eq!(check(&[ACCEPT, WAITS, ENDLESS]), ["no deadline"]);
        let unlimited = WAITS.replace("\"limit_us\":5", "\"limit_us\":null");
        assert!(check(&[ACCEPT, &unlimited, ENDLESS]).is_empty());
    }

    #[test]
    fn only_the_last_line_may_be_cut() {
        let trace = format!("[\n{ACCEPT},\n{}", &STEP[..30]);
        assert!(faults(&trace).is_empty());
        assert_eq!(faults(&format!("{trace}\n{STEP},\n")), ["line 3: this is not an event"]);
    }
}
