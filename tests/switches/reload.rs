//! SIGHUP: the settings that are read again, those that are not, and the connections that were open before.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::{Signal, geteuid};
use tempfile::TempDir;

use crate::program::{Program, command, field, tree};

/// A folder to serve, and another one with a file of settings.
struct Site {
    root: TempDir,
    config: TempDir,
}

impl Site {
    fn new(files: &[(&str, &str)], settings: &str) -> Site {
        Site { root: tree(files), config: tree(&[("c.toml", settings)]) }
    }

    fn start(&self, words: &[&str]) -> Program {
        let path = self.config.path().join("c.toml");
        Program::of(command(words).arg("--config").arg(path).current_dir(self.root.path()))
    }

    fn write(&self, settings: &str) {
        fs::write(self.config.path().join("c.toml"), settings).unwrap();
    }

    /// Writes other settings, sends SIGHUP, and waits until they are in effect.
    fn change(&self, program: &Program, settings: &str) {
        self.write(settings);
        program.signal(Signal::HUP);
        program.says("settings reloaded from '");
    }

    /// Writes settings that are refused, sends SIGHUP, and returns the reason in the log.
    fn refused(&self, program: &Program, settings: &str) -> String {
        self.write(settings);
        program.signal(Signal::HUP);
        let line = program.says("settings not changed: ");
        let why = line.split_once("settings not changed: ").unwrap().1.trim_end();
        why.replace(self.config.path().to_str().unwrap(), "DIR")
    }
}

/// Sends a request on a connection that stays open.
fn say(stream: &mut TcpStream, path: &str) {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
}

/// The next head on that connection, with its empty line.
fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "closed after {:?}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn what_concerns_the_files_is_read_again() {
    let files = [("a", "a"), (".hidden", "h"), ("x.foo", ""), ("one/one.html", "1"), ("404.html", "none")];
    let site = Site::new(&files, "");
    let program = site.start(&[]);
    assert_eq!((program.status("/.hidden"), program.status("/missing")), (200, 404));
    site.change(
        &program,
        "hidden = 'deny'\nindex = ['one.html']\nheader = { X-A = 'b', Server = 'mine' }\nmime = { foo = 'text/x-foo' }\ncors = true\n\
         error-page = { 404 = '404.html' }\ncache = 60\nno-listing = true\n",
    );
    assert_eq!(program.status("/.hidden"), 404);
    assert_eq!(program.status_and_body("/one/"), (200, "1".into()));
    assert_eq!(program.status_and_body("/missing"), (404, "none".into()));
    assert_eq!(program.status("/"), 403);
    let response = program.get("/x.foo");
    assert_eq!((field(&response, "X-A"), field(&response, "Server")), (Some("b"), Some("mine")));
    assert_eq!(field(&response, "Content-Type"), Some("text/x-foo; charset=utf-8"));
    assert_eq!(field(&response, "Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(field(&response, "Cache-Control"), Some("max-age=60"));
    site.change(&program, "base-path = '/docs'\nprotocol = 'HTTP/1.0'\n");
    assert_eq!((program.status("/a"), program.status("/docs/.hidden")), (404, 200));
    let response = program.get("/docs/a");
    assert!(response.starts_with("HTTP/1.0 200 ") && field(&response, "X-A").is_none(), "{response}");
    assert!(field(&response, "Server").is_some_and(|name| name.starts_with("serve-forever/")), "{response}");
}

#[test]
fn the_command_line_still_counts_before_the_file() {
    let site = Site::new(&[("a", "a")], "");
    let program = site.start(&["--base-path=/line"]);
    site.change(&program, "base-path = '/file'\n");
    assert_eq!((program.status("/line/a"), program.status("/file/a")), (200, 404));
}

#[test]
fn what_is_wrong_has_its_place_and_changes_nothing() {
    let site = Site::new(&[("a", "a")], "header = { X-A = 'old' }\n");
    let program = site.start(&[]);
    let mut stream = program.connect();
    say(&mut stream, "/a");
    head(&mut stream);
    stream.read_exact(&mut [0]).unwrap();
    for (settings, why) in [
        ("cors = true\nprot = 1\n", "DIR/c.toml:2: prot: no such setting"),
        ("hidden = 'x'", "DIR/c.toml:1: hidden: invalid choice: 'x' (choose from serve, deny)"),
        ("cors = true\nspa = 'no.html'\n", "cannot read './no.html': No such file or directory (os error 2)"),
        ("directory = 'no'\n", "no: No such file or directory (os error 2)"),
        ("auth-file = '/dev/null'\n", "cannot read '/dev/null': not a file"),
        ("log-file = 'no/log'\n", "cannot write 'no/log': No such file or directory (os error 2)"),
    ] {
        assert_eq!(site.refused(&program, settings), why);
        say(&mut stream, "/a");
        let head = head(&mut stream);
        stream.read_exact(&mut [0]).unwrap();
        assert_eq!((field(&head, "X-A"), field(&head, "Access-Control-Allow-Origin")), (Some("old"), None), "{why}");
    }
    let path = site.config.path().join("c.toml");
    fs::remove_file(&path).unwrap();
    program.signal(Signal::HUP);
    program.says("c.toml': No such file or directory (os error 2)");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o666)).unwrap();
    program.signal(Signal::HUP);
    program.says("c.toml': not a file");
    fs::remove_file(&path).unwrap();
    assert_eq!(field(&program.get("/a"), "X-A"), Some("old"));
    site.change(&program, "header = { X-A = 'new' }\n");
    say(&mut stream, "/a");
    assert_eq!(field(&head(&mut stream), "X-A"), Some("new"), "a connection lives through all of that");
}

#[test]
fn what_only_a_start_can_change_is_named() {
    let site = Site::new(&[("a", "a")], "");
    let program = site.start(&[]);
    site.change(&program, "port = 1\nbind = '192.0.2.1'\nuser = 'nobody'\nsandbox = true\nheader = { X-A = 'b' }\n");
    // The command line sets the port and the address, and takes precedence over the file.
    assert!(program.says("takes effect only at the next start: ").ends_with(": user, sandbox\n"));
    assert_eq!(field(&program.get("/a"), "X-A"), Some("b"));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_serve-forever"));
    site.write("port = 0\nbind = '127.0.0.1'\n");
    command.arg("--config").arg(site.config.path().join("c.toml")).current_dir(site.root.path());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let program = Program::of(&mut command);
    site.change(&program, "port = 1\nbind = '::1'\nreuse-port = true\n");
    assert!(program.says("takes effect only at the next start: ").ends_with(": port, bind, reuse-port\n"));
    assert_eq!(program.status("/a"), 200);
}

#[test]
fn a_response_in_flight_is_sent_in_full_under_the_old_settings() {
    const SIZE: usize = 1 << 26;
    let site = Site::new(&[("a", "a")], "header = { X-A = 'old' }\n");
    File::create(site.root.path().join("big")).unwrap().set_len(SIZE as u64).unwrap();
    let program = site.start(&[]);
    let mut slow = program.connect();
    say(&mut slow, "/big");
    assert_eq!(field(&head(&mut slow), "X-A"), Some("old"));
    site.change(&program, "auth = ['ann:secret']\nheader = { X-A = 'new' }\n");
    assert_eq!(program.status("/big"), 401);
    let mut body = vec![1; SIZE];
    slow.read_exact(&mut body).unwrap();
    assert!(body.iter().all(|byte| *byte == 0));
    say(&mut slow, "/a");
    assert!(head(&mut slow).starts_with("HTTP/1.1 401 "), "the next request is a new one");
}

#[test]
fn limits_are_read_again() {
    let site = Site::new(&[("a", "a")], "");
    let program = site.start(&[]);
    let mut first = program.connect();
    say(&mut first, "/a");
    head(&mut first);
    first.read_exact(&mut [0]).unwrap();
    site.change(&program, "max-connections-per-peer = 1\nhead-timeout = 0.05\n");
    // Connections from before the reload are not counted, later ones are.
    let mut second = program.connect();
    say(&mut second, "/a");
    head(&mut second);
    assert_eq!(program.connect().read(&mut [0]).unwrap(), 0);
    second.read_exact(&mut [0]).unwrap();
    second.write_all(b"GET /a HT").unwrap();
    assert!(head(&mut second).starts_with("HTTP/1.1 408 "), "--head-timeout");
    say(&mut first, "/a");
    assert!(head(&mut first).starts_with("HTTP/1.1 200 "));
    site.change(&program, "max-connections = 1\n");
    drop(second);
    // The idle connection is closed to make room, as at the limit on connections.
    assert_eq!(program.status("/a"), 200);
    first.read_exact(&mut [0]).unwrap();
    assert_eq!(first.read(&mut [0]).unwrap(), 0);
}

#[test]
fn the_grace_is_read_again() {
    let site = Site::new(&[], "grace = 3600\n");
    File::create(site.root.path().join("big")).unwrap().set_len(1 << 28).unwrap();
    let program = site.start(&["--quiet"]);
    let mut slow = program.connect();
    say(&mut slow, "/big");
    head(&mut slow);
    site.change(&program, "grace = 0\n");
    assert_eq!(program.end().0, Some(0), "it does not wait for a client that takes nothing");
}

#[test]
fn the_log_goes_where_the_settings_say() {
    let site = Site::new(&[("a", "a")], "");
    let log = site.config.path().join("log");
    let program = site.start(&[]);
    program.status("/a?1");
    program.says("GET /a?1 ");
    site.change(&program, &format!("log-file = '{}'\nlog-format = 'json'\n", log.display()));
    program.status("/a?2");
    site.change(&program, "quiet = true\n");
    program.status("/a?3");
    site.change(&program, "log-format = 'combined'\n");
    program.status("/a?4");
    assert!(program.says("GET ").ends_with("\"GET /a?4 HTTP/1.1\" 200 1 \"-\" \"-\"\n"));
    assert_eq!(program.end(), (Some(0), String::new()));
    let text = fs::read_to_string(log).unwrap();
    assert!(text.starts_with('{') && text.contains("GET /a?2 ") && text.lines().count() == 1, "{text}");
}

#[test]
fn users_are_read_again_also_without_a_file_of_settings() {
    let root = tree(&[("a", "a")]);
    let folder = tree(&[("users", "ann:secret\n")]);
    let users = folder.path().join("users");
    let program = Program::of(command([""; 0]).arg("--auth-file").arg(&users).current_dir(root.path()));
    let status =
        |account: &str| program.ask("GET", "/a", &[&format!("Authorization: Basic {account}")])[9..12].to_owned();
    let (ann, bob) = ("YW5uOnNlY3JldA==", "Ym9iOnNlY3JldA==");
    assert_eq!((status(ann).as_str(), status(bob).as_str()), ("200", "401"));
    fs::write(&users, "bob:secret\n").unwrap();
    program.signal(Signal::HUP);
    program.says(&format!("settings reloaded from '{}'", users.display()));
    assert_eq!((status(ann).as_str(), status(bob).as_str()), ("401", "200"));
    fs::write(&users, "# nobody\n").unwrap();
    program.signal(Signal::HUP);
    program.says("users: the file contains no user");
    assert_eq!(status(bob), "200", "a reload without accounts must not admit clients without a password");
}

#[test]
fn a_file_that_is_out_of_reach_by_then_is_one_line() {
    let site = Site::new(&[("a", "a")], "header = { X-A = 'old' }\n");
    if !geteuid().is_root() {
        return eprintln!("skipped, only root can change user and root");
    }
    fs::set_permissions(site.root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(site.config.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let program = site.start(&["--user=nobody"]);
    assert!(site.refused(&program, "cors = true").ends_with("c.toml': Permission denied (os error 13)"));
    assert_eq!(field(&program.get("/a"), "X-A"), Some("old"));
    let root = site.root.path().to_str().unwrap();
    // A file with that name below the new root must not be used instead.
    let path = site.config.path().join("c.toml");
    let inside = Path::new(root).join(path.strip_prefix("/").unwrap());
    fs::create_dir_all(inside.parent().unwrap()).unwrap();
    fs::write(inside, "cors = true").unwrap();
    site.write("header = { X-A = 'old' }\n");
    let program = site.start(&["--chroot", root]);
    assert_eq!(site.refused(&program, "cors = true"), "with --chroot, settings are read only at startup");
    assert_eq!(field(&program.get("/a"), "Access-Control-Allow-Origin"), None);
}

#[test]
fn the_sandbox_stays_closed() {
    let site = Site::new(&[("a", "a"), ("d/b", "b")], "header = { X-A = 'old' }\n");
    let path = site.config.path().join("c.toml");
    let program = match Program::try_of(command(["--sandbox", "--config"]).arg(path).current_dir(site.root.path())) {
        Ok(program) => program,
        Err(output) => return eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr)),
    };
    assert_eq!(site.refused(&program, "cors = true"), "cannot read 'DIR/c.toml': Permission denied (os error 13)");
    assert_eq!(field(&program.get("/a"), "X-A"), Some("old"));
}

#[cfg(feature = "cgi")]
#[test]
fn scripts_run_on_and_the_next_ones_see_the_change() {
    let site = Site::new(&[("go", "")], "cgi = true\n");
    let (script, fifo) = (site.root.path().join("cgi-bin/s"), site.root.path().join("fifo"));
    fs::create_dir(script.parent().unwrap()).unwrap();
    let text = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n[ -n \"$QUERY_STRING\" ] && cat ../fifo && echo complaint >&2\n\
        echo \"$WORD\"\n";
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o666)).unwrap();
    fs::set_permissions(site.root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let config = site.config.path().join("c.toml");
    let program = Program::of(command(["--config"]).arg(config).current_dir(site.root.path()).env("WORD", "handed-on"));
    let mut waiting = program.connect();
    say(&mut waiting, "/cgi-bin/s?wait");
    let mut go = File::options().write(true).open(&fifo).unwrap();
    site.change(&program, "cgi = true\ncgi-env = ['WORD']\n");
    assert_eq!(program.status_and_body("/cgi-bin/s"), (200, "A\r\nhanded-on\n\r\n0\r\n\r\n".into()));
    go.write_all(b"at last\n").unwrap();
    drop(go);
    let answer = head(&mut waiting);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut body = [0; 8 + 3];
    waiting.read_exact(&mut body).unwrap();
    assert!(body.ends_with(b"at last\n"), "{:?}", body.escape_ascii().to_string());
    // Scripts that were started before the reload belong to the new service.
    program.says("'/cgi-bin/s': complaint");
    let task = fs::read_dir(program.proc().join("task")).unwrap().next().unwrap().unwrap();
    crate::program::until("all scripts are reaped", || {
        fs::read_to_string(task.path().join("children")).unwrap().is_empty()
    });
    let links = "cgi = true\nsymlinks = 'deny'\n";
    assert_eq!(site.refused(&program, links), "argument --cgi: not allowed with argument --symlinks");
    site.change(&program, "cgi = true\nauth = 'ann:secret'\ncgi-first-byte = 0.1\ncgi-timeout = 0\n");
    assert_eq!(program.status("/cgi-bin/s"), 401);
    let credentials = "Authorization: Basic YW5uOnNlY3JldA==";
    assert!(program.ask("GET", "/cgi-bin/s", &[credentials]).starts_with("HTTP/1.1 200 "));
    fs::write(&script, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    assert!(program.ask("GET", "/cgi-bin/s", &[credentials]).starts_with("HTTP/1.1 504 "));
    fs::write(&script, text).unwrap();
    site.change(&program, "cgi = false\n");
    assert!(program.says("takes effect only at the next start: ").ends_with(": cgi\n"));
    assert_eq!(program.status("/cgi-bin/s"), 200);
}
