use std::time::Instant;

/// Paths that named nothing in this turn of the loop: they need not be looked for again before the next.
///
/// Many clients often ask for the same thing that is not there, an icon that somebody forgot. Nothing is kept beyond
/// the turn, so that a file is found as soon as it is there, and nobody can fill memory by asking for names.
#[derive(Debug, Default)]
pub(crate) struct NegativeCache {
    turn: Option<Instant>,
    paths: Vec<Vec<u8>>,
}

/// More different cache than this are looked for again.
const MOST: usize = 8;

impl NegativeCache {
    /// Whether the path is known to name nothing in this turn.
    pub(crate) fn knows(&self, path: &[u8], turn: Instant) -> bool {
        self.turn == Some(turn) && self.paths.iter().any(|known| known == path)
    }

    /// Notes that the path names nothing in this turn.
    pub(crate) fn note(&mut self, path: &[u8], turn: Instant) {
        if self.turn != Some(turn) {
            self.turn = Some(turn);
            self.paths.clear();
        }
        if self.paths.len() < MOST {
            self.paths.push(path.to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_miss_lasts_for_its_turn() {
        let turn = Instant::now();
        let next = turn + Duration::from_nanos(1);
        let mut cache = NegativeCache::default();
        assert!(!cache.knows(b"/a", turn));
        cache.note(b"/a", turn);
        assert!(cache.knows(b"/a", turn) && !cache.knows(b"/b", turn));
        assert!(!cache.knows(b"/a", next));
        cache.note(b"/b", next);
        assert!(cache.knows(b"/b", next) && !cache.knows(b"/a", next), "the turn before is forgotten");
        (0..100_u8).for_each(|byte| cache.note(&[byte], next));
        assert_eq!(cache.paths.len(), MOST);
    }
}
