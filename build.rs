//! Link arguments for the executable: no libc, one image, and a size budget that the linker asserts.

use std::env;
use std::path::PathBuf;

/// What the file may have in bytes, by the beginning of the target's name. It has a memory in the changelog: a larger figure
/// is a decision. All that stable Rust builds stay within 1.6 times the first.
const BUDGETS: &[(&str, u32)] = &[
    ("x86_64", 26_336),
    ("i686", 28_960),
    ("aarch64", 31_328),
    ("armv7", 34_128),
    ("arm-", 34_320),
    ("thumbv7neon", 23_872),
    ("riscv64", 27_824),
    ("loongarch64", 35_808),
    ("s390x", 32_464),
    ("powerpc64le", 43_744),
    ("mips-", 43_280),
    ("mipsel", 43_248),
    ("mips64el", 42_096),
];

fn main() {
    let script = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("src/start/link.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    let mut arguments =
        ["-nostdlib", "-static", "-no-pie", "-z", "norelro", "-z", "nosectionheader", "-T"].map(String::from).to_vec();
    arguments.push(script.display().to_string());
    // A C compiler that links passes this on to its linker; a linker that is called by itself takes it as it is.
    let bare = env::var("RUSTC_LINKER").is_ok_and(|linker| linker.ends_with("lld"));
    let pass = |option: &str| format!("{}{option}", if bare { "" } else { "-Wl," });
    // A text that is the end of another is not there twice.
    arguments.push(pass("-O2"));

    let target = env::var("TARGET").unwrap();
    let budget = BUDGETS.iter().find(|(name, _)| target.starts_with(name));
    // Unoptimized code is as large as it is, and so is what others build with flags of their own.
    let is_ours = env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("-disable-machine-licm"));
    if let (Some((_, bytes)), Ok("release"), true) = (budget, env::var("PROFILE").as_deref(), is_ours) {
        arguments.push(pass(&format!("--defsym=budget={bytes}")));
    }
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
