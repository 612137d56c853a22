//! The comparison in `benches/compare`: what its pages say, and that a run that is ended leaves nothing behind.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

#[test]
fn the_comparison_passes_its_own_tests() {
    let new_enough = ["-c", "import sys; sys.exit(sys.version_info < (3, 11))"];
    if !Command::new("python3").args(new_enough).status().is_ok_and(|status| status.success()) {
        return eprintln!("skipped, there is no Python 3.11");
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare/tests.py");
    let output = Command::new("python3").arg(tests).output().expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
