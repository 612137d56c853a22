//! The privileges that the program gives up before it serves. Tests that need root print a message and pass if they run
//! without it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::process::{Signal, geteuid};
use tempfile::TempDir;

use crate::program::{Program, command, refusal, tree, wait_for};

/// A user that every system has.
const NOBODY: &str = "nobody";

/// True if the test runs as root. Prints that the test is skipped otherwise.
fn can(what: &str) -> bool {
    if !geteuid().is_root() {
        eprintln!("skipped, only root can {what}");
    }
    geteuid().is_root()
}

/// A tree that every user can read, except `secret`.
fn open_tree(files: &[(&str, &str)]) -> TempDir {
    let root = tree(files);
    fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
    root
}

#[test]
fn another_user_for_good_and_without_groups() {
    if !can("become another user") {
        return;
    }
    let root = open_tree(&[("a", "a"), ("secret", "")]);
    fs::set_permissions(root.path().join("secret"), Permissions::from_mode(0o600)).unwrap();
    let program = Program::start(root.path(), &["--user", NOBODY]);
    assert_eq!(program.status("/a"), 200);
    assert_ne!(program.status("/secret"), 200, "what only root may read");
    let (users, groups) = (program.facts("Uid"), program.facts("Gid"));
    assert!(users.len() == 4 && users.iter().all(|user| *user == users[0] && user != "0"), "{users:?}");
    assert!(groups.len() == 4 && groups.iter().all(|group| *group == groups[0] && group != "0"), "{groups:?}");
    assert_eq!(program.facts("Groups"), [groups[0].as_str()]);
    assert_eq!(program.facts("CapEff"), ["0000000000000000"]);
}

#[test]
fn without_the_right_to_become_the_user_it_does_not_start() {
    let root = tree(&[]);
    let why = |why: &str| (1, format!("serve-forever: error: {why}"));
    assert_eq!(refusal(root.path(), &["--user=no-such-user"]), why("no user 'no-such-user'"));
    assert_eq!(refusal(root.path(), &["--user="]).0, 2);
    let error = "cannot become user 'root': Operation not permitted (os error 1)";
    if !geteuid().is_root() {
        assert_eq!(refusal(root.path(), &["--user=root"]), why(error));
        return;
    }
    // Switches from root to the user `nobody`, and then tries to become root again.
    let root = open_tree(&[]);
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_serve-forever")]);
    match command.args(["0", "--user=root"]).current_dir(root.path()).output() {
        // The status of setpriv if that user cannot execute the program.
        Ok(output) if output.status.code() == Some(126) => eprintln!("skipped, nobody cannot run the program"),
        Ok(output) => {
            assert_eq!(output.status.code(), Some(1));
            assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("{}\n", why(error).1));
        }
        Err(_) => eprintln!("skipped, there is no setpriv"),
    }
}

#[test]
fn another_root() {
    if !can("change the root") {
        return;
    }
    let outside = open_tree(&[("a", "outside")]);
    let root = open_tree(&[("a", "a"), ("site/b", "b")]);
    symlink(outside.path().join("a"), root.path().join("out")).unwrap();
    symlink("/site/b", root.path().join("in")).unwrap();
    let path = root.path().to_str().unwrap();
    let program = Program::start(outside.path(), &["--chroot", path, "--user", NOBODY]);
    assert_eq!(program.status_and_body("/a"), (200, "a".into()));
    assert_eq!(program.status_and_body("/in"), (200, "b".into()), "absolute links begin at the new root");
    assert_eq!(program.status("/out"), 404);
    let program = Program::start(outside.path(), &["--chroot", path, "--directory=site"]);
    assert_eq!(program.status_and_body("/b"), (200, "b".into()));
    let missing = "serve-forever: error: cannot change the root to 'no': No such file or directory (os error 2)";
    assert_eq!(refusal(outside.path(), &["--chroot=no"]), (1, missing.into()));
}

/// Starts the program in its sandbox, if the kernel and the program support it. Otherwise prints a message.
fn sandboxed(root: &Path, words: &[&str]) -> Option<Program> {
    let words = [words, &["--sandbox"]].concat();
    match Program::try_of(command(&words).current_dir(root)) {
        Ok(program) => Some(program),
        Err(output) => {
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{text}");
            assert!(text.starts_with("serve-forever: error: cannot sandbox: this "), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
            eprintln!("skipped: {text}");
            None
        }
    }
}

#[test]
fn in_the_sandbox_only_the_served_directory_can_be_read() {
    let outside = tree(&[("a", "secret"), ("404.html", "mine")]);
    let root = tree(&[("a", "a"), ("d/b", "b")]);
    symlink(outside.path().join("a"), root.path().join("out")).unwrap();
    symlink("a", root.path().join("in")).unwrap();
    assert_eq!(Program::start(root.path(), &[]).status("/out"), 200, "links are followed without a sandbox");
    let page = format!("--error-page=404={}", outside.path().join("404.html").display());
    let Some(program) = sandboxed(root.path(), &[&page]) else { return };
    assert_eq!(program.status_and_body("/a"), (200, "a".into()));
    assert_eq!(program.status_and_body("/in"), (200, "a".into()));
    assert_eq!(program.status("/d/"), 200);
    assert_ne!(program.status("/out"), 200);
    assert_eq!(program.status_and_body("/missing"), (404, "mine".into()), "a page that was named can be read");
    assert_eq!(program.facts("NoNewPrivs"), ["1"]);
}

#[test]
fn in_the_sandbox_a_log_can_still_be_opened_again() {
    let root = tree(&[("a", "a")]);
    let folder = tree(&[]);
    let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
    let Some(program) = sandboxed(root.path(), &["--log-file", path.to_str().unwrap()]) else { return };
    assert_eq!(program.status("/a"), 200);
    fs::rename(&path, &old).unwrap();
    program.signal(Signal::HUP);
    wait_for(&path);
    assert_eq!(program.status("/b"), 404);
    assert_eq!(program.end(), (Some(0), String::new()));
    assert!(fs::read_to_string(old).unwrap().contains("GET /a "));
    assert!(fs::read_to_string(path).unwrap().contains("GET /b "));
}

#[cfg(feature = "cgi")]
#[test]
fn no_script_can_be_run_in_the_sandbox() {
    let why = "serve-forever: error: --sandbox and --cgi exclude each other: in the sandbox no script can be run";
    assert_eq!(refusal(tree(&[]).path(), &["--sandbox", "--cgi"]), (2, why.into()));
}

#[test]
fn all_of_it_at_once() {
    if !can("change the root") {
        return;
    }
    let root = open_tree(&[("a", "a")]);
    let words = ["--chroot", root.path().to_str().unwrap(), "--user", NOBODY];
    let Some(program) = sandboxed("/".as_ref(), &words) else { return };
    assert_eq!(program.status_and_body("/a"), (200, "a".into()));
}

#[test]
fn another_root_in_the_sandbox_with_a_log_outside_of_it_and_all_files_that_are_read_before() {
    if !can("change the root") {
        return;
    }
    let root = open_tree(&[("a", "a"), ("404.html", "mine")]);
    let path = root.path().to_str().unwrap();
    let folder = tree(&[("users", "ann:secret\n")]);
    let log = folder.path().join("log");
    let config = format!("chroot = '{path}'\nauth-file = '{0}/users'\nlog-file = '{0}/log'\n", folder.path().display());
    fs::write(folder.path().join("c.toml"), config).unwrap();
    let config = format!("--config={}", folder.path().join("c.toml").display());
    let words = [&config, "--user", NOBODY, "--error-page=404=404.html"];
    let Some(program) = sandboxed("/".as_ref(), &words) else { return };
    let credentials = "Authorization: Basic YW5uOnNlY3JldA==";
    assert!(program.ask("GET", "/a", &[credentials]).starts_with("HTTP/1.1 200 "));
    assert!(program.ask("GET", "/b", &[credentials]).ends_with("mine"));
    fs::rename(&log, folder.path().join("log.1")).unwrap();
    program.signal(Signal::HUP);
    program.says("settings not changed: with --chroot, settings are read only at startup");
    assert!(program.ask("GET", "/c", &[credentials]).starts_with("HTTP/1.1 404 "));
    assert_eq!(program.end().0, Some(0));
    assert!(!log.exists(), "no file of that name is made");
    let text = fs::read_to_string(folder.path().join("log.1")).unwrap();
    let why = format!("cannot open the log again: {} is outside of the root directory", log.display());
    assert!(text.contains(&why) && text.contains("GET /c "), "{text}");
}

#[test]
fn a_log_below_the_new_root_is_opened_again_in_the_sandbox() {
    if !can("change the root") {
        return;
    }
    let root = open_tree(&[("site/a", "a"), ("logs/x", "")]);
    fs::set_permissions(root.path().join("logs"), Permissions::from_mode(0o777)).unwrap();
    let path = root.path().to_str().unwrap();
    let log = root.path().join("logs/log");
    let log_file = format!("--log-file={}", log.display());
    let words = ["--chroot", path, "--directory=site", "--user", NOBODY, &log_file];
    let Some(program) = sandboxed("/".as_ref(), &words) else { return };
    assert_eq!(program.status("/a"), 200);
    fs::rename(&log, root.path().join("logs/log.1")).unwrap();
    program.signal(Signal::HUP);
    wait_for(&log);
    assert_eq!(program.status("/b"), 404);
    assert_eq!(program.end().0, Some(0));
    assert!(fs::read_to_string(log).unwrap().contains("GET /b "));
}
