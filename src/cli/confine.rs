//! What the program gives up between its last privileged act and its first client.
//!
//! The order matters: sockets and the log are open by then; the root is changed while that is still allowed; groups go
//! before the user, who may not change them; the sandbox comes last, since nothing before it could be done within.
//!
//! Invariant: what was asked for is given up wholly, or the program does not start.

use std::path::Path;

use nix::unistd::{Uid, User, chroot, setgid, setgroups, setuid};

use super::exit::Exit;
use super::options::Options;
use super::words::shown;

/// The user to become, who has to be found before the root changes.
pub(super) fn user(options: &Options) -> Result<Option<User>, Exit> {
    let Some(name) = &options.confinement.user else { return Ok(None) };
    match User::from_name(name) {
        Ok(Some(user)) => Ok(Some(user)),
        Ok(None) => Err(Exit::failure(format_args!("no user '{}'", shown(name.as_ref())))),
        Err(error) => Err(cannot_become(name, error.into())),
    }
}

/// Makes a directory the root of all paths from now on, and the working directory.
pub(super) fn change_root(path: &Path) -> Result<(), Exit> {
    let changed = chroot(path).map_err(std::io::Error::from).and_then(|()| std::env::set_current_dir("/"));
    changed.map_err(|error| Exit::cannot("change the root to", path, error))
}

/// Becomes a user, with that user's group and no other, for good.
pub(super) fn become_user(user: &User) -> Result<(), Exit> {
    let dropped = setgroups(&[user.gid]).and_then(|()| setgid(user.gid)).and_then(|()| setuid(user.uid));
    dropped.map_err(|error| cannot_become(&user.name, error.into()))?;
    // Who can go back has given up nothing.
    if !user.uid.is_root() && setuid(Uid::from_raw(0)).is_ok() {
        return Err(cannot_become(&user.name, std::io::Error::other("root could be regained")));
    }
    Ok(())
}

fn cannot_become(name: &str, error: std::io::Error) -> Exit {
    Exit::failure(format_args!("cannot become user '{}': {error}", shown(name.as_ref())))
}
