//! A bounded buffer of lines in front of a target. Lines that do not fit are dropped and counted.
//!
//! `target` performs the writes. The sink works for all log formats.
//!
//! Invariant: only whole lines are written to the target. Only a failed write can truncate a line. In that case, a
//! newline is written before the next line.

use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::target::Target;

/// The time after which a write to a full target is retried. The loop's poll cannot be used for this: a file cannot be
/// registered with it, and a shared descriptor would be reported as writable although other processes keep filling it.
const RETRY: Duration = Duration::from_millis(100);

/// A bounded buffer of lines in front of a target.
///
/// Once a line does not fit, all lines are dropped until the buffer has been written. This results in a few long gaps
/// instead of many short ones. Each gap is replaced with a line that reports the number of dropped lines.
#[derive(Debug)]
pub(super) struct Sink {
    target: Target,
    limit: usize,
    /// The function that writes the line reporting a gap. Its second argument is the number of dropped lines.
    announce: fn(&mut Vec<u8>, u64),
    /// The buffered lines, all of them complete. The first `written` bytes have already been written.
    lines: Vec<u8>,
    written: usize,
    /// The number of lines that have been dropped since the last gap was reported.
    gap: u64,
    /// The notice in `lines`, which is the line that reports a gap; `None` if `lines` contains no notice.
    notice: Option<Notice>,
    /// True if the last line that was written is incomplete, because the rest of it was dropped.
    torn: bool,
    dropped: u64,
}

#[derive(Debug)]
struct Notice {
    /// The number of dropped lines that the notice reports.
    gap: u64,
    /// The position in the buffer at which the notice ends.
    end: usize,
}

impl Sink {
    /// Creates a sink that buffers up to `limit` bytes. A single line in an empty buffer may be longer.
    pub(super) fn new(target: Target, limit: usize) -> Sink {
        let announce = super::format::write_gap;
        Sink { target, limit, announce, lines: Vec::new(), written: 0, gap: 0, notice: None, torn: false, dropped: 0 }
    }

    /// Sets the function that writes the line reporting how many lines were dropped.
    pub(super) fn announce_with(&mut self, announce: fn(&mut Vec<u8>, u64)) {
        self.announce = announce;
    }

    /// Replaces the target. Lines that have not been written yet go to the new target.
    pub(super) fn redirect(&mut self, target: Target) {
        self.target = target;
    }

    pub(super) fn into_target(self) -> Target {
        self.target
    }

    /// Buffers the line that `append` writes, or drops it if it does not fit. `append` must end the line with a
    /// newline.
    pub(super) fn line(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        // Until a gap has been reported, even lines that would fit are dropped, so that there is one long gap and not
        // many short ones.
        if self.gap > 0 && !self.is_empty() {
            return self.lose(1);
        }
        self.announce_gap();
        let (alone, before) = (self.is_empty(), self.lines.len());
        append(&mut self.lines);
        if !alone && self.lines.len() - self.written > self.limit {
            self.lines.truncate(before);
            self.lose(1);
        }
    }

    /// Writes until the buffer is empty or the target is full. If the target is full, returns the time after which
    /// writing should be tried again.
    pub(super) fn flush(&mut self) -> Option<Duration> {
        while !self.is_empty() {
            match self.target.write(&self.lines[self.written..]) {
                Ok(count) if count > 0 => self.advance(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Some(RETRY),
                Ok(_) | Err(_) => {
                    // The lines are lost. The gap is reported only when the next line is added, because retrying now
                    // would keep an idle server busy with a broken target.
                    self.give_up();
                    return None;
                }
            }
            // The line that reports the gap takes the place of the dropped lines, so it must follow all earlier lines.
            if self.is_empty() {
                self.announce_gap();
            }
        }
        None
    }

    /// Writes the last lines. While the target is full, waits for at most `within` in total.
    pub(super) fn finish(&mut self, within: Duration) {
        let began = Instant::now();
        while self.flush().is_some() {
            let left = within.saturating_sub(began.elapsed());
            // If `poll` fails, for example because of a signal, it is called again until the time is up.
            if left.is_zero() || matches!(self.target.has_room(left), Ok(false)) {
                return;
            }
        }
    }

    /// Returns the number of lines that have been dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn is_empty(&self) -> bool {
        self.written == self.lines.len()
    }

    fn lose(&mut self, lines: u64) {
        self.gap += lines;
        self.dropped += lines;
    }

    /// If lines have been dropped, puts the line that reports them into the buffer, which must be empty.
    fn announce_gap(&mut self) {
        if self.gap == 0 {
            return;
        }
        // A newline ends the incomplete line, so that the report begins on a new line.
        if self.torn {
            self.lines.push(b'\n');
        }
        (self.announce)(&mut self.lines, self.gap);
        self.lines.push(b'\n');
        self.notice = Some(Notice { gap: self.gap, end: self.lines.len() });
        self.torn = false;
        self.gap = 0;
    }

    /// Records that `count` bytes have been written. The remaining bytes are moved to the front only after half of the
    /// limit has been written, because moving them after every write would be slow.
    fn advance(&mut self, count: usize) {
        self.written += count;
        if self.notice.as_ref().is_some_and(|notice| notice.end <= self.written) {
            self.notice = None;
        }
        if self.is_empty() {
            self.lines.clear();
            self.written = 0;
        } else if self.written >= self.limit / 2 {
            self.lines.drain(..self.written);
            if let Some(notice) = &mut self.notice {
                notice.end -= self.written;
            }
            self.written = 0;
        }
    }

    /// Drops the rest of the buffer after a failed write.
    fn give_up(&mut self) {
        self.torn |= self.written > 0 && self.lines[self.written - 1] != b'\n';
        let mut left = self.written;
        if let Some(notice) = self.notice.take() {
            // The gap must be reported again. The line that reports it is not counted as a dropped line.
            self.gap += notice.gap;
            left = notice.end;
        }
        let lost = memchr::memchr_iter(b'\n', &self.lines[left..]).count();
        self.lines.clear();
        self.written = 0;
        self.lose(lost as u64);
    }
}

#[cfg(test)]
mod tests {
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
}
