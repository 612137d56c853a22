//! The events that end the program: a time limit, an idle period, the end of standard input, signals.

use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::process::Signal;

use crate::process::{LARGE, Process, command, folder, refusal};

#[test]
fn a_program_with_a_duration_ends_although_a_connection_is_open() {
    let root = folder();
    let process = Process::start(root.path(), &["--duration", "0.5"]);
    let mut client = process.client();
    assert_eq!(client.get("/a").body, b"hello");
    assert!(client.rest().is_empty());
    assert_eq!(process.status(), 0);
}

#[test]
fn an_idle_program_ends_although_a_keep_alive_client_is_connected() {
    let root = folder();
    let process = Process::start(root.path(), &["--idle-exit", "0.3"]);
    let mut client = process.client();
    assert_eq!(client.get("/a").body, b"hello");
    assert!(client.rest().is_empty());
    assert_eq!(process.status(), 0);
    let unused = Process::start(root.path(), &["--idle-exit", "0.1"]);
    assert_eq!(unused.status(), 0);
}

#[test]
fn a_program_is_not_idle_while_a_head_or_a_response_is_on_its_way() {
    let root = folder();
    let process = Process::start(root.path(), &["--idle-exit", "0.2", "--head-timeout", "1"]);
    let mut client = process.client();
    client.say("GET /a HT");
    assert_eq!(&client.head()[9..12], "408", "the head had its whole time");
    // The client reads nothing until several times the idle period has passed.
    let process = Process::start(root.path(), &["--idle-exit", "0.1", "--duration", "1", "--grace", "20"]);
    let mut client = process.client();
    client.say("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    process.until_refused();
    client.head();
    assert_eq!(client.exactly(LARGE).len(), LARGE);
    assert_eq!(process.status(), 0);
}

#[test]
fn a_program_ends_with_its_standard_input_after_the_responses_in_flight() {
    let root = folder();
    let mut process = Process::of(command(root.path(), &["--exit-with-stdin", "--grace", "20"]).stdin(Stdio::piped()));
    let mut client = process.client();
    client.say("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").head();
    let mut input = process.child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"is thrown away").unwrap();
    assert_eq!(process.client().get("/a").body, b"hello");
    drop(input);
    process.until_refused();
    assert_eq!(client.exactly(LARGE).len(), LARGE);
    assert!(client.rest().is_empty());
    assert_eq!(process.status(), 0);
}

#[test]
fn an_input_that_has_ended_before_the_start_ends_the_program() {
    let root = folder();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(writer);
    let mut command = command(root.path(), &["--exit-with-stdin"]);
    assert_eq!(Process::of(command.stdin(OwnedFd::from(reader))).status(), 0);
}

#[test]
fn an_input_that_cannot_end_is_refused() {
    let root = folder();
    let file = std::fs::File::open(root.path().join("a")).unwrap();
    for input in [Stdio::null(), Stdio::from(file)] {
        let refused = refusal(command(root.path(), &["--exit-with-stdin"]).stdin(input));
        let why = "serve-forever: error: argument --exit-with-stdin: standard input must be a pipe or a socket";
        assert_eq!(refused, (2, why.to_owned()));
    }
}

#[test]
fn signals_end_a_program_that_waits_for_another_end() {
    let root = folder();
    for words in [&["--duration", "60"][..], &["--idle-exit", "60"], &["--cpu", &first_core()], &["--lame-duck", "0.1"]]
    {
        for signal in [Signal::TERM, Signal::INT] {
            let process = Process::start(root.path(), words);
            assert_eq!(process.client().get("/a").body, b"hello");
            process.signal(signal);
            assert_eq!(process.status(), 0, "{words:?}");
        }
    }
    let mut piped = command(root.path(), &["--exit-with-stdin"]);
    assert_eq!(Process::of(piped.stdin(Stdio::piped())).end(), 0);
}

#[test]
fn a_lame_duck_serves_on_until_its_time_or_a_second_signal() {
    let root = folder();
    let process = Process::start(root.path(), &["--lame-duck", "1"]);
    process.signal(Signal::TERM);
    // During the lame-duck period, new connections are still served.
    for _ in 0..5 {
        assert_eq!(process.client().get("/a").body, b"hello");
    }
    process.until_refused();
    assert_eq!(process.status(), 0);
}

/// The first core that this process may run on.
fn first_core() -> String {
    let cores = rustix::thread::sched_getaffinity(None).unwrap();
    (0..1024).find(|core| cores.is_set(*core)).unwrap().to_string()
}

#[test]
fn the_loop_runs_on_one_core_if_it_is_asked_to() {
    let root = folder();
    let core = first_core();
    let process = Process::start(root.path(), &["--cpu", &core]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.child.id())).unwrap();
    assert!(status.contains(&format!("\nCpus_allowed_list:\t{core}\n")), "{status}");
    for core in ["1000", "99999"] {
        let (status, line) = refusal(&mut command(root.path(), &["--cpu", core]));
        let why = format!("serve-forever: error: argument --cpu: invalid number: '{core}' (must be a core: ");
        assert!(status == 2 && line.starts_with(&why), "{status} {line}");
    }
}
