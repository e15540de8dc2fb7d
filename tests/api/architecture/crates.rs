//! Rules of the packages in `crates/`: what they may depend on, and how they are written.

use std::fs;
use std::path::{Path, PathBuf};

use super::{files_below, production_code};

/// Packages that serve development and tests: each can be used without the service.
const STANDALONE: &[&str] = &["azure-devops-fake", "dev-postgres"];

/// Words that stand where the name of a thing belongs.
const VAGUE: &[&str] = &["whoever", "somebody", "nobody", "those who", "what is"];

/// Maximum number of columns of a comment.
const WIDEST_COMMENT: usize = 110;

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

/// Returns the comments of a file, without the code spans in them.
fn comments(text: &str) -> impl Iterator<Item = String> {
    let lines = text
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with("//"));
    lines.map(|line| line.split('`').step_by(2).collect())
}

/// Returns the words of a comment in lower case, each between blanks.
fn words(comment: &str) -> String {
    let lower = comment.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
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
fn standalone_crates_name_the_subject() {
    for (path, text) in files().iter().filter(|(path, _)| is_standalone(path)) {
        for comment in comments(text) {
            let words = words(&comment);
            let vague = VAGUE.iter().find(|word| words.contains(&format!(" {word} ")));
            assert_eq!(vague, None, "{}: {comment}", path.display());
        }
        for line in text.lines().filter(|line| line.trim_start().starts_with("//")) {
            let columns = line.chars().count();
            assert!(columns <= WIDEST_COMMENT, "{}: {line}", path.display());
        }
    }
}

#[test]
fn rules_of_crates_see_all_packages() {
    let files = files();
    for name in STANDALONE {
        let lib = Path::new(name).join("src/lib.rs");
        assert!(files.iter().any(|(path, _)| *path == lib), "{name}");
    }
    let spans: Vec<String> = comments("/// Runs as `nobody`.\nlet a = 1;").collect();
    assert_eq!(spans, ["/// Runs as ."]);
    assert_eq!(words("/// Ends, and\tstops."), " ends and stops ");
}
