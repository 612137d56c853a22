//! Tests the comparison in `benches/compare`: the content of its pages, and that a terminated run leaves no process or
//! file behind.
//!
//! Without Python 3.11 the test fails, instead of passing without any check. `SKIP_COMPARE=1` skips it; `.ci/run` never
//! does.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

#[test]
fn the_comparison_passes_its_own_tests() {
    if std::env::var_os("SKIP_COMPARE").is_some() {
        return eprintln!("skipped, because SKIP_COMPARE is set");
    }
    let new_enough = ["-c", "import sys; sys.exit(sys.version_info < (3, 11))"];
    let found = Command::new("python3").args(new_enough).status().is_ok_and(|status| status.success());
    assert!(found, "benches/compare needs python3 of version 3.11 or later; SKIP_COMPARE=1 leaves its tests out");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare/tests.py");
    let output = Command::new("python3").arg(tests).output().expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
