//! Lines for the log about files that cannot be served. The log itself is the server's, and gets them after each turn.

/// The lines of one turn of the loop.
#[derive(Debug, Default)]
pub(crate) struct LogQueue {
    texts: Vec<String>,
}

/// More of them in one turn are dropped: clients decide how many there are.
const MOST: usize = 8;

impl LogQueue {
    /// Adds a line.
    pub(crate) fn add(&mut self, text: String) {
        if self.texts.len() < MOST {
            self.texts.push(text);
        }
    }

    /// Hands every line on, in order, and forgets it.
    pub(crate) fn drain(&mut self, note: impl FnMut(&str)) {
        self.texts.iter().map(String::as_str).for_each(note);
        self.texts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_has_few_complaints_and_each_is_handed_on_once() {
        let mut queue = LogQueue::default();
        (0..100).for_each(|number| queue.add(number.to_string()));
        let mut noted = Vec::new();
        queue.drain(|text| noted.push(text.to_owned()));
        queue.drain(|text| panic!("{text} again"));
        assert_eq!(noted, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    }
}
