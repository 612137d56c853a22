//! Keeps large files open for a short time, in case they are requested again.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Files that were opened within the last one to two seconds.
///
/// Opening and closing a file takes about as long as sending a few dozen kilobytes of it. However, while a file is
/// open, its file system cannot be unmounted, and a deleted file keeps occupying space. Therefore each file is held for
/// one to two seconds, regardless of how often it is requested, and the next request opens it again. An idle server
/// holds no files.
#[derive(Debug, Default)]
pub(crate) struct RecentFiles {
    /// The files that were opened in the current generation.
    young: Vec<Arc<File>>,
    /// The files of the previous generation.
    old: Vec<Arc<File>>,
    /// The time at which the current generation began; `None` if no file was held at the end of the last turn.
    since: Option<Instant>,
    /// True once `release` has been called. Until then no file is held, because nothing would release it.
    enabled: bool,
}

/// The maximum number of files held per generation. The limit on connections leaves enough descriptors for them.
const MAX_FILES: usize = 8;

/// The duration of a generation. A file is released at the end of the generation after the one in which it was opened.
const GENERATION: Duration = Duration::from_secs(1);

impl RecentFiles {
    /// Keeps a newly opened file open, unless the current generation already has [`MAX_FILES`] files.
    pub(crate) fn hold(&mut self, file: &Arc<File>) {
        if self.enabled && self.young.len() < MAX_FILES {
            self.young.push(Arc::clone(file));
        }
    }

    /// Releases the files that have been held for at least a whole generation. Must be called at the end of every turn
    /// of the loop. Returns the maximum time until the next call; `None` if no file is held.
    pub(crate) fn release(&mut self, now: Instant) -> Option<Duration> {
        self.enabled = true;
        let since = *self.since.get_or_insert(now);
        let mut left = GENERATION.saturating_sub(now.saturating_duration_since(since));
        if left.is_zero() {
            // Dropping the files of the previous generation closes those that no response is still sending.
            self.old = std::mem::take(&mut self.young);
            (self.since, left) = (Some(now), GENERATION);
        }
        // If no file is held, the loop need not wake up at the end of the generation.
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
        assert_eq!(recent.release(at(0)), None, "no file is held, so the loop need not wake");
        let (first, second) = (file(), file());
        recent.hold(&first);
        assert_eq!(recent.release(at(100)), Some(GENERATION));
        assert_eq!(recent.release(at(1000)), Some(Duration::from_millis(100)));
        recent.hold(&second);
        assert_eq!(recent.release(at(1100)), Some(GENERATION));
        assert!(is_held(&first) && is_held(&second));
        assert_eq!(recent.release(at(2099)), Some(Duration::from_millis(1)));
        assert!(is_held(&first));
        assert_eq!(recent.release(at(2100)), None);
        assert!(!is_held(&first) && !is_held(&second));
    }

    #[test]
    fn no_file_is_held_before_release_is_called() {
        let (mut recent, file) = (RecentFiles::default(), file());
        recent.hold(&file);
        assert!(!is_held(&file));
    }

    #[test]
    fn the_number_of_held_files_is_bounded() {
        let mut recent = RecentFiles::default();
        recent.release(Instant::now());
        let files: Vec<Arc<File>> = (0..2 * MAX_FILES).map(|_| file()).collect();
        files.iter().for_each(|file| recent.hold(file));
        assert_eq!(files.iter().filter(|file| is_held(file)).count(), MAX_FILES);
    }
}
