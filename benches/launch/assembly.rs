//! The two programs in assembly, made by the C compiler that links everything else too.

use std::path::Path;
use std::process::Command;

/// Makes a static program of the source `NAME.s`.
pub fn build(name: &str, to: &Path) {
    let source = format!("{}/benches/launch/{name}.s", env!("CARGO_MANIFEST_DIR"));
    let link = "-Wl,-z,noseparate-code,--build-id=none,-s";
    let status = Command::new("cc").args(["-nostdlib", "-static", "-no-pie", link, "-o"]).arg(to).arg(source).status();
    assert!(status.expect("a C compiler").success(), "{name}");
}
