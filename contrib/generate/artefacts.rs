//! What is made from the option table: each file's path from the root of the repository, and its text.

#[path = "bash.rs"]
mod bash;
#[path = "fish.rs"]
mod fish;
#[path = "manual.rs"]
mod manual;
#[path = "prose.rs"]
mod prose;
#[path = "zsh.rs"]
mod zsh;

/// Every file.
pub fn all() -> [(&'static str, String); 4] {
    let groups = prose::groups();
    [
        ("contrib/man/bgexec.8", manual::text(&groups)),
        ("contrib/completions/bgexec.bash", bash::text(&groups)),
        ("contrib/completions/_bgexec", zsh::text(&groups)),
        ("contrib/completions/bgexec.fish", fish::text(&groups)),
    ]
}
