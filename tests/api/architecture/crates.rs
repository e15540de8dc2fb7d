//! Rules of the packages in `crates/`: which ones stand alone, and what they may not use.

use std::fs;
use std::path::{Path, PathBuf};

use super::{files_below, production_code};

/// Packages that serve development and tests: each can be used without the service.
const STANDALONE: &[&str] = &["azure-devops-fake", "dev-postgres"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crates")
}

/// Returns the files of each package's `src`, as `name/src/file.rs`.
pub(super) fn files() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for package in fs::read_dir(root()).unwrap() {
        let package = package.unwrap();
        if package.path().join("Cargo.toml").is_file() {
            let name = PathBuf::from(package.file_name()).join("src");
            let below = files_below(&root().join(&name));
            files.extend(below.into_iter().map(|(path, text)| (name.join(path), text)));
        }
    }
    files
}

/// Returns `true` for a file of a package that the service does not use.
pub(super) fn is_standalone(path: &Path) -> bool {
    STANDALONE.iter().any(|name| path.starts_with(name))
}

#[test]
fn standalone_crates_import_nothing_of_the_service() {
    for name in STANDALONE {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let depends = |line: &str| line.starts_with("aponta");
        assert!(!manifest.lines().any(depends), "{name} depends on aponta");
        assert!(!manifest.contains("path = "), "{name} depends on a folder");
    }
    for (path, text) in files().iter().filter(|(path, _)| is_standalone(path)) {
        let code = production_code(text);
        assert!(
            !code.contains("aponta::"),
            "{} imports the service",
            path.display()
        );
        assert!(
            !code.contains("env::var"),
            "{} reads the environment",
            path.display()
        );
    }
}

#[test]
fn crate_rules_cover_all_packages() {
    let files = files();
    for name in STANDALONE {
        let lib = Path::new(name).join("src/lib.rs");
        assert!(files.iter().any(|(path, _)| *path == lib), "{name}");
    }
}
