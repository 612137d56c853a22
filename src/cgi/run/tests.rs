//! Unit tests of `ScriptRun`: its deadlines, its place in the queue, and output that a test writes in place of a script.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
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

/// The response, if there is one now.
fn poll(run: &mut ScriptRun, registrar: &mut TestRegistrar) -> Option<Response> {
    match run.poll(registrar).unwrap() {
        RunProgress::NotYet => None,
        RunProgress::Response(response) => Some(response),
        RunProgress::Redirect(target) => panic!("redirected to {target:?}"),
    }
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
    // Without output the deadline does not change.
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
    // The pipe holds all bytes at once, so a turn without a limit would read all of them.
    let (reader, writer) = io::pipe().unwrap();
    let size = rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20).unwrap();
    assert!(size > 2 * most);
    io::Write::write_all(&mut &writer, &vec![0; size]).unwrap();
    let child = Command::new("sleep").arg("1000").process_group(0).stderr(Stdio::piped()).spawn().unwrap();
    let label = ChildLabel { client: SocketAddr::from(([0; 4], 0)), name: String::new(), wake: registrar.wake() };
    let key = run.context.reaper.add(child, label, &mut registrar).unwrap();
    let child = ChildHandle::new(Arc::clone(&run.context.reaper), key);
    let stdout = Receiver::from(std::os::fd::OwnedFd::from(reader));
    stdout.set_nonblocking(true).unwrap();
    let outcome = ScriptOutcome::Respond(Response::new(Status::OK));
    run.stage = RunStage::Rest { output: ScriptOutput::new(stdout, child), outcome };
    assert!(poll(&mut run, &mut registrar).is_none());
    let left = rustix::io::ioctl_fionread(&writer).unwrap();
    assert_eq!(left, (size - most) as u64);
    assert_eq!(registrar.wakes(), 1, "the next turn reads more");
}
