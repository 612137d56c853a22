//! Replaces `sandbox.rs` in a program that was built without the sandbox.

use std::os::fd::BorrowedFd;
use std::path::Path;

use super::exit::Exit;

/// Always returns an error, because the program must not run without a sandbox that the operator requested.
pub(super) fn restrict<'p>(
    _: impl IntoIterator<Item = &'p Path>,
    _: Option<&Path>,
    _: &[BorrowedFd<'_>],
) -> Result<(), Exit> {
    Err(Exit::failure("cannot sandbox: this program was built without the sandbox"))
}
