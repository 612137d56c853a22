//! Bytes between a socket and a protocol.

use std::io;

/// Bytes on their way: filled at the end, consumed at the front.
///
/// Its memory is initialised once and reused, so that a socket can read into it without unsafe code. An empty
/// `Buffer` owns no memory. It is small, since every connection has two: it holds 4 GiB at most, far beyond any limit.
#[derive(Debug, Default)]
pub struct Buffer {
    memory: Box<[u8]>,
    start: u32,
    end: u32,
}

impl Buffer {
    /// A buffer that owns `capacity` bytes from the start.
    pub fn with_capacity(capacity: usize) -> Buffer {
        Buffer { memory: vec![0; capacity].into(), start: 0, end: 0 }
    }

    /// The bytes that wait to be consumed.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start as usize..self.end as usize]
    }

    /// How many bytes wait.
    #[inline]
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether no bytes wait.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// How many bytes of memory it owns.
    pub fn capacity(&self) -> usize {
        self.memory.len()
    }

    /// Drops the first `count` of the waiting bytes.
    ///
    /// # Panics
    /// If fewer bytes wait.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "consumed {count} of {} bytes", self.len());
        self.start += count as u32;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Appends bytes.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let end = self.end as usize;
        self.memory[end..end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len() as u32;
    }

    /// Has `read` fill some of the free room, of which there is at least `room`; it returns how many bytes it put at
    /// the front of that room, and so does this.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn fill(&mut self, room: usize, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        self.reserve(room);
        let free = &mut self.memory[self.end as usize..];
        let count = read(free)?.min(free.len());
        self.end += count as u32;
        Ok(count)
    }

    /// How many bytes fit behind the waiting ones without moving or growing.
    pub fn free(&self) -> usize {
        self.memory.len() - self.end as usize
    }

    /// Makes sure that `room` bytes fit behind the waiting ones.
    #[inline]
    fn reserve(&mut self, room: usize) {
        if self.free() < room {
            self.make_room(room);
        }
    }

    /// Moves the waiting bytes to the front if that is enough and worth it, otherwise grows to at least twice the
    /// size, so that many small appends cost linear time.
    #[cold]
    fn make_room(&mut self, room: usize) {
        let waiting = self.len();
        if self.start as usize >= waiting && self.memory.len() - waiting >= room {
            self.memory.copy_within(self.start as usize..self.end as usize, 0);
        } else {
            let size = (waiting + room).max(2 * waiting);
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
    fn bytes_come_out_as_they_went_in() {
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
    fn fill_offers_the_room_that_was_asked_for() {
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
