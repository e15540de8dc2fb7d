//! The language of comments, docs and the OpenAPI document: subjects have names, and comments stay narrow.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files_below;

/// Words that stand where the name of a thing belongs.
const VAGUE: &[&str] = &[
    "whoever",
    "somebody",
    "nobody",
    "anybody",
    "everybody",
    "those who",
];

/// Maximum number of columns of a comment.
const WIDEST_COMMENT: usize = 110;

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns every Rust file of the repository.
pub(super) fn rust_files() -> Vec<(PathBuf, String)> {
    let folders = ["src", "crates", "tests", "benches"];
    folders
        .iter()
        .flat_map(|folder| files_below(&root().join(folder)))
        .collect()
}

/// Returns every page below `docs`, and those at the root.
pub(super) fn pages() -> Vec<PathBuf> {
    fn collect(folder: &Path, below: bool, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && below {
                collect(&path, below, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(&root().join("docs"), true, &mut found);
    collect(root(), false, &mut found);
    found
}

/// Returns every description of the OpenAPI document.
fn descriptions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            let texts = ["description", "summary"]
                .iter()
                .filter_map(|key| object.get(*key)?.as_str());
            found.extend(texts.map(str::to_owned));
            object.values().for_each(|value| descriptions(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| descriptions(value, found)),
        _ => {}
    }
}

/// Returns the vague word of a text, if it has one. Code spans do not count.
fn vague(text: &str) -> Option<&'static str> {
    let prose: String = text.split('`').step_by(2).collect();
    let lower = prose.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let words = format!(" {} ", words.join(" "));
    VAGUE
        .iter()
        .find(|word| words.contains(&format!(" {word} ")))
        .copied()
}

#[test]
fn comments_name_their_subject_and_stay_narrow() {
    for (path, text) in rust_files() {
        for line in text.lines().filter(|line| line.trim_start().starts_with("//")) {
            assert_eq!(vague(line), None, "{}: {line}", path.display());
            assert!(
                line.chars().count() <= WIDEST_COMMENT,
                "{}: {line}",
                path.display()
            );
        }
    }
}

#[test]
fn docs_name_their_subject() {
    let pages = pages();
    assert!(pages.iter().any(|page| page.ends_with("docs/architecture.md")));
    for page in pages {
        for line in fs::read_to_string(&page).unwrap().lines() {
            assert_eq!(vague(line), None, "{}: {line}", page.display());
        }
    }
}

#[test]
fn openapi_texts_name_their_subject() {
    let document = fs::read_to_string(root().join("docs/openapi.json")).unwrap();
    let mut texts = Vec::new();
    descriptions(&serde_json::from_str(&document).unwrap(), &mut texts);
    assert!(texts.len() > 300, "{}", texts.len());
    for text in texts {
        assert_eq!(vague(&text), None, "{text}");
    }
}

#[test]
fn vague_words_are_found_outside_of_code() {
    assert_eq!(vague("Ends when somebody asks."), Some("somebody"));
    assert_eq!(vague("Left to those  who ask"), Some("those who"));
    assert_eq!(vague("Runs as `nobody`, with a body."), None);
}
