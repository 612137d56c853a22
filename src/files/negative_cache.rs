//! A cache of the paths that were not found in the current turn of the loop.

use std::time::Instant;

/// The paths that were not found in the current turn. With this cache, a missing file is looked up only once for all
/// requests that arrive in the same turn.
///
/// Many clients may request the same missing file, such as an icon, at the same time. Nothing is kept beyond the turn,
/// so a new file is found in the next turn, and clients cannot fill the memory with names.
#[derive(Debug, Default)]
pub(crate) struct NegativeCache {
    turn: Option<Instant>,
    paths: Vec<Vec<u8>>,
}

/// The maximum number of paths per turn. Further paths are looked up each time.
const MAX_PATHS: usize = 8;

impl NegativeCache {
    /// True if the path was not found in this turn.
    pub(crate) fn contains(&self, path: &[u8], turn: Instant) -> bool {
        self.turn == Some(turn) && self.paths.iter().any(|known| known == path)
    }

    /// Adds a path that was not found in this turn. Paths from an earlier turn are removed.
    pub(crate) fn insert(&mut self, path: &[u8], turn: Instant) {
        if self.turn != Some(turn) {
            self.turn = Some(turn);
            self.paths.clear();
        }
        if self.paths.len() < MAX_PATHS {
            self.paths.push(path.to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_path_is_remembered_for_its_turn_only() {
        let turn = Instant::now();
        let next = turn + Duration::from_nanos(1);
        let mut cache = NegativeCache::default();
        assert!(!cache.contains(b"/a", turn));
        cache.insert(b"/a", turn);
        assert!(cache.contains(b"/a", turn) && !cache.contains(b"/b", turn));
        assert!(!cache.contains(b"/a", next));
        cache.insert(b"/b", next);
        assert!(cache.contains(b"/b", next) && !cache.contains(b"/a", next), "the paths of the previous turn are gone");
        (0..100_u8).for_each(|byte| cache.insert(&[byte], next));
        assert_eq!(cache.paths.len(), MAX_PATHS);
    }
}
