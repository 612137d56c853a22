//! As whom scripts run when the server is root.

use std::io;

use rustix::process::{geteuid, getgroups};
use rustix::thread::set_thread_groups;

/// The user and the group that scripts run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptUser {
    uid: u32,
    gid: u32,
}

impl ScriptUser {
    /// This user and this group, which need not be known to the system.
    ///
    /// # Errors
    /// `InvalidInput` if one of them is root, which no script runs as.
    pub fn new(uid: u32, gid: u32) -> io::Result<ScriptUser> {
        if uid == 0 || gid == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "scripts are not run as root"));
        }
        Ok(ScriptUser { uid, gid })
    }

    /// The user of this name in `/etc/passwd`, with its group; or `UID:GID`, in digits.
    ///
    /// # Errors
    /// `NotFound` if there is no such user, and as [`ScriptUser::new`].
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

    /// `nobody`, and where the system does not know one, the numbers that everybody gives it (contract row CG15).
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

/// Whom to become before a script is started: somebody if the server is root, otherwise nobody else.
///
/// # Errors
/// `PermissionDenied` if a user was named and the server is not root, so that it cannot become that user.
pub(super) fn choose(wanted: Option<ScriptUser>) -> io::Result<Option<ScriptUser>> {
    match (geteuid().is_root(), wanted) {
        (true, wanted) => Ok(Some(wanted.unwrap_or_else(ScriptUser::nobody))),
        (false, None) => Ok(None),
        (false, Some(_)) => {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "only root can run scripts as another user"))
        }
    }
}

/// Whether the groups that the server has beside its own can be dropped. The standard library tries to before it sets
/// the user of a child, and goes on if the system forbids it, which must not happen here. Setting the groups that one
/// has already changes nothing, and is forbidden exactly when dropping them is.
///
/// # Errors
/// What the system says.
pub(super) fn check_groups() -> io::Result<()> {
    let groups = getgroups()?;
    if groups.is_empty() { Ok(()) } else { Ok(set_thread_groups(&groups)?) }
}

/// User and group of a name in the text of a password file.
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
    fn users() {
        let users = "root:x:0:0:root:/root:/bin/sh\n\nnobody:x:65534:65533::/:/x\nbad:x:a:b\n";
        assert_eq!(find(users, "root"), Some((0, 0)));
        assert_eq!(find(users, "nobody"), Some((65534, 65533)));
        assert_eq!(find(users, "bad").or(find(users, "")).or(find(users, "nob")), None);
    }

    #[test]
    fn root_is_refused() {
        for name in ["root", "0:1", "1:0"] {
            assert_eq!(ScriptUser::named(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
        }
        assert_eq!(ScriptUser::named("no such user").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(ScriptUser::named("12:34").unwrap(), ScriptUser { uid: 12, gid: 34 });
        assert_ne!(ScriptUser::nobody().uid(), 0);
    }
}
