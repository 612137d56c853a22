//! Restricts the process with Landlock. Afterwards, it can only read the served files, and write to the directories of
//! its log and of the other files that the options name. `no_sandbox.rs` replaces this file in a program that was built
//! without the sandbox.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::exit::Exit;

/// Restricts this process permanently to reading the directories and files in `readable`, and to writing files in the
/// directory of `log`, so that the log can be reopened after it has been renamed. The process can no longer bind or
/// connect sockets; its open sockets remain usable.
///
/// Files in `folders` can still be replaced and removed. Older kernels support only some of these restrictions. Returns
/// an error if the kernel cannot restrict file access at all.
pub(super) fn restrict<'p>(
    readable: impl IntoIterator<Item = &'p Path>,
    log: Option<&Path>,
    folders: &[BorrowedFd<'_>],
) -> Result<(), Exit> {
    // The crate's error names only the call that failed, so the kernel's reason is taken from errno.
    let refused = |_| Exit::failure(format_args!("cannot sandbox: {}", io::Error::last_os_error()));
    let mut rules = ruleset().map_err(refused)?;
    for path in readable {
        let file: BitFlags<AccessFs> = AccessFs::ReadFile.into();
        let access = if path.is_dir() { file | AccessFs::ReadDir } else { file };
        rules = rules.add_rule(PathBeneath::new(open(path)?, access)).map_err(refused)?;
    }
    if let Some(folder) = log.and_then(Path::parent) {
        let access = AccessFs::WriteFile | AccessFs::MakeReg;
        rules = rules.add_rule(PathBeneath::new(open(folder)?, access)).map_err(refused)?;
    }
    for folder in folders {
        let access = AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::RemoveFile | AccessFs::ReadFile;
        rules = rules.add_rule(PathBeneath::new(folder, access)).map_err(refused)?;
    }
    match rules.restrict_self().map_err(refused)?.ruleset {
        RulesetStatus::NotEnforced => Err(Exit::failure("cannot sandbox: this kernel has no Landlock")),
        _ => Ok(()),
    }
}

/// A ruleset that denies every kind of access that this kernel can restrict. The caller adds the exceptions.
fn ruleset() -> Result<RulesetCreated, RulesetError> {
    let rules = Ruleset::default().handle_access(AccessFs::from_all(ABI::V5))?;
    rules.handle_access(AccessNet::from_all(ABI::V4))?.scope(Scope::from_all(ABI::V6))?.create()
}

/// Opens a path, so that a rule can refer to it by its descriptor.
fn open(path: &Path) -> Result<PathFd, Exit> {
    PathFd::new(path).map_err(|_| Exit::cannot("open", path, io::Error::last_os_error()))
}
