//! Tests of a log whose destination is slow, full or broken.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn put(sink: &mut Sink, line: &str) {
    sink.line(|out| out.extend_from_slice(format!("{line}\n").as_bytes()));
}

fn read(reader: &mut impl Read, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    reader.read_exact(&mut bytes).unwrap();
    bytes
}

/// Fills a pipe without reading from it. Returns the number of bytes that the pipe accepted.
fn fill(writer: &PipeWriter) -> usize {
    let mut target = Target::new(writer.try_clone().unwrap().into());
    let mut taken = 0;
    while let Ok(count) = target.write(&[b'.'; 4096]) {
        taken += count;
    }
    taken
}

/// Returns a full pipe, a sink that writes to it, and the number of bytes in the pipe.
fn full_pipe(limit: usize) -> (PipeReader, PipeWriter, Sink, usize) {
    let (reader, writer) = pipe().unwrap();
    let taken = fill(&writer);
    let sink = Sink::new(Target::new(writer.try_clone().unwrap().into()), limit);
    (reader, writer, sink, taken)
}

fn rest_of(mut reader: impl Read) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn lines_wait_for_a_full_pipe_and_are_tried_again() {
    let (mut reader, writer, mut sink, taken) = full_pipe(1000);
    put(&mut sink, "one");
    assert_eq!(sink.flush(), Some(RETRY));
    put(&mut sink, "two");
    read(&mut reader, taken);
    assert_eq!(sink.flush(), None);
    drop((writer, sink));
    assert_eq!(rest_of(reader), "one\ntwo\n");
}

/// A writer that accepts nothing, and counts the attempts.
struct Full(Arc<AtomicUsize>);

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(std::io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_last_write_pauses_between_its_attempts_on_a_writer_that_is_full() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let mut sink = Sink::new(Target::writer(Full(Arc::clone(&attempts))), 1000);
    put(&mut sink, "one");
    sink.finish(Duration::from_millis(50));
    let attempts = attempts.load(Ordering::Relaxed);
    assert!((2..=7).contains(&attempts), "{attempts} attempts with 10 ms between them");
}

#[test]
fn the_last_write_waits_for_a_slow_reader() {
    let (mut reader, writer, mut sink, taken) = full_pipe(1 << 20);
    drop(writer);
    let lines: Vec<String> = (0..5000).map(|number| format!("line {number} {}", "x".repeat(20))).collect();
    lines.iter().for_each(|line| put(&mut sink, line));
    let finishing = std::thread::spawn(move || sink.finish(Duration::from_secs(1000)));
    read(&mut reader, taken);
    let mut text = String::new();
    while let Ok(count @ 1..) = reader.by_ref().take(777).read_to_string(&mut text) {
        assert!(count <= 777);
    }
    finishing.join().unwrap();
    assert!(text.lines().eq(lines.iter()));
}

#[test]
fn the_last_write_waits_for_a_bounded_time() {
    let (reader, _writer, mut sink, _) = full_pipe(1000);
    put(&mut sink, "one");
    sink.finish(Duration::from_millis(1));
    assert!(!sink.is_empty());
    drop(reader);
    sink.finish(Duration::from_secs(1000));
    assert!(sink.is_empty(), "a pipe without a reader is not waited for");
}

#[test]
fn a_polled_target_does_not_block() {
    let (mut reader, writer) = pipe().unwrap();
    let taken = fill(&writer);
    let mut sink = Sink::new(Target::polled(writer.into()), 1 << 20);
    let line = "x".repeat(99);
    for _ in 0..2000 {
        put(&mut sink, &line);
    }
    let mut waits = 0;
    let mut seen = read(&mut reader, taken).len() - taken;
    while sink.flush().is_some() {
        // Less than a page is read at a time, so that the pipe is never empty and always has space for only a few
        // bytes.
        seen += read(&mut reader, 3000).len();
        waits += 1;
    }
    assert!(waits > 10, "{waits}");
    drop(sink);
    assert_eq!(seen + rest_of(reader).len(), 2000 * 100);
}

#[test]
fn lines_that_do_not_fit_are_dropped_and_announced_in_their_place() {
    let (mut reader, writer, mut sink, taken) = full_pipe(10);
    for line in ["one", "two", "three", "4"] {
        put(&mut sink, line);
    }
    assert_eq!(sink.flush(), Some(RETRY));
    assert_eq!(sink.dropped(), 2);
    read(&mut reader, taken);
    assert_eq!(sink.flush(), None);
    put(&mut sink, "five");
    assert_eq!(sink.flush(), None);
    assert_eq!(sink.dropped(), 2);
    drop((writer, sink));
    assert_eq!(rest_of(reader), "one\ntwo\n2 log lines dropped\nfive\n");
}

#[test]
fn a_line_that_is_longer_than_the_limit_is_written_if_it_is_alone() {
    let (reader, writer) = pipe().unwrap();
    let mut sink = Sink::new(Target::new(writer.into()), 4);
    put(&mut sink, "longer");
    put(&mut sink, "1");
    assert_eq!(sink.flush(), None);
    drop(sink);
    assert_eq!(rest_of(reader), "longer\n1 log line dropped\n");
}

#[test]
fn short_writes_keep_the_order_of_lines() {
    let (mut reader, writer) = UnixStream::pair().unwrap();
    let mut sink = Sink::new(Target::new(writer.into()), 1 << 20);
    let mut expected = Vec::new();
    for number in 0..20_000 {
        put(&mut sink, &format!("line {number}"));
        expected.extend_from_slice(format!("line {number}\n").as_bytes());
    }
    let mut got = Vec::new();
    while sink.flush().is_some() {
        got.append(&mut read(&mut reader, 777));
    }
    drop(sink);
    reader.read_to_end(&mut got).unwrap();
    assert!(got == expected);
}

#[test]
fn lines_for_a_broken_target_are_dropped_and_counted() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut sink = Sink::new(Target::new(writer.into()), 1000);
    put(&mut sink, "one");
    put(&mut sink, "two");
    assert_eq!(sink.flush(), None);
    assert_eq!(sink.dropped(), 2);
    // The sink tries to write again when the next line is added. The report of the gap is lost together with that
    // line, but does not count as a line.
    put(&mut sink, "three");
    assert_eq!(sink.flush(), None);
    assert_eq!((sink.dropped(), sink.gap), (3, 3));
}

/// Writes four bytes of these lines, simulates a failed write, and writes one more line. Returns the text that a
/// reader receives.
fn after_an_error(lines: &[&str]) -> String {
    let (reader, writer) = pipe().unwrap();
    let mut sink = Sink::new(Target::new(writer.into()), 1000);
    lines.iter().for_each(|line| put(&mut sink, line));
    sink.target.write(&sink.lines[..4]).unwrap();
    sink.advance(4);
    sink.give_up();
    put(&mut sink, "next");
    assert_eq!(sink.flush(), None);
    drop(sink);
    rest_of(reader)
}

#[test]
fn a_line_that_was_cut_by_an_error_is_ended_before_the_next() {
    assert_eq!(after_an_error(&["torn in the middle"]), "torn\n1 log line dropped\nnext\n");
}

#[test]
fn after_an_error_between_two_lines_the_next_begins_without_an_empty_line() {
    assert_eq!(after_an_error(&["one", "two"]), "one\n1 log line dropped\nnext\n");
}

#[test]
fn writing_each_line_at_once_does_not_allocate() {
    let mut sink = Sink::new(Target::new(File::create("/dev/null").unwrap().into()), 1000);
    put(&mut sink, "a line like all others");
    sink.flush();
    let room = sink.lines.capacity();
    for _ in 0..1000 {
        put(&mut sink, "a line like all others");
        assert_eq!(sink.flush(), None);
    }
    assert_eq!(sink.lines.capacity(), room);
}

#[test]
fn a_buffer_that_is_never_empty_stays_bounded() {
    let (mut reader, _writer, mut sink, taken) = full_pipe(8000);
    read(&mut reader, taken - 4096);
    let line = "x".repeat(999);
    for _ in 0..1000 {
        put(&mut sink, &line);
        if sink.flush().is_some() {
            read(&mut reader, 4096);
        }
        assert!(sink.lines.len() <= 12_000 + 1000, "{}", sink.lines.len());
    }
}

/// A writer that returns these results, the last one first, and then accepts all bytes.
struct Scripted(Vec<std::io::Result<usize>>);

impl std::io::Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.pop().unwrap_or(Ok(bytes.len()))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_target_that_takes_no_byte_loses_the_lines() {
    let mut sink = Sink::new(Target::writer(Scripted(vec![Ok(0)])), 1000);
    put(&mut sink, "one");
    assert_eq!(sink.flush(), None);
    assert_eq!((sink.dropped(), sink.is_empty()), (1, true));
}

#[test]
fn without_time_left_the_last_lines_are_tried_once() {
    let would_block = Err(std::io::ErrorKind::WouldBlock.into());
    let mut sink = Sink::new(Target::writer(Scripted(vec![would_block])), 1000);
    put(&mut sink, "one");
    sink.finish(Duration::ZERO);
    assert!(!sink.is_empty(), "the target would take it now, but the time is over");
}

#[test]
fn lines_of_exactly_the_limit_are_kept() {
    let (_reader, writer) = pipe().unwrap();
    let mut sink = Sink::new(Target::new(writer.into()), 8);
    put(&mut sink, "one");
    put(&mut sink, "two");
    assert_eq!((sink.dropped(), &sink.lines[..]), (0, &b"one\ntwo\n"[..]));
}

#[test]
fn bytes_that_are_written_do_not_count_for_the_limit() {
    let (_reader, writer) = pipe().unwrap();
    let mut sink = Sink::new(Target::new(writer.into()), 12);
    put(&mut sink, "123456789");
    sink.advance(4);
    put(&mut sink, "five");
    assert_eq!((sink.dropped(), &sink.lines[sink.written..]), (0, &b"56789\nfive\n"[..]));
}

#[test]
fn an_announcement_keeps_its_place_when_written_bytes_are_removed() {
    let (_reader, writer) = pipe().unwrap();
    let mut sink = Sink::new(Target::new(writer.into()), 8);
    sink.gap = 2;
    sink.announce_gap();
    let length = sink.lines.len();
    sink.advance(5);
    assert_eq!((sink.written, sink.lines.len()), (0, length - 5), "half of the limit is written");
    assert_eq!(sink.notice.as_ref().map(|notice| notice.end), Some(length - 5));
}
