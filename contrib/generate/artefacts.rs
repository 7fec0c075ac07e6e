//! What is made from the option table, from the lock file and from the sources: each file's path from the root of the
//! repository, and its text.

#[path = "bash.rs"]
mod bash;
#[path = "crates.rs"]
mod crates;
#[path = "fish.rs"]
mod fish;
#[path = "manual.rs"]
mod manual;
#[path = "prose.rs"]
mod prose;
#[path = "unsafety.rs"]
mod unsafety;
#[path = "zsh.rs"]
mod zsh;

/// Every file.
pub fn all() -> [(&'static str, String); 6] {
    let groups = prose::groups();
    [
        ("contrib/man/bgexec.8", manual::text(&groups)),
        ("contrib/completions/bgexec.bash", bash::text(&groups)),
        ("contrib/completions/_bgexec", zsh::text(&groups)),
        ("contrib/completions/bgexec.fish", fish::text(&groups)),
        ("contrib/openembedded/bgexec-crates.inc", crates::text()),
        ("contrib/unsafe.md", unsafety::text()),
    ]
}
