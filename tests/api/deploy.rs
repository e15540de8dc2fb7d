//! What the files of the deployment promise, held without an engine: `dockerfile.rs` the images, `compose.rs`
//! the services, `scripts.rs` the scripts beside them, `workflows.rs` those of GitHub.
//!
//! Each set of rules is a function from a text to the promises that it breaks, so that the tests can break
//! them.

mod compose;
mod dockerfile;
mod environment;
mod rules;
mod scripts;
mod stages;
mod workflows;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Dockerfiles below `deploy/`, relative to the root.
fn dockerfiles_of_deploy() -> Vec<String> {
    let files = fs::read_dir(root().join("deploy")).unwrap();
    let paths = files.map(|folder| folder.unwrap().path().join("Dockerfile"));
    let found: Vec<PathBuf> = paths.filter(|path| path.exists()).collect();
    found
        .iter()
        .map(|path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// An image that means the same tomorrow: a tag with a version in it, and perhaps a digest.
fn is_pinned(image: &str) -> bool {
    let (image, digest) = match image.split_once('@') {
        Some((image, digest)) => (image, Some(digest)),
        None => (image, None),
    };
    let digest_ok = digest.is_none_or(|digest| {
        digest
            .strip_prefix("sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit()))
    });
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    let version = tag.split('-').next().unwrap_or("").trim_start_matches('v');
    let numbers: Vec<&str> = version.split('.').collect();
    let numeric = numbers.iter().all(|part| part.parse::<u32>().is_ok());
    digest_ok && numbers.len() > 1 && numeric
}

/// Whether a variable of this name holds a secret. The path of a file that holds one is none.
pub fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 8] = [
        "PASSWORD", "SECRET", "SECRETS", "TOKEN", "KEY", "KEYS", "PAT", "PATS",
    ];
    !name.ends_with("_FILE") && name.split('_').any(|word| WORDS.contains(&word))
}

#[test]
fn path_of_a_secret_is_no_secret() {
    assert!(is_secret("DATABASE_PASSWORD") && is_secret("AZURE_DEVOPS_ORG_PATS"));
    assert!(!is_secret("DATABASE_PASSWORD_FILE") && !is_secret("GF_SECURITY_ADMIN_PASSWORD__FILE"));
}

/// Breaks a text in one place, applies the rules and expects a broken promise that says `complaint`.
fn assert_noticed(text: &str, from: &str, to: &str, complaint: &str, rules: impl Fn(&str) -> Vec<String>) {
    assert!(text.contains(from), "the text has no {from:?} any more");
    let broken = rules(&text.replacen(from, to, 1));
    assert!(
        broken.iter().any(|found| found.contains(complaint)),
        "{from:?} became {to:?}, expected {complaint:?}, found {broken:?}"
    );
}

#[test]
fn only_a_version_pins_an_image() {
    let digest = "0123456789abcdef".repeat(4);
    for good in [
        "rust:1.95.0-slim-bookworm",
        "prom/prometheus:v3.5.0",
        "debian:13.1-slim",
    ] {
        assert!(is_pinned(good), "{good}");
        assert!(is_pinned(&format!("{good}@sha256:{digest}")), "{good}");
    }
    for bad in [
        "nginx",
        "nginx:latest",
        "nginx:alpine",
        "postgres:15",
        "debian:13.1-slim@sha256:12",
    ] {
        assert!(!is_pinned(bad), "{bad}");
    }
}
