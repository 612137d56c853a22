//! `Buffer`: the queue of bytes between a socket and a protocol. It depends on neither of them.

use std::io;

/// A queue of bytes. Bytes are added at the end and consumed at the front.
///
/// Its memory is initialised once and reused, so that a socket can read into it without unsafe code.
/// `Buffer::default()` allocates nothing. Positions are `u32` to save memory, because every connection has two buffers.
/// A buffer can therefore hold at most 4 GiB, which is far more than a connection needs.
///
/// Invariant: the unread bytes are `memory[start..end]`. If there are none, both are 0.
#[derive(Debug, Default)]
pub struct Buffer {
    memory: Box<[u8]>,
    start: u32,
    end: u32,
}

impl Buffer {
    /// Creates an empty buffer with `capacity` bytes of memory.
    pub fn with_capacity(capacity: usize) -> Buffer {
        Buffer { memory: vec![0; capacity].into(), start: 0, end: 0 }
    }

    /// The unread bytes, which have been appended but not consumed.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start as usize..self.end as usize]
    }

    /// The unread bytes as a mutable slice, so that they can be changed in place.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start as usize..self.end as usize]
    }

    /// The number of unread bytes.
    #[inline]
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// True if there are no unread bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The size of the buffer's memory in bytes.
    pub fn capacity(&self) -> usize {
        self.memory.len()
    }

    /// Removes the first `count` unread bytes.
    ///
    /// # Panics
    /// Panics if there are fewer than `count` unread bytes.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "consumed {count} of {} bytes", self.len());
        self.start += count as u32;
        // An empty buffer starts at the front again, so that all of its memory is free without a copy.
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Appends `bytes`. Moves the unread bytes or enlarges the memory if there is not enough space after them.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let end = self.end as usize;
        self.memory[end..end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len() as u32;
    }

    /// Calls `read` with a slice of free memory that is at least `least` bytes long. `read` must write to the front of
    /// the slice and return the number of bytes written. These bytes are appended, and `fill` returns the same number.
    ///
    /// # Errors
    /// Returns any error from `read`, without appending anything.
    pub fn fill(&mut self, least: usize, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        self.reserve(least);
        let free = &mut self.memory[self.end as usize..];
        // If `read` returns more than the length of the slice, the count is clamped, so that `end` stays within the
        // memory.
        let count = read(free)?.min(free.len());
        self.end += count as u32;
        Ok(count)
    }

    /// The number of bytes that can be appended without moving the unread bytes or enlarging the memory.
    pub fn free(&self) -> usize {
        self.memory.len() - self.end as usize
    }

    /// Ensures that `count` bytes are free after the unread ones.
    #[inline]
    pub fn reserve(&mut self, count: usize) {
        if self.free() < count {
            self.move_or_grow(count);
        }
    }

    /// Makes space for `count` bytes by moving the unread bytes to the front or into a larger allocation.
    #[cold]
    fn move_or_grow(&mut self, count: usize) {
        let waiting = self.len();
        // The unread bytes are moved within the memory only if there are at most as many of them as consumed bytes
        // before them. Otherwise, the new memory is at least twice as large as the unread bytes. Either way, a sequence
        // of small appends takes linear time in total.
        if self.start as usize >= waiting && self.memory.len() - waiting >= count {
            self.memory.copy_within(self.start as usize..self.end as usize, 0);
        } else {
            let size = (waiting + count).max(2 * waiting);
            // Positions are `u32`, so the size must fit into a `u32`.
            assert!(u32::try_from(size).is_ok(), "a buffer of {size} bytes");
            let mut memory = vec![0; size];
            memory[..waiting].copy_from_slice(self.bytes());
            self.memory = memory.into();
        }
        self.start = 0;
        self.end = waiting as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_consumed_in_the_order_they_were_appended() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.capacity(), 0);
        let mut expected = 0_u32;
        let mut appended = 0_u32;
        for round in 0..1000 {
            for _ in 0..round % 7 {
                buffer.extend(&appended.to_le_bytes());
                appended += 1;
            }
            while buffer.len() > 16 {
                assert_eq!(buffer.bytes()[..4], expected.to_le_bytes());
                buffer.consume(4);
                expected += 1;
            }
        }
        assert!(buffer.capacity() < 256, "{}", buffer.capacity());
    }

    #[test]
    fn fill_offers_at_least_the_bytes_asked_for() {
        let mut buffer = Buffer::with_capacity(8);
        buffer.extend(b"abcdef");
        buffer.consume(2);
        let count = buffer.fill(100, |free| {
            assert!(free.len() >= 100);
            free[..3].copy_from_slice(b"xyz");
            Ok(3)
        });
        assert_eq!(count.unwrap(), 3);
        assert_eq!(buffer.bytes(), b"cdefxyz");
    }
}
