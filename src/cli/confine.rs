//! Changes the root directory and the user, after the last privileged operation and before the first connection.
//!
//! The order matters. The sockets and the log are already open. The root directory changes first, because only the root
//! user can change it. Groups are dropped before the user changes, because the new user cannot drop them. The sandbox
//! (`sandbox.rs`) comes last, because it forbids the other steps.
//!
//! Invariant: each privilege is given up completely, or the program does not start.

use std::path::Path;

use nix::unistd::{Uid, User, chroot, setgid, setgroups, setuid};

use super::exit::Exit;
use super::options::Options;
use super::words::shown;

/// Looks up the user that `--user` names. Must be called before the root changes, because it reads the user database.
pub(super) fn user(options: &Options) -> Result<Option<User>, Exit> {
    let Some(name) = &options.confinement.user else { return Ok(None) };
    match User::from_name(name) {
        Ok(Some(user)) => Ok(Some(user)),
        Ok(None) => Err(Exit::failure(format_args!("no user '{}'", shown(name.as_ref())))),
        Err(error) => Err(cannot_become(name, error.into())),
    }
}

/// Changes the root directory if the options name one, and then switches to `user`, if any.
pub(super) fn give_up(options: &Options, user: Option<&User>) -> Result<(), Exit> {
    options.confinement.chroot.as_deref().map_or(Ok(()), change_root)?;
    user.map_or(Ok(()), become_user)
}

/// Makes `path` the root directory and the working directory of the process.
fn change_root(path: &Path) -> Result<(), Exit> {
    let changed = chroot(path).map_err(std::io::Error::from).and_then(|()| std::env::set_current_dir("/"));
    changed.map_err(|error| Exit::cannot("change the root to", path, error))
}

/// Switches permanently to `user`, with that user's primary group and no other groups.
fn become_user(user: &User) -> Result<(), Exit> {
    let dropped = setgroups(&[user.gid]).and_then(|()| setgid(user.gid)).and_then(|()| setuid(user.uid));
    dropped.map_err(|error| cannot_become(&user.name, error.into()))?;
    // A process that could become root again has not given up its privileges, so it must not start.
    if !user.uid.is_root() && setuid(Uid::from_raw(0)).is_ok() {
        return Err(cannot_become(&user.name, std::io::Error::other("the process can become root again")));
    }
    Ok(())
}

fn cannot_become(name: &str, error: std::io::Error) -> Exit {
    Exit::failure(format_args!("cannot become user '{}': {error}", shown(name.as_ref())))
}
