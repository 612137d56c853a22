//! Tests of the document root and the rules for symbolic links.

use super::*;
use crate::files::stat::{FileKind, Timestamp};

#[test]
fn the_error_for_a_bad_root_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let error = Tree::new(&missing, Symlinks::Follow).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains("missing"), "{error}");
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(Tree::new(&file, Symlinks::Follow).unwrap_err().kind(), io::ErrorKind::NotADirectory);
}

#[test]
#[cfg(unix)]
fn an_identity_has_device_inode_size_and_times() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "text").unwrap();
    let metadata = std::fs::metadata(&path).unwrap();
    let expected = Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: 4,
        modified: Timestamp { seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() },
        changed: Timestamp { seconds: metadata.ctime(), nanoseconds: metadata.ctime_nsec() },
    };
    let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
    assert_eq!(tree.stat(&path).unwrap(), Stat { kind: FileKind::File, identity: expected });
    assert_eq!(tree.open(&path).unwrap().1, expected);
}

#[test]
fn a_file_is_reopened_only_with_the_same_identity() {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
    let (path, other) = (dir.path().join("file"), dir.path().join("other"));
    std::fs::write(&path, "text").unwrap();
    let identity = tree.identify(&path).unwrap();
    assert!(tree.reopen(&path, &identity).is_ok());
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    assert!(tree.reopen(&path, &identity).is_err(), "another time");
    let identity = tree.identify(&path).unwrap();
    std::fs::write(&other, "1234").unwrap();
    std::fs::rename(&other, &path).unwrap();
    assert_eq!(tree.identify(&path).unwrap().size, identity.size);
    assert!(tree.reopen(&path, &identity).is_err(), "another file of the same size");
}

#[test]
fn only_regular_files_are_opened() {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree::new(dir.path(), Symlinks::Follow).unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&fifo, &link).unwrap();
    for path in [&fifo, &socket, &link, &dir.path().to_owned(), &PathBuf::from("/dev/null")] {
        assert_eq!(tree.identify(path).unwrap_err().kind(), io::ErrorKind::NotFound, "{}", path.display());
        assert!(tree.open(path).is_err(), "{}", path.display());
    }
    assert_eq!(tree.stat(&fifo).unwrap().kind, FileKind::Other);
}

#[test]
#[cfg(target_os = "linux")]
fn each_rule_for_symbolic_links_admits_its_targets_only() {
    use Symlinks::{Deny, Follow, Within};
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(root.join("sub/file"), "in").unwrap();
    std::fs::write(dir.path().join("secret"), "out").unwrap();
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.join(name)).unwrap();
    link(Path::new("sub/file"), "inside");
    link(Path::new("sub"), "directory");
    link(Path::new("../secret"), "outside");
    link(&dir.path().join("secret"), "absolute");
    link(Path::new("../root/sub/file"), "out-and-in");
    link(Path::new("/proc/self/exe"), "magic");
    link(&root.join("sub/file"), "absolute-inside");
    link(&root.join("sub"), "absolute-directory");
    link(Path::new("absolute-directory/file"), "relative-hop");
    link(&root.join("relative-hop"), "through-links");
    link(Path::new("../absolute-inside"), "sub/upwards");
    link(Path::new("absolute"), "through-outside");
    link(Path::new("../../secret"), "sub/escape");
    link(Path::new("loop"), "loop");
    link(&root.join("absolute-loop"), "absolute-loop");
    link(Path::new("nothing"), "nowhere");
    link(&root.join("nothing"), "absolute-nowhere");
    for (name, allowed) in [
        ("sub/file", &[Follow, Within, Deny][..]),
        ("inside", &[Follow, Within]),
        ("directory/file", &[Follow, Within]),
        ("outside", &[Follow]),
        ("absolute", &[Follow]),
        ("out-and-in", &[Follow, Within]),
        ("absolute-inside", &[Follow, Within]),
        ("absolute-directory/file", &[Follow, Within]),
        ("through-links", &[Follow, Within]),
        ("sub/upwards", &[Follow, Within]),
        ("through-outside", &[Follow]),
        ("sub/escape", &[Follow]),
        ("loop", &[]),
        ("absolute-loop", &[]),
        ("nowhere", &[]),
        ("absolute-nowhere", &[]),
        ("magic", &[Follow]),
    ] {
        for symlinks in [Follow, Within, Deny] {
            let tree = Tree::new(&root, symlinks).unwrap();
            let open = tree.open(&root.join(name));
            assert_eq!(open.is_ok(), allowed.contains(&symlinks), "{name} {symlinks:?}: {open:?}");
            assert_eq!(tree.regular_file(&root.join(name)).is_some(), open.is_ok());
        }
    }
    for symlinks in [Follow, Within, Deny] {
        let tree = Tree::new(&root, symlinks).unwrap();
        assert!(tree.open_directory(&root).is_ok() && tree.open_directory(&root.join("sub")).is_ok());
        assert_eq!(tree.open_directory(&root.join("directory")).is_ok(), symlinks != Deny);
        assert!(tree.open_directory(&root.join("sub/file")).is_err());
    }
    let tree = Tree::new(&root, Within).unwrap();
    assert!(tree.open(&dir.path().join("secret")).is_err());
    assert!(tree.following_symlinks().open(&dir.path().join("secret")).is_ok());
    assert_eq!(tree.stat(&root).unwrap().kind, FileKind::Directory);
}

#[test]
#[cfg(target_os = "linux")]
fn absolute_links_stay_within_a_root_that_is_a_link() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let (real, alias) = (dir.path().join("real"), dir.path().join("alias"));
    std::fs::create_dir(&real).unwrap();
    std::fs::write(real.join("a"), "").unwrap();
    symlink("real", &alias).unwrap();
    symlink(real.join("a"), real.join("by-real-name")).unwrap();
    symlink(alias.join("a"), real.join("by-alias")).unwrap();
    symlink(&real, real.join("to-the-root")).unwrap();
    for root in [&real, &alias] {
        let tree = Tree::new(root, Symlinks::Within).unwrap();
        for name in ["by-real-name", "by-alias", "to-the-root/a", "to-the-root/to-the-root/by-alias"] {
            assert!(tree.open(&root.join(name)).is_ok(), "{name} below {root:?}");
        }
        assert!(tree.open_directory(&root.join("to-the-root")).is_ok());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_link_that_changes_all_the_time_never_leads_out() {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};
    let dir = tempfile::tempdir().unwrap();
    let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
    for (directory, text) in [(root.join("inside"), "inside"), (outside.clone(), "outside")] {
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("file"), text).unwrap();
    }
    symlink(root.join("inside"), root.join("link")).unwrap();
    let tree = Tree::new(&root, Symlinks::Within).unwrap();
    let (done, path) = (AtomicBool::new(false), root.join("link/file"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for target in [&outside, &root.join("inside")].into_iter().cycle() {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                symlink(target, root.join("next")).unwrap();
                std::fs::rename(root.join("next"), root.join("link")).unwrap();
            }
        });
        let read = |_| tree.open(&path).ok().map(|(file, _)| std::io::read_to_string(file).unwrap());
        let found: Vec<_> = (0..2000).filter_map(read).collect();
        done.store(true, Ordering::Relaxed);
        assert!(found.iter().all(|text| text == "inside"));
    });
}

#[test]
fn opening_a_fifo_in_the_place_of_a_file_does_not_block() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let file = open_nonblocking(&fifo).unwrap();
    assert_eq!(Stat::of(&file).unwrap().kind, FileKind::Other);
}
