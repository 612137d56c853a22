//! The user under which scripts run when the server runs as root.
//!
//! The user of a child is changed in `spawn`.

use std::io;

use rustix::process::{geteuid, getgroups};
use rustix::thread::set_thread_groups;

/// The user and the group under which scripts run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptUser {
    uid: u32,
    gid: u32,
}

impl ScriptUser {
    /// Creates a user from a user ID and a group ID, which need not be in `/etc/passwd`.
    ///
    /// # Errors
    /// Returns `InvalidInput` if either ID is 0, because scripts do not run as root.
    pub fn new(uid: u32, gid: u32) -> io::Result<ScriptUser> {
        if uid == 0 || gid == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "scripts are not run as root"));
        }
        Ok(ScriptUser { uid, gid })
    }

    /// The user with this name in `/etc/passwd`, and that user's group. A name of the form `UID:GID`, with decimal IDs,
    /// needs no entry there.
    ///
    /// # Errors
    /// Returns `NotFound` if there is no such user, or the same error as [`ScriptUser::new`] if one of the IDs is 0.
    pub fn named(name: &str) -> io::Result<ScriptUser> {
        if let Some((uid, gid)) = name.split_once(':').and_then(|(uid, gid)| uid.parse().ok().zip(gid.parse().ok())) {
            return ScriptUser::new(uid, gid);
        }
        let (uid, gid) = std::fs::read_to_string("/etc/passwd")
            .ok()
            .and_then(|users| find(&users, name))
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no user '{name}' in /etc/passwd")))?;
        ScriptUser::new(uid, gid)
    }

    /// Returns the user `nobody` from `/etc/passwd`. If that file does not list it, both the user ID and the group ID
    /// are 65534, as on most systems.
    pub fn nobody() -> ScriptUser {
        ScriptUser::named("nobody").unwrap_or(ScriptUser { uid: 65534, gid: 65534 })
    }

    pub(super) fn uid(self) -> u32 {
        self.uid
    }

    pub(super) fn gid(self) -> u32 {
        self.gid
    }
}

/// Returns the user under which scripts run. A server that runs as root uses `wanted`, and `nobody` if `wanted` is
/// `None`. For any other server the result is `None`: scripts run under the server's own user.
///
/// # Errors
/// Returns `PermissionDenied` if `wanted` is `Some` and the server does not run as root.
pub(super) fn choose(wanted: Option<ScriptUser>) -> io::Result<Option<ScriptUser>> {
    match (geteuid().is_root(), wanted) {
        (true, wanted) => Ok(Some(wanted.unwrap_or_else(ScriptUser::nobody))),
        (false, None) => Ok(None),
        (false, Some(_)) => {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "only root can run scripts as another user"))
        }
    }
}

/// Checks that the server's supplementary groups can be dropped.
///
/// The standard library drops them before it sets a child's user, but ignores errors; after an error, the script would
/// keep root's groups. To detect this in advance, this function sets the groups that the process already has. Setting
/// the same groups changes nothing but needs the same permission as dropping them.
///
/// # Errors
/// Returns the system's error if the groups cannot be dropped.
pub(super) fn check_groups() -> io::Result<()> {
    let groups = getgroups()?;
    if groups.is_empty() { Ok(()) } else { Ok(set_thread_groups(&groups)?) }
}

/// Finds the user ID and the group ID for a name in the text of `/etc/passwd`.
fn find(users: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = users.lines().map(|line| line.split(':')).find_map(|mut fields| {
        let found = fields.next() == Some(name) && !name.is_empty();
        found.then(|| fields.skip(1))
    })?;
    fields.next()?.parse().ok().zip(fields.next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\n\nnobody:x:65534:65533::/:/x\nbad:x:a:b\n";
        assert_eq!(find(users, "root"), Some((0, 0)));
        assert_eq!(find(users, "nobody"), Some((65534, 65533)));
        assert_eq!(find(users, "bad").or(find(users, "")).or(find(users, "nob")), None);
    }

    #[test]
    fn root_as_user_or_group_is_refused() {
        for name in ["root", "0:1", "1:0"] {
            assert_eq!(ScriptUser::named(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
        }
        assert_eq!(ScriptUser::named("no such user").unwrap_err().kind(), io::ErrorKind::NotFound);
        let user = ScriptUser::named("12:34").unwrap();
        assert_eq!((user.uid(), user.gid()), (12, 34));
        assert_ne!(ScriptUser::nobody().uid(), 0);
    }

    #[test]
    fn only_root_runs_scripts_as_another_user() {
        let user = ScriptUser::new(12, 34).unwrap();
        if geteuid().is_root() {
            assert_eq!(choose(Some(user)).unwrap(), Some(user));
            assert_eq!(choose(None).unwrap(), Some(ScriptUser::nobody()));
        } else {
            assert_eq!(choose(Some(user)).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            assert_eq!(choose(None).unwrap(), None);
        }
    }
}
