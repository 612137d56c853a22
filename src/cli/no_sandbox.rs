//! What stands for the sandbox in a program that was built without it.

use std::path::Path;

use super::exit::Exit;

/// Refuses: a program must not start unrestricted that was asked to be restricted.
pub(super) fn restrict<'p>(_: impl IntoIterator<Item = &'p Path>, _: Option<&Path>) -> Result<(), Exit> {
    Err(Exit::failure("cannot sandbox: this program was built without it"))
}
