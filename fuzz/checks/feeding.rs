//! The ways in which bytes reach the checked code: whole, one by one, or in two parts. This file does not depend on the
//! checked code.

use std::fmt::Debug;

use serve_forever::http1::{Buffer, MessageLimits};

/// Removes the first two bytes of the data, which determine where the rest is split.
pub fn split_place(data: &[u8]) -> (usize, &[u8]) {
    match data {
        [low, high, rest @ ..] => (usize::from(u16::from_le_bytes([*low, *high])) % (rest.len() + 1), rest),
        _ => (0, data),
    }
}

/// Splits the bytes in the three ways that must have the same result.
pub fn ways(bytes: &[u8], place: usize) -> [Vec<&[u8]>; 3] {
    let (first, second) = bytes.split_at(place);
    [vec![bytes], bytes.chunks(1).collect(), vec![first, second]]
}

/// Checks that `read` has the same result for all three ways, and returns it.
pub fn read_alike<T: Debug + PartialEq>(bytes: &[u8], place: usize, read: impl Fn(&[&[u8]]) -> T) -> T {
    let [whole, dripped, halves] = ways(bytes, place).map(|pieces| read(&pieces));
    assert_eq!(whole, dripped, "byte by byte");
    assert_eq!(whole, halves, "split at {place}");
    whole
}

/// Adds the pieces to `input` one after the other, and calls `event` after each until it returns false.
pub fn feed(pieces: &[&[u8]], input: &mut Buffer, mut event: impl FnMut(&mut Buffer) -> bool) {
    for piece in pieces {
        input.extend(piece);
        while event(input) {}
    }
}

/// Limits that are small enough for the fuzzer to exceed.
pub fn small_limits() -> MessageLimits {
    MessageLimits { start_line: 200, field_line: 300, head: 1000, fields: 8, body: 2000, ..MessageLimits::default() }
}
