//! The guest is linked as bgexec is: no libc, one image.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../src/start/link.ld");
    println!("cargo::rerun-if-changed={script}");
    for argument in ["-nostdlib", "-static", "-no-pie", "-z", "norelro", "-z", "nosectionheader", "-T", script] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
