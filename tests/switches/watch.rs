//! The switches for watching the loop: small reads and writes, slow motion.

use super::program::{Program, field, tree};

/// What does not depend on the time of the response.
fn comparable(response: &str) -> String {
    response.replace(field(response, "Date").unwrap(), "now")
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
