//! The observer that updates the counters for one connection.

use std::io;
use std::sync::Arc;

use super::Statistics;
use crate::observer::{ConnectionObserver, TransitionObserver};

/// Counts the requests, the responses and the bytes of one connection.
#[derive(Debug)]
pub struct ConnectionMeter {
    statistics: Arc<Statistics>,
    /// The number of requests on this connection whose response has not been sent in full.
    unsent: u32,
    /// True from the time at which the head of a request is complete until the head of its response has been written.
    awaits_response: bool,
    /// The size in bytes of this connection's buffers, which is included in the total of all buffers.
    buffers: usize,
}

impl ConnectionMeter {
    /// Counts an accepted connection and creates its observer.
    pub fn new(statistics: Arc<Statistics>) -> ConnectionMeter {
        ConnectionMeter { statistics, unsent: 0, awaits_response: false, buffers: 0 }
    }

    /// Records the result of a write of `wanted` bytes.
    #[inline]
    fn count_sent(&self, wanted: u64, result: Result<u64, &io::Error>) {
        match result {
            Ok(count) => {
                self.statistics.bytes_out.add(count);
                if count < wanted {
                    self.statistics.short_writes.add(1);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.statistics.write_would_block.add(1),
            Err(_) => {}
        }
    }
}

impl TransitionObserver for ConnectionMeter {
    #[inline]
    fn request<'r>(&mut self, _: impl Fn() -> &'r [u8]) {
        self.unsent += 1;
        self.awaits_response = true;
        self.statistics.request_began();
    }

    #[inline]
    fn response(&mut self, status: u16, _: Option<u64>) {
        // A request that is rejected before its head is complete has not been counted yet.
        if !self.awaits_response {
            self.unsent += 1;
            self.statistics.request_began();
        }
        self.awaits_response = false;
        self.statistics.response_began(status);
    }
}

impl ConnectionObserver for ConnectionMeter {
    #[inline]
    fn read(&mut self, bytes: usize, _: usize, _: bool) {
        self.statistics.bytes_in.add(bytes as u64);
    }

    fn read_blocked(&mut self) {
        self.statistics.read_would_block.add(1);
    }

    #[inline]
    fn sent(&mut self, wanted: usize, _: bool, result: &io::Result<usize>) {
        self.count_sent(wanted as u64, result.as_ref().map(|count| *count as u64));
    }

    fn sent_file(&mut self, wanted: u64, _: u64, result: &io::Result<u64>) {
        self.count_sent(wanted, result.as_ref().copied());
    }

    #[inline]
    fn all_sent(&mut self, is_in_exchange: bool) {
        // During an exchange, the last response is not complete, so its request does not count as ended yet, even
        // though all output so far has been sent.
        let ended = self.unsent - u32::from(is_in_exchange).min(self.unsent);
        self.unsent -= ended;
        self.statistics.responses_ended(ended);
    }

    fn buffers(&mut self, bytes: usize) {
        self.statistics.buffers_change(self.buffers, bytes);
        self.buffers = bytes;
    }
}

impl Drop for ConnectionMeter {
    fn drop(&mut self) {
        self.statistics.responses_cut(self.unsent);
        self.statistics.buffers_change(self.buffers, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter() -> (Arc<Statistics>, ConnectionMeter) {
        let statistics = Arc::new(Statistics::new(""));
        (Arc::clone(&statistics), ConnectionMeter::new(statistics))
    }

    #[test]
    fn a_response_is_sent_when_the_last_byte_of_its_exchange_has_left() {
        let (statistics, mut meter) = meter();
        meter.request(|| b"");
        assert_eq!((statistics.in_flight(), statistics.responses_sent()), (1, 0));
        meter.response(200, None);
        meter.all_sent(true);
        assert_eq!((statistics.in_flight(), statistics.responses_sent()), (1, 0), "the body goes on");
        meter.request(|| b"");
        meter.response(200, None);
        meter.all_sent(false);
        meter.all_sent(false);
        assert_eq!((statistics.in_flight(), statistics.responses_sent()), (0, 2));
    }

    #[test]
    fn a_refused_request_counts_once_and_a_cut_one_is_not_sent() {
        let (statistics, mut meter) = meter();
        meter.response(400, None);
        assert_eq!(statistics.in_flight(), 1);
        meter.all_sent(false);
        meter.request(|| b"");
        meter.response(200, None);
        drop(meter);
        assert_eq!((statistics.in_flight(), statistics.responses_sent()), (0, 1));
        assert_eq!(statistics.by_status().collect::<Vec<_>>(), [(200, 1), (400, 1)]);
    }

    #[test]
    fn bytes_short_writes_and_calls_that_would_block_are_counted_apart() {
        let (statistics, mut meter) = meter();
        meter.read(3, 10, true);
        meter.read_blocked();
        meter.sent(10, false, &Ok(4));
        meter.sent(6, false, &Err(io::ErrorKind::WouldBlock.into()));
        meter.sent_file(6, 0, &Ok(6));
        meter.sent(1, false, &Err(io::ErrorKind::BrokenPipe.into()));
        assert_eq!((statistics.bytes_in.get(), statistics.bytes_out.get()), (3, 10));
        assert_eq!((statistics.read_would_block.get(), statistics.write_would_block.get()), (1, 1));
        assert_eq!(statistics.short_writes.get(), 1);
    }

    #[test]
    fn the_memory_of_buffers_is_that_of_all_connections() {
        let (statistics, mut meter) = meter();
        let mut other = ConnectionMeter::new(Arc::clone(&statistics));
        meter.buffers(10);
        other.buffers(5);
        meter.buffers(2);
        assert_eq!((statistics.buffers.get(), statistics.most_buffers.get()), (7, 15));
        statistics.begin_window();
        drop((meter, other));
        assert_eq!((statistics.buffers.get(), statistics.most_buffers.get()), (0, 7));
    }
}
