//! How bytes reach what is checked: whole, one by one, or in two parts.

/// Takes the first two bytes off the data: they choose where the rest is split.
pub fn split_place(data: &[u8]) -> (usize, &[u8]) {
    match data {
        [low, high, rest @ ..] => (usize::from(u16::from_le_bytes([*low, *high])) % (rest.len() + 1), rest),
        _ => (0, data),
    }
}

/// The bytes in the three ways that must make no difference.
pub fn ways(bytes: &[u8], place: usize) -> [Vec<&[u8]>; 3] {
    let (first, second) = bytes.split_at(place);
    [vec![bytes], bytes.chunks(1).collect(), vec![first, second]]
}
