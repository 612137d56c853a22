//! SplitMix64, the generator of all random bytes and of all random decisions. Its state after n outputs is the seed
//! plus n times a constant, so every output and every byte can be computed directly. The number of decisions made so
//! far is stored in `status`.

/// The constant that each step adds to the state: 2^64 divided by the golden ratio, made odd.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// The size of one output in bytes.
const WORD: u64 = 8;

/// The output with this index, counted from 0.
pub(crate) fn output(seed: u64, index: u64) -> u64 {
    let mut mixed = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(GAMMA));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// The output with this index as a number in [0, 1), for a random decision. Only the upper 53 bits are used, because an
/// `f64` has a precision of 53 bits.
pub(crate) fn draw(seed: u64, index: u64) -> f64 {
    const SCALE: f64 = 1.0 / (1_u64 << 53) as f64;
    (output(seed, index) >> 11) as f64 * SCALE
}

/// Fills `bytes` with the generator's bytes from `offset` on. The generator's bytes are its outputs in sequence, each
/// as 8 bytes in little-endian order.
pub(crate) fn fill(seed: u64, offset: u64, bytes: &mut [u8]) {
    let (mut index, skip) = (offset / WORD, (offset % WORD) as usize);
    // If `offset` is not a multiple of the output size, only the end of the first output is needed.
    let first = if skip > 0 { bytes.len().min(WORD as usize - skip) } else { 0 };
    let (cut, rest) = bytes.split_at_mut(first);
    if first > 0 {
        cut.copy_from_slice(&output(seed, index).to_le_bytes()[skip..skip + first]);
        index += 1;
    }
    for word in rest.chunks_mut(WORD as usize) {
        word.copy_from_slice(&output(seed, index).to_le_bytes()[..word.len()]);
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_outputs_are_those_of_the_reference_implementation() {
        // The values of seed 1234567 are those of Vigna's splitmix64.c.
        assert_eq!(output(0, 0), 0xE220_A839_7B1D_CDAF);
        let outputs = [0, 1, 2, 3, 4].map(|index| output(1_234_567, index));
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(outputs, expected);
    }

    #[test]
    fn bytes_are_the_same_from_every_offset() {
        let mut whole = [0; 64];
        fill(7, 0, &mut whole);
        for (start, end) in [(0, 64), (1, 2), (3, 8), (7, 40), (8, 64), (15, 16), (20, 20), (63, 64)] {
            let mut part = vec![0; end - start];
            fill(7, start as u64, &mut part);
            assert_eq!(part, whole[start..end], "{start}..{end}");
        }
    }

    #[test]
    fn draws_are_below_one() {
        assert!((0..10_000).map(|index| draw(3, index)).all(|draw| (0.0..1.0).contains(&draw)));
        let half = (0..10_000).filter(|index| draw(3, *index) < 0.5).count();
        assert!((4800..5200).contains(&half), "{half}");
    }
}
