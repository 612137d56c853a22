//! The kernel's word that this process reads the served files, appends to its log and does nothing else: Landlock.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::exit::Exit;

/// Restricts this process, for good, to reading these directories and files, and to writing files in the folder of a
/// log, which is opened again after it was renamed. It can neither bind nor connect to anything any more; the sockets
/// that it has remain.
///
/// A newer kernel restricts more. One that cannot restrict files at all is an error.
pub(super) fn restrict<'p>(readable: impl IntoIterator<Item = &'p Path>, log: Option<&Path>) -> Result<(), Exit> {
    // The kernel's reason is the last one; that of the crate says which of its calls it was.
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
    match rules.restrict_self().map_err(refused)?.ruleset {
        RulesetStatus::NotEnforced => Err(Exit::failure("cannot sandbox: this kernel has no Landlock")),
        _ => Ok(()),
    }
}

/// Everything that this kernel can forbid, with no exception yet.
fn ruleset() -> Result<RulesetCreated, RulesetError> {
    let rules = Ruleset::default().handle_access(AccessFs::from_all(ABI::V5))?;
    rules.handle_access(AccessNet::from_all(ABI::V4))?.scope(Scope::from_all(ABI::V6))?.create()
}

fn open(path: &Path) -> Result<PathFd, Exit> {
    PathFd::new(path).map_err(|_| Exit::cannot("open", path, io::Error::last_os_error()))
}
