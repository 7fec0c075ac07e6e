//! The crates that cargo needs, as a recipe of OpenEmbedded names them.

/// One line for each crate of the lock file that comes from the registry, and its checksum.
pub fn text() -> String {
    let mut uris = String::new();
    let mut checksums = String::new();
    for package in include_str!("../../Cargo.lock").split("[[package]]\n").skip(1) {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.map(|value| value.trim_matches('"'))
        };
        if let (Some(name), Some(version), Some(checksum)) = (field("name"), field("version"), field("checksum")) {
            uris += &format!("    crate://crates.io/{name}/{version} \\\n");
            checksums += &format!("SRC_URI[{name}-{version}.sha256sum] = \"{checksum}\"\n");
        }
    }
    format!("# Made by `cargo run --example generate` from Cargo.lock.\n\nSRC_URI += \" \\\n{uris}\"\n\n{checksums}")
}
