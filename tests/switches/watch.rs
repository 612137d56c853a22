//! The options for watching the loop: the trace, its sentences, small reads and writes, slow motion.

use super::program::{Program, field, refusal, tree, until};

/// A response without the parts that depend on its time.
fn comparable(response: &str) -> String {
    response.replace(&format!("\r\nDate: {}", field(response, "Date").unwrap()), "")
}

#[test]
fn under_max_read_and_max_write_every_byte_is_the_same() {
    let text = "0123456789".repeat(300);
    let root = tree(&[("a", &text), ("index.html", "hello")]);
    let plain = Program::start(root.path(), &["-q"]);
    let narrow = Program::start(root.path(), &["-q", "--max-read", "1", "--max-write", "1"]);
    for path in ["/", "/a", "/missing"] {
        assert_eq!(comparable(&narrow.get(path)), comparable(&plain.get(path)), "{path}");
    }
}

/// The pause would be an hour, and a client of this test gives up after seconds.
#[test]
fn slow_motion_does_not_delay_a_connection_below_the_limits() {
    let root = tree(&[("a", "b")]);
    let words = ["-q", "--max-read", "1000", "--max-write", "1000", "--slow-motion", "3600000"];
    let program = Program::start(root.path(), &words);
    for _ in 0..2 {
        assert_eq!(program.status_and_body("/a"), (200, "b".to_owned()));
    }
    let twice = "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    assert_eq!(program.send(twice.as_bytes()).matches("HTTP/1.1 200 OK").count(), 2);
}

#[test]
fn a_trace_that_a_kill_cuts_can_be_read() {
    let root = tree(&[("a", "b")]);
    let file = root.path().join("trace.json");
    let program = Program::start(root.path(), &["-q", "--trace", file.to_str().unwrap()]);
    assert_eq!(program.status("/a"), 200);
    let text = || std::fs::read_to_string(&file).unwrap();
    // The turn in which the connection ended is written before the loop sleeps.
    until("the connection is closed", || text().contains("\"name\":\"close\""));
    program.signal(rustix::process::Signal::KILL);
    assert_eq!(program.rest().0, None);
    assert!(text().starts_with("[\n{\"name\":\"process_name\""), "{}", text());
    assert_eq!(serve_forever::trace::faults(&text()), Vec::<String>::new());
}

#[test]
fn explain_says_in_sentences_what_happens_to_a_connection() {
    let root = tree(&[("a", "b")]);
    let program = Program::start(root.path(), &["-q", "--explain=2"]);
    program.status("/a");
    program.status("/a");
    let (code, text) = program.end();
    assert_eq!(code, Some(0));
    assert!(text.contains(" s] The request is complete.\n"), "{text}");
    assert!(text.lines().all(|line| line.starts_with("[conn 2 +") && line.ends_with('.')), "{text}");
}

#[test]
fn a_trace_file_has_to_be_a_regular_file_and_is_emptied() {
    let root = tree(&[("a", "b"), ("old", "text"), ("directory/x", "")]);
    let fifo = root.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    for name in ["fifo", "directory", "/dev/null", "missing/file"] {
        let (code, line) = refusal(root.path(), &["--trace", name]);
        assert_eq!(code, 1, "{line}");
        assert!(line.starts_with(&format!("serve-forever: error: cannot write '{name}': ")), "{line}");
    }
    let program = Program::start(root.path(), &["-q", "--trace", "old"]);
    assert_eq!(program.end(), (Some(0), String::new()));
    assert!(std::fs::read_to_string(root.path().join("old")).unwrap().starts_with("[\n{"));
}

#[cfg(feature = "harness")]
#[test]
fn a_trace_and_the_counters_of_one_run_agree() {
    let text = "0123456789".repeat(300);
    let root = tree(&[("a", &text)]);
    let (trace, counters) = (root.path().join("trace.json"), root.path().join("counters.json"));
    let on_exit = format!("--stats-on-exit={}", counters.display());
    for pace in [&[][..], &["--max-write", "1000"]] {
        let words = [&["-q", "--exit-after", "3", "--trace", trace.to_str().unwrap(), &on_exit], pace].concat();
        let program = Program::start(root.path(), &words);
        (0..3).for_each(|_| assert_eq!(program.status("/a"), 200));
        assert_eq!(program.rest().0, Some(0));
        let counters: serde_json::Value = serde_json::from_slice(&std::fs::read(&counters).unwrap()).unwrap();
        let trace = std::fs::read_to_string(&trace).unwrap();
        assert_eq!(serve_forever::trace::faults(&trace), Vec::<String>::new());
        let events: Vec<serde_json::Value> =
            trace.lines().skip(1).map(|line| serde_json::from_str(line.trim_end_matches(',')).unwrap()).collect();
        let count = |name: &str| events.iter().filter(|event| event["name"] == name).count() as u64;
        let is_write =
            |event: &&serde_json::Value| matches!(event["name"].as_str(), Some("write" | "short write" | "sendfile"));
        let written: u64 = events.iter().filter(is_write).map(|event| event["args"]["bytes"].as_u64().unwrap()).sum();
        assert!(written > 3 * 3000);
        assert_eq!((&counters["bytes"]["out"], &counters["requests"]["total"]), (&written.into(), &3.into()));
        assert_eq!((&counters["connections"]["accepted"], count("close")), (&3.into(), 3));
    }
}
