//! Settings from a file and from the environment.

use crate::program::{Program, command, refusal, tree};

#[test]
fn the_command_line_counts_before_the_environment_before_the_file() {
    let root = tree(&[("a", "a"), ("config/c.toml", "base-path = '/file'\nindex = ['a']\nno-listing = true\n")]);
    let config = root.path().join("config/c.toml");
    let start = |variables: &[(&str, &str)], words: &[&str]| {
        let mut command = command(words);
        Program::of(
            command.current_dir(root.path()).env("SERVE_FOREVER_CONFIG", &config).envs(variables.iter().copied()),
        )
    };
    let program = start(&[], &[]);
    assert_eq!(program.status_and_body("/file/"), (200, "a".into()));
    assert_eq!(program.status("/file/config/"), 403);
    let program = start(&[("SERVE_FOREVER_BASE_PATH", "/variable"), ("SERVE_FOREVER_NO_LISTING", "0")], &[]);
    assert_eq!((program.status("/file/"), program.status("/variable/config/")), (404, 200));
    let program = start(&[("SERVE_FOREVER_BASE_PATH", "/variable")], &["--base-path=/line"]);
    assert_eq!((program.status("/variable/"), program.status("/line/")), (404, 200));
}

#[test]
fn what_is_wrong_is_one_line_with_its_place() {
    let root = tree(&[("key.toml", "port = 0\nprot = 1\n"), ("value.toml", "hidden = 'x'\n"), ("syntax.toml", "a\n")]);
    let why = |code: i32, why: &str| (code, format!("serve-forever: error: {why}"));
    assert_eq!(refusal(root.path(), &["--config=key.toml"]), why(2, "key.toml:2: prot: no such setting"));
    let choice = "value.toml:1: hidden: invalid choice: 'x' (choose from serve, deny)";
    assert_eq!(refusal(root.path(), &["--config=value.toml"]), why(2, choice));
    assert_eq!(refusal(root.path(), &["--config=syntax.toml"]).0, 2);
    let missing = "cannot read 'no.toml': No such file or directory (os error 2)";
    assert_eq!(refusal(root.path(), &["--config=no.toml"]), why(1, missing));
    let output = command([""; 0]).env("SERVE_FOREVER_PROT", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stderr, b"serve-forever: error: SERVE_FOREVER_PROT: no such setting\n");
}
