//! Link arguments for the executable: no libc, one image, and a size budget that the linker asserts.

fn main() {
    let directory = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let script = format!("{directory}/src/start/link.ld");
    println!("cargo::rerun-if-changed={script}");
    for argument in ["-nostdlib", "-static", "-no-pie", "-z", "norelro", "-z", "nosectionheader", "-T", &script] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
