//! Derives a limit on the memory of all buffers from the system's limits on the process.
//!
//! A failed allocation ends the process, so the limit must be known before it is reached. The limit is read only once,
//! because a sandbox or a chroot can later make the files that contain it inaccessible.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The divisor of the process's memory limit: buffers may use a quarter of it. The rest is left for memory that is not
/// counted: sessions, caches, stacks, copies of growing buffers, and memory that the allocator cannot reuse.
const PART: u64 = 4;

/// The maximum total size of the buffers of all connections, in bytes. This limit applies even if
/// [`Limits::buffers`](crate::Limits::buffers) is larger. `usize::MAX` if the system sets no limit.
pub(crate) fn room_for_buffers() -> usize {
    static ROOM: OnceLock<usize> = OnceLock::new();
    *ROOM.get_or_init(|| {
        let limit = address_space_left().into_iter().chain(limit_of_control_group()).min();
        limit.map_or(usize::MAX, |limit| usize::try_from(limit / PART).unwrap_or(usize::MAX))
    })
}

/// The part of `RLIMIT_AS` (`ulimit -v`) that the process has not used yet, in bytes.
#[cfg(unix)]
fn address_space_left() -> Option<u64> {
    use rustix::process::{Resource, getrlimit};
    let limit = getrlimit(Resource::As).current?;
    Some(limit.saturating_sub(address_space().unwrap_or(0)))
}

#[cfg(not(unix))]
fn address_space_left() -> Option<u64> {
    None
}

/// The address space of the process in bytes. The first number in `/proc/self/statm` is its size in pages.
#[cfg(unix)]
fn address_space() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').next()?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

/// The lowest memory limit of the process's control groups, in bytes.
fn limit_of_control_group() -> Option<u64> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    membership.lines().filter_map(|line| limit_in(line, Path::new("/sys/fs/cgroup"))).min()
}

/// The lowest memory limit of a control group and its ancestors, in bytes. `line` is a line of `/proc/self/cgroup`:
/// `0::/GROUP` for version 2, or `4:memory:/GROUP` for the memory controller of version 1. In a container, the files of
/// the group can be in the root directory even if the name of the group is not `/`. The root directory therefore counts
/// as the last ancestor.
fn limit_in(line: &str, mounted_at: &Path) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, group) = (parts.next()?, parts.next()?);
    let (top, file) = match controllers {
        "" => (mounted_at.to_owned(), "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            (mounted_at.join("memory"), "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let group = PathBuf::from(group.trim_start_matches('/'));
    let limit = |group: &Path| fs::read_to_string(top.join(group).join(file)).ok()?.trim().parse::<u64>().ok();
    // The file contains `max` if there is no limit. This text does not parse as a number and is skipped.
    group.ancestors().filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit for the control group in `line`, read from a directory that contains `files`.
    fn limit(line: &str, files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        limit_in(line, root.path())
    }

    #[test]
    fn the_smallest_limit_of_a_group_and_its_ancestors_counts() {
        let files = [("a/memory.max", "300\n"), ("a/b/memory.max", "500\n"), ("a/b/c/memory.max", "max\n")];
        assert_eq!(limit("0::/a/b/c", &files), Some(300));
        assert_eq!(limit("0::/a/b", &files[1..]), Some(500));
        assert_eq!(limit("0::/", &[("memory.max", "7\n")]), Some(7));
        assert_eq!(limit("0::/elsewhere", &files), None);
    }

    #[test]
    fn the_memory_controller_of_version_1_is_read_from_its_own_file() {
        let files =
            [("memory/memory.limit_in_bytes", "9223372036854771712\n"), ("memory/a/memory.limit_in_bytes", "5\n")];
        assert_eq!(limit("4:memory:/a", &files), Some(5));
        assert_eq!(limit("4:cpu,memory:/a", &files), Some(5));
        assert_eq!(limit("4:memory:/a/of/the/host", &[("memory/memory.limit_in_bytes", "6\n")]), Some(6));
        assert_eq!(limit("3:cpu:/a", &files), None);
        assert_eq!(limit("", &files), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_address_space_of_this_process_is_read_from_proc() {
        assert!(address_space().is_some_and(|bytes| bytes > 1024 * 1024));
    }
}
