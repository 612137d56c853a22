use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Large files that were opened a moment ago and are still open, for whoever asks for them next.
///
/// Opening and closing a file costs about as much as sending a few dozen kilobytes of it. But a file that stays open
/// for good cannot be unmounted, and its space is not free when it is deleted. So each is held for one to two seconds,
/// however often it is asked for, and then opened again if it is still wanted: an idle server holds none.
#[derive(Debug, Default)]
pub(crate) struct RecentFiles {
    young: Vec<Arc<File>>,
    old: Vec<Arc<File>>,
    /// When the young began to be young.
    since: Option<Instant>,
    /// Somebody sees to it that files are let go in time.
    attended: bool,
}

/// How many files are held of one age. They come out of the descriptors that connections leave over.
const MOST: usize = 8;

/// How long files stay young.
const AGE: Duration = Duration::from_secs(1);

impl RecentFiles {
    /// Holds a file that was just opened, if there is room and somebody who lets it go again.
    pub(crate) fn hold(&mut self, file: &Arc<File>) {
        if self.attended && self.young.len() < MOST {
            self.young.push(Arc::clone(file));
        }
    }

    /// Lets go what was held for long enough. To be called at the end of every turn of the loop; says when to call
    /// again at the latest, if anything is held.
    pub(crate) fn let_go(&mut self, now: Instant) -> Option<Duration> {
        self.attended = true;
        let since = *self.since.get_or_insert(now);
        let mut left = AGE.saturating_sub(now.saturating_duration_since(since));
        if left.is_zero() {
            self.old = std::mem::take(&mut self.young);
            (self.since, left) = (Some(now), AGE);
        }
        if self.young.is_empty() && self.old.is_empty() {
            self.since = None;
            return None;
        }
        Some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Arc<File> {
        Arc::new(tempfile::tempfile().unwrap())
    }

    fn is_held(file: &Arc<File>) -> bool {
        Arc::strong_count(file) > 1
    }

    #[test]
    fn a_file_is_held_for_one_to_two_seconds() {
        let (start, mut recent) = (Instant::now(), RecentFiles::default());
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(recent.let_go(at(0)), None, "nothing is held, so nobody need wake");
        let (first, second) = (file(), file());
        recent.hold(&first);
        assert_eq!(recent.let_go(at(100)), Some(AGE));
        assert_eq!(recent.let_go(at(1000)), Some(Duration::from_millis(100)));
        recent.hold(&second);
        assert_eq!(recent.let_go(at(1100)), Some(AGE));
        assert!(is_held(&first) && is_held(&second));
        assert_eq!(recent.let_go(at(2099)), Some(Duration::from_millis(1)));
        assert!(is_held(&first));
        assert_eq!(recent.let_go(at(2100)), None);
        assert!(!is_held(&first) && !is_held(&second));
    }

    #[test]
    fn nothing_is_held_that_nobody_would_let_go() {
        let (mut recent, file) = (RecentFiles::default(), file());
        recent.hold(&file);
        assert!(!is_held(&file));
    }

    #[test]
    fn few_are_held() {
        let mut recent = RecentFiles::default();
        recent.let_go(Instant::now());
        let files: Vec<Arc<File>> = (0..2 * MOST).map(|_| file()).collect();
        files.iter().for_each(|file| recent.hold(file));
        assert_eq!(files.iter().filter(|file| is_held(file)).count(), MOST);
    }
}
