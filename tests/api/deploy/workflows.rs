//! Promises of `.github/workflows` that actionlint (`.ci/workflows`) does not know.

use serde_json::{Map, Value};

use super::stages::parse;
use super::{assert_noticed, read};

const CI: &str = ".github/workflows/ci.yml";
const RELEASE: &str = ".github/workflows/release.yml";

fn jobs(text: &str) -> Map<String, Value> {
    let workflow: Value = serde_saphyr::from_str(text).unwrap();
    workflow["jobs"].as_object().unwrap().clone()
}

/// Returns the names of the parts of `.ci/run`.
fn parts() -> Vec<String> {
    let text = read(".ci/run");
    let line = text.lines().find_map(|line| line.strip_prefix("parts=("));
    let names = line.and_then(|line| line.strip_suffix(')')).unwrap();
    names.split(' ').map(str::to_owned).collect()
}

/// Returns `true` if an action is pinned by its commit, with the version in a comment, or is a file of ours.
fn is_pinned_action(reference: &str) -> bool {
    let Some((action, comment)) = reference.split_once(" # v") else {
        return reference.starts_with("./");
    };
    let commit = action.rsplit_once('@').map_or("", |(_, commit)| commit);
    let is_commit = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
    is_commit && comment.starts_with(|c: char| c.is_ascii_digit())
}

/// Returns the promises that a workflow breaks.
fn broken(text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let uses = text.lines().filter_map(|line| line.split_once("uses: "));
    for (_, reference) in uses.filter(|(_, reference)| !is_pinned_action(reference)) {
        broken.push(format!("{reference} is not pinned"));
    }
    let workflow: Value = serde_saphyr::from_str(text).unwrap();
    if workflow["permissions"] != serde_json::json!({"contents": "read"}) {
        broken.push("the permissions are more than to read".to_owned());
    }
    if workflow["concurrency"]["group"].is_null() {
        broken.push("runs of one branch overlap".to_owned());
    }
    let stages = parse(&read("Dockerfile"));
    let rust = stages[0].base.split('@').next().unwrap();
    for (name, job) in jobs(text) {
        if job["uses"].is_null() && job["timeout-minutes"].is_null() {
            broken.push(format!("{name} has no timeout"));
        }
        let image = job["container"]["image"].as_str().unwrap_or(rust);
        if image.split('@').next() != Some(rust) {
            broken.push(format!("{name} runs in {image}, the Dockerfile in {rust}"));
        }
    }
    broken
}

#[test]
fn workflows_keep_their_promises() {
    for path in [CI, RELEASE] {
        assert_eq!(broken(&read(path)), [""; 0], "{path}");
    }
}

#[test]
fn ci_runs_every_part_of_the_gate() {
    let matrix = jobs(&read(CI))["gate"]["strategy"]["matrix"]["part"].clone();
    assert_eq!(matrix, serde_json::json!(parts()));
    let text = read(".ci/run");
    for part in parts() {
        assert!(text.contains(&format!("\npart_{part}() {{\n")), "{part}");
    }
}

#[test]
fn workflows_that_break_a_promise_are_noticed() {
    let text = read(CI);
    for (from, to, complaint) in [
        (
            "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd",
            "actions/checkout@v6",
            "is not pinned",
        ),
        (" # v6.0.2", "", "is not pinned"),
        ("contents: read", "contents: write", "more than to read"),
        ("concurrency:", "env:", "overlap"),
        ("    timeout-minutes: 90\n", "", "no timeout"),
        ("rust:1.95.0", "rust:1.96.0", "the Dockerfile in"),
    ] {
        let text = text.replace("env:\n  CARGO_TERM_COLOR: always\n", "");
        assert_noticed(&text, from, to, complaint, broken);
    }
}
