//! Which credentials were found right or wrong lately, so that a keep-alive client pays for a slow hash once.
//!
//! Both are bounded, each by itself: clients that guess must not push out those that know their password.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::auth::Seal;

/// How many are remembered that were right, and how many that were wrong.
const MOST: usize = 1024;

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    right: Recent<Arc<str>>,
    wrong: Recent<()>,
}

/// Values by their seals, the oldest of which goes when there are too many.
#[derive(Debug)]
struct Recent<V> {
    values: HashMap<Seal, V>,
    order: VecDeque<Seal>,
}

impl Verdicts {
    /// The user of these credentials, `None` within if they were wrong; `None` if they are not remembered.
    pub(super) fn get(&self, seal: &Seal) -> Option<Option<Arc<str>>> {
        let right = self.right.values.get(seal).map(|user| Some(Arc::clone(user)));
        right.or_else(|| self.wrong.values.get(seal).map(|()| None))
    }

    pub(super) fn note(&mut self, seal: Seal, user: Option<Arc<str>>) {
        match user {
            Some(user) => self.right.note(seal, user),
            None => self.wrong.note(seal, ()),
        }
    }
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Recent { values: HashMap::new(), order: VecDeque::new() }
    }
}

impl<V> Recent<V> {
    fn note(&mut self, seal: Seal, value: V) {
        if self.values.insert(seal, value).is_some() {
            return;
        }
        self.order.push_back(seal);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(number: usize) -> Seal {
        let mut seal = [0; 32];
        seal[..8].copy_from_slice(&number.to_ne_bytes());
        seal
    }

    #[test]
    fn so_many_are_remembered_and_the_wrong_ones_push_out_no_right_one() {
        let mut verdicts = Verdicts::default();
        verdicts.note(seal(0), Some("ann".into()));
        for number in 1..=2 * MOST {
            verdicts.note(seal(number), None);
            verdicts.note(seal(number), None);
        }
        assert_eq!(verdicts.get(&seal(0)), Some(Some("ann".into())));
        assert_eq!(verdicts.get(&seal(MOST)), None);
        assert_eq!(verdicts.get(&seal(MOST + 1)), Some(None));
        for number in 1..=MOST {
            verdicts.note(seal(number), Some("bob".into()));
        }
        assert_eq!(verdicts.get(&seal(0)), None);
        assert_eq!((verdicts.right.values.len(), verdicts.wrong.values.len()), (MOST, MOST));
        assert_eq!((verdicts.right.order.len(), verdicts.wrong.order.len()), (MOST, MOST));
    }
}
