//! The kernel's word that this process reads the served files, appends to its log and does nothing else: Landlock.

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
    let ruleset = rules(readable, log).and_then(|rules| Ok(rules.restrict_self()?));
    match ruleset {
        Ok(status) if status.ruleset == RulesetStatus::NotEnforced => {
            Err(Exit::failure("cannot sandbox: this kernel has no Landlock"))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(Exit::failure(format_args!("cannot sandbox: {error}"))),
    }
}

fn rules<'p>(
    readable: impl IntoIterator<Item = &'p Path>,
    log: Option<&Path>,
) -> Result<RulesetCreated, Box<dyn std::error::Error>> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?;
    for path in readable {
        let file: BitFlags<AccessFs> = AccessFs::ReadFile.into();
        rules = allow(rules, path, if path.is_dir() { file | AccessFs::ReadDir } else { file })?;
    }
    if let Some(folder) = log.and_then(Path::parent) {
        rules = allow(rules, folder, AccessFs::WriteFile | AccessFs::MakeReg)?;
    }
    Ok(rules)
}

fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, Box<dyn std::error::Error>> {
    let added: Result<RulesetCreated, RulesetError> = rules.add_rule(PathBeneath::new(PathFd::new(path)?, access));
    Ok(added?)
}
