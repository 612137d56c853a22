//! The exit statuses, and the program as its own client (`--healthcheck`).

use std::net::TcpListener;
use std::path::Path;

use rustix::process::Signal;

use crate::process::{Process, command, folder, refusal};

/// The exit status of a start that fails, without `--exit-codes`, with `coarse` and with `fine`.
fn statuses(root: &Path, words: &[&str]) -> [i32; 3] {
    [&[][..], &["--exit-codes", "coarse"], &["--exit-codes=fine"]]
        .map(|codes| refusal(&mut command(root, &[words, codes].concat())).0)
}

#[test]
fn each_failure_has_its_status() {
    let root = folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = ["--bind", "127.0.0.1", &listener.local_addr().unwrap().port().to_string()].map(str::to_owned);
    let taken = |codes: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_serve-forever"));
        command.args(&taken).args(codes).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        refusal(&mut command).0
    };
    assert_eq!([taken(&[]), taken(&["--exit-codes=fine"])], [1, 3]);
    assert_eq!(statuses(root.path(), &["--bind", "192.0.2.1"]), [1, 1, 3], "not an address of this machine");
    assert_eq!(statuses(Path::new("/nowhere"), &[]), [1, 1, 4]);
    for words in [
        &["--port-file", "/nowhere/port"],
        &["--log-file", "/nowhere/log"],
        &["--auth-file", "/nowhere/users"],
        &["--config", "/nowhere/settings"],
        &["--spa=/nowhere/page", "--quiet"],
    ] {
        assert_eq!(statuses(root.path(), words), [1, 1, 4], "{words:?}");
    }
    assert_eq!(statuses(root.path(), &["--grace", "x"]), [2, 2, 2]);
    assert_eq!(refusal(&mut command(root.path(), &["--exit-codes", "many"])).0, 2);
}

#[test]
fn a_setting_of_the_file_or_the_environment_sets_the_table_too() {
    let root = folder();
    let config = root.path().join("settings");
    std::fs::write(&config, "exit-codes = 'fine'\nport-file = '/nowhere/port'").unwrap();
    assert_eq!(refusal(&mut command(root.path(), &["--config", config.to_str().unwrap()])).0, 4);
    let mut command = command(root.path(), &["--port-file=/nowhere/port"]);
    assert_eq!(refusal(command.env("SERVE_FOREVER_EXIT_CODES", "fine")).0, 4);
    for name in ["SERVE_FOREVER_READY_FD", "SERVE_FOREVER_HEALTHCHECK"] {
        let (status, line) = refusal(crate::process::command(root.path(), &[]).env(name, "1"));
        assert_eq!((status, line), (2, format!("serve-forever: error: {name}: no such setting")));
    }
}

#[test]
fn responses_that_the_end_cuts_have_a_status_and_idle_connections_have_none() {
    let root = folder();
    for (codes, cut) in [("coarse", 0), ("fine", 6)] {
        let process = Process::start(root.path(), &["--exit-codes", codes, "--grace", "0"]);
        let mut client = process.client();
        client.say("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").head();
        assert_eq!(process.end(), cut, "{codes}: the grace is over");

        let process = Process::start(root.path(), &["--exit-codes", codes, "--grace", "60"]);
        let mut client = process.client();
        client.say("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").head();
        process.signal(Signal::TERM);
        process.until_refused();
        assert_eq!(process.end(), cut, "{codes}: a second signal");

        let process = Process::start(root.path(), &["--exit-codes", codes, "--grace", "0"]);
        let (mut used, _unused) = (process.client(), process.client());
        used.get("/a");
        used.say("GET /a HT");
        assert_eq!(process.end(), 0, "{codes}: no response in flight");
    }
}

/// The status, the output and the last line of errors of a health check.
fn health(words: &[&str]) -> (i32, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_serve-forever"));
    let output = command.args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_health_check_is_silent_if_the_status_is_2xx_and_says_otherwise_why() {
    let root = folder();
    let process = Process::start(root.path(), &["--quiet"]);
    let (url, port) = (format!("http://{}/a", process.address), process.address.port());
    assert_eq!(health(&["--healthcheck", &url]), (0, String::new(), String::new()));
    assert_eq!(health(&["--healthcheck", &format!("http://localhost:{port}/a?b#c")]).0, 0);
    // The other options are ignored: the program neither binds a port nor reads or writes a file.
    let ignored = ["-d", "/nowhere", "--config", "/nowhere", "--port-file", "/nowhere/port", "--healthcheck", &url];
    assert_eq!(health(&ignored).0, 0);
    let missing = format!("http://{}/none", process.address);
    let line = format!("serve-forever: error: {missing}: status 404\n");
    assert_eq!(health(&["--healthcheck", &missing]), (1, String::new(), line));
    assert_eq!(process.end(), 0);
    let (status, output, errors) = health(&["--healthcheck", &url]);
    assert_eq!((status, output.as_str(), errors.lines().count()), (1, "", 1), "{errors}");
    for url in ["https://localhost/", "http://", "http://a:0/", "localhost"] {
        assert_eq!(health(&["--healthcheck", url]).0, 2, "{url}");
    }
}
