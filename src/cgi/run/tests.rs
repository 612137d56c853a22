//! Unit tests of `ScriptRun`: its deadlines, its place in the queue, and its output, which the tests write in place of
//! a script.

use std::io::{PipeReader, PipeWriter, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use mio::unix::pipe;

use super::*;
use crate::cgi::test_registrar::TestRegistrar;
use crate::cgi::{CgiLimits, CgiService};

fn run(limits: CgiLimits) -> ScriptRun {
    let service = CgiService::builder("src").limits(limits).build(|_: &Request| Response::text("")).unwrap();
    let script = Script { file: "/x".into(), name: b"/cgi-bin/x".to_vec(), path_info: Vec::new() };
    ScriptRun::new(service.context(), Request::builder("POST", "/cgi-bin/x").build(), script, true)
}

/// Polls the run once. Returns the response, if there is one.
fn poll(run: &mut ScriptRun, registrar: &mut TestRegistrar) -> Option<Response> {
    match run.poll(registrar).unwrap() {
        RunProgress::NotYet => None,
        RunProgress::Response(response) => Some(response),
        RunProgress::Redirect(target) => panic!("redirected to {target:?}"),
    }
}

/// Starts a child that only sleeps, and adds it to the reaper. Returns a `ScriptOutput` that reads from `output`
/// instead of the child's standard output.
fn sleeping(run: &ScriptRun, output: PipeReader, registrar: &mut TestRegistrar) -> ScriptOutput {
    let child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
    let label = ChildLabel { client: SocketAddr::from(([0; 4], 0)), name: run.script.shown(), wake: registrar.wake() };
    let key = run.context.reaper.add(child, label, registrar).unwrap();
    let stdout = Receiver::from(std::os::fd::OwnedFd::from(output));
    stdout.set_nonblocking(true).unwrap();
    ScriptOutput::new(stdout, ChildHandle::new(Arc::clone(&run.context.reaper), key))
}

#[test]
fn written_bytes_of_the_body_move_the_deadline() {
    let first_byte = Duration::from_secs(10);
    let mut run = run(CgiLimits { live: 0, first_byte, ..CgiLimits::default() });
    let mut registrar = TestRegistrar::new();
    let begin = registrar.now;
    assert!(poll(&mut run, &mut registrar).is_none());
    assert_eq!(run.deadline(), Some(begin + first_byte));
    let (stdin, _reader) = pipe::new().unwrap();
    run.stdin = Some(ScriptInput::new(stdin));
    for second in [5, 14, 23] {
        registrar.now = begin + Duration::from_secs(second);
        assert_eq!(run.feed(b"more"), 4);
        assert!(poll(&mut run, &mut registrar).is_none(), "{second}");
        assert_eq!(run.deadline(), Some(registrar.now + first_byte));
    }
    // The deadline does not change if no byte of the body was written.
    registrar.now += first_byte / 2;
    assert_eq!(run.feed(b""), 0);
    assert!(poll(&mut run, &mut registrar).is_none());
    assert_eq!(run.deadline(), Some(registrar.now + first_byte / 2));
    registrar.now += first_byte / 2;
    assert_eq!(poll(&mut run, &mut registrar).unwrap().status, Status::SERVICE_UNAVAILABLE);
}

#[test]
fn without_a_limit_there_is_no_deadline() {
    let mut run = run(CgiLimits { live: 0, first_byte: Duration::ZERO, ..CgiLimits::default() });
    assert!(poll(&mut run, &mut TestRegistrar::new()).is_none());
    assert_eq!(run.deadline(), None);
}

#[test]
fn a_turn_reads_a_limited_amount_of_unwanted_output() {
    let mut run = run(CgiLimits::default());
    let mut registrar = TestRegistrar::new();
    let most = PIECE * (PIECES as usize + 1);
    // All of the bytes fit into the pipe, so a turn without a limit would read all of them.
    let (reader, writer) = io::pipe().unwrap();
    let size = rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20).unwrap();
    assert!(size > 2 * most);
    (&writer).write_all(&vec![0; size]).unwrap();
    let output = sleeping(&run, reader, &mut registrar);
    let outcome = ScriptOutcome::Respond(Response::new(Status::OK));
    run.stage = RunStage::Rest { output, outcome };
    assert!(poll(&mut run, &mut registrar).is_none());
    let left = rustix::io::ioctl_fionread(&writer).unwrap();
    assert_eq!(left, (size - most) as u64);
    assert_eq!(registrar.wakes(), 1, "the next turn reads more");
}

/// The lines that have been logged since the last call.
fn notes(run: &ScriptRun, now: Instant) -> Vec<String> {
    let mut notes = Vec::new();
    run.context.reaper.after_turn(now, &mut |_, text| notes.push(text.to_owned()));
    notes
}

#[test]
fn a_request_that_leaves_the_queue_too_late_is_503_and_logged() {
    let limits = CgiLimits { live: 0, ..CgiLimits::default() };
    let (mut run, mut registrar) = (run(limits.clone()), TestRegistrar::new());
    assert!(poll(&mut run, &mut registrar).is_none());
    registrar.now += limits.first_byte;
    assert_eq!(poll(&mut run, &mut registrar).unwrap().status, Status::SERVICE_UNAVAILABLE);
    assert_eq!(notes(&run, registrar.now), ["CGI script not started (too many scripts are running): '/cgi-bin/x'"]);
}

#[test]
fn a_queued_run_that_is_dropped_leaves_the_queue() {
    let (mut run, mut registrar) = (run(CgiLimits { live: 0, ..CgiLimits::default() }), TestRegistrar::new());
    let reaper = Arc::clone(&run.context.reaper);
    assert!(poll(&mut run, &mut registrar).is_none());
    reaper.set_limits(CgiLimits { live: 1, ..CgiLimits::default() });
    let (mut ticket, next) = (None, TestRegistrar::new());
    assert!(!reaper.may_start(&mut ticket, &next), "the run came first");
    drop(run);
    assert!(reaper.may_start(&mut ticket, &next));
    assert_eq!(next.wakes(), 1);
}

/// A run whose script only sleeps. The test writes the script's output.
struct Played {
    run: ScriptRun,
    registrar: TestRegistrar,
    output: Option<PipeWriter>,
}

const HEAD: &str = "Content-Type: a/b\n\n";

impl Played {
    fn new(method: &str, limits: CgiLimits) -> Played {
        let (mut run, mut registrar) = (run(limits), TestRegistrar::new());
        run.request = Request::builder(method, "/cgi-bin/x").build();
        let (reader, writer) = io::pipe().unwrap();
        run.stage = RunStage::Head { output: sleeping(&run, reader, &mut registrar), read: Vec::new(), end: None };
        Played { run, registrar, output: Some(writer) }
    }

    /// A run whose script has not read any byte of a body that has filled the pipe to its standard input. Dropping the
    /// receiver closes the pipe.
    fn with_unread_body() -> (Played, Receiver) {
        let mut played = Played::new("POST", CgiLimits::default());
        let (stdin, reader) = pipe::new().unwrap();
        played.run.stdin = Some(ScriptInput::new(stdin));
        let body = vec![b'x'; 1 << 20];
        assert!(played.run.feed(&body) < body.len());
        (played, reader)
    }

    fn poll(&mut self) -> Option<Response> {
        poll(&mut self.run, &mut self.registrar)
    }

    /// Writes to the output and polls the run. Returns the response, if there is one.
    fn write(&mut self, output: &str) -> Option<Response> {
        self.output.as_mut().unwrap().write_all(output.as_bytes()).unwrap();
        self.poll()
    }

    /// Ends the output and polls the run until it returns the response.
    fn end(&mut self) -> Response {
        self.output = None;
        // Another test may be starting a process, which has a copy of the descriptor until it calls `exec`. There is no
        // EOF before that.
        loop {
            if let Some(response) = self.poll() {
                return response;
            }
            std::thread::yield_now();
        }
    }

    /// The text of the error that the run returns for this output. `None` if it returns no error.
    fn refusal(mut self, output: &str) -> Option<String> {
        self.output.as_mut().unwrap().write_all(output.as_bytes()).unwrap();
        self.run.poll(&mut self.registrar).err().map(|error| error.to_string())
    }
}

#[test]
fn the_response_waits_for_more_than_the_head_only_while_a_long_body_is_unread() {
    let mut played = Played::new("GET", CgiLimits::default());
    assert!(played.run.deadline().is_none() && !played.run.wants_body());
    assert_eq!(played.write(HEAD).unwrap().status, Status::OK);
    assert_eq!(played.run.deadline(), None, "the script has responded");
    for more in [Some("x"), None] {
        let (mut played, _input) = Played::with_unread_body();
        assert!(played.run.wants_body() && played.write(HEAD).is_none());
        assert!(played.run.deadline().is_some());
        let response = match more {
            Some(more) => played.write(more).unwrap(),
            None => played.end(),
        };
        assert_eq!(response.status, Status::OK, "{more:?}");
        played.run.end_body();
        assert!(!played.run.wants_body());
    }
}

#[test]
fn a_head_may_be_as_long_as_its_limit_and_empty_output_is_no_head() {
    for (head, is_refused) in [(HEAD.len(), false), (HEAD.len() - 1, true)] {
        let refusal = Played::new("GET", CgiLimits { head, ..CgiLimits::default() }).refusal(HEAD);
        assert_eq!(refusal.is_some_and(|text| text.contains("too long")), is_refused, "{head}");
    }
    let refusal = Played::new("GET", CgiLimits::default()).refusal("\nbody").unwrap();
    assert!(refusal.contains("neither Content-Type nor Location"), "{refusal}");
}

/// The script may have side effects, so it is not terminated early.
#[test]
fn a_response_without_a_body_of_the_script_waits_for_the_end_of_the_output() {
    for (method, head, status, is_omitted) in [
        ("HEAD", HEAD, 200, true),
        ("HEAD", "Content-Type: a/b\nContent-Length: 5\n\n", 200, false),
        ("GET", "Status: 204\n\n", 204, true),
        ("GET", "Content-Type: a/b\nContent-Length: 0\n\n", 200, false),
        ("GET", "Location: /x\n\n", 502, false),
    ] {
        let mut played = Played::new(method, CgiLimits::default());
        played.run.may_redirect = false;
        assert!(played.write(head).is_none() && played.write("more").is_none(), "{method} {head}");
        let mut response = played.end();
        let omitted = match &mut response.body {
            Body::Stream(source) => Some(source.read(&mut [0; 8]).unwrap()),
            _ => None,
        };
        assert_eq!((response.status.code(), omitted), (status, is_omitted.then_some(0)), "{method} {head}");
    }
}

#[test]
fn a_complete_head_is_sent_although_the_rest_of_the_output_is_late() {
    let mut played = Played::new("HEAD", CgiLimits::default());
    assert!(played.write(HEAD).is_none());
    played.registrar.now += CgiLimits::default().first_byte;
    assert_eq!(played.poll().unwrap().status, Status::OK);
    let notes = notes(&played.run, played.registrar.now);
    assert_eq!(notes, ["CGI script terminated (no response in time): '/cgi-bin/x'"]);
}

#[test]
fn output_after_the_announced_length_is_not_part_of_the_body() {
    let mut played = Played::new("GET", CgiLimits::default());
    let response = played.write("Content-Type: a/b\nContent-Length: 5\n\n12").unwrap();
    let Body::Stream(mut body) = response.body else { panic!("not a stream") };
    let mut read = || {
        let mut piece = [0; 100];
        let count = body.read(&mut piece).unwrap();
        String::from_utf8_lossy(&piece[..count]).into_owned()
    };
    assert_eq!(read(), "12");
    played.write("345 and more");
    assert_eq!((read(), read()), ("345".to_owned(), String::new()));
}

#[test]
fn a_run_that_is_dropped_terminates_a_script_that_could_take_its_body_for_complete() {
    for is_complete in [false, true] {
        let (mut played, _input) = Played::with_unread_body();
        let response = played.write(&format!("{HEAD}x")).unwrap();
        let Body::Stream(mut body) = response.body else { panic!("not a stream") };
        if is_complete {
            played.output = None;
            // As in `Played::end`, EOF may be delayed by a copy of the descriptor in another process.
            while !matches!(body.read(&mut [0; 8]), Ok(0)) {
                std::thread::yield_now();
            }
        }
        let Played { run, registrar, .. } = played;
        let reaper = Arc::clone(&run.context.reaper);
        drop(run);
        let mut is_terminated = false;
        reaper.after_turn(registrar.now, &mut |_, text| is_terminated |= text.contains("(connection closed)"));
        assert_eq!(is_terminated, !is_complete, "complete: {is_complete}");
    }
}
