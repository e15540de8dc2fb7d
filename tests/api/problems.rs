//! The catalogue of problems: what the OpenAPI document and `docs/api-conventions.md` tell of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use aponta::error::Code;
use serde_json::Value;

use crate::support::resolved_document;

/// Largest size of the OpenAPI document, in bytes.
const LARGEST_DOCUMENT: usize = 200_000;
const PROBLEM: &str = "application/problem+json";

/// Lines of `tests/data/openapi_answers.txt`: method, path, status, and code if the answer is a problem.
fn answers(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(responses) = operation["responses"].as_object() else {
                continue;
            };
            for (status, response) in responses {
                let name = format!("{} {path} {status}", method.to_uppercase());
                let codes = codes(response);
                if codes.is_empty() {
                    found.insert(name.clone());
                }
                found.extend(codes.iter().map(|code| format!("{name} {code}")));
            }
        }
    }
    found
}

/// Codes that the examples of a response have.
fn codes(response: &Value) -> Vec<String> {
    let examples = response["content"][PROBLEM]["examples"].as_object();
    let codes = examples
        .into_iter()
        .flatten()
        .map(|(_, example)| &example["value"]["code"]);
    codes.map(|code| code.as_str().unwrap().to_owned()).collect()
}

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The file has the answers of the document before problems became components, and each that was added since.
#[test]
fn document_keeps_each_operation_status_and_code() {
    let now = answers(&resolved_document());
    let before = file("tests/data/openapi_answers.txt");
    let lost: Vec<&str> = before.lines().filter(|line| !now.contains(*line)).collect();
    assert_eq!(lost, Vec::<&str>::new());
}

#[test]
fn document_is_smaller_than_200_kilobytes() {
    let text = aponta::app::openapi_text().unwrap();
    assert!(text.len() < LARGEST_DOCUMENT, "{} bytes", text.len());
}

#[test]
fn document_lists_each_code_with_its_status() {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in answers(&resolved_document()) {
        let words: Vec<&str> = line.split(' ').collect();
        if let [_, _, status, code] = words[..] {
            told.entry(code.to_owned()).or_default().insert(status.to_owned());
        }
    }
    // Answers to requests that no operation describes.
    let nowhere = [
        Code::RotaNaoEncontrada,
        Code::MetodoNaoPermitido,
        Code::RequisicaoInvalida,
    ];
    for code in Code::ALL.iter().filter(|code| !nowhere.contains(code)) {
        let expected = BTreeSet::from([code.status().to_string()]);
        assert_eq!(told.get(code.as_str()), Some(&expected), "{code:?}");
    }
}

#[test]
fn conventions_list_each_code_with_its_status() {
    let page = file("docs/api-conventions.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.split('|').map(str::trim).collect())
        .filter(|cells: &Vec<&str>| cells.len() == 5 && cells[1].starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    for code in Code::ALL {
        let name = format!("`{}`", code.as_str());
        let found = rows.iter().any(|cells| {
            cells[1] == code.status().to_string() && cells[2].split(", ").any(|cell| cell == name)
        });
        assert!(found, "docs/api-conventions.md lacks {} {name}", code.status());
    }
    for cells in rows.iter().filter(|cells| cells[2].starts_with('`')) {
        for name in cells[2].split(", ") {
            let known = Code::ALL
                .iter()
                .any(|code| name == format!("`{}`", code.as_str()));
            assert!(known || cells[3].contains("said by nginx"), "{name} is no code");
        }
    }
}

#[test]
fn codes_differ_and_stand_in_order_of_their_status() {
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(codes.len(), Code::ALL.len());
    assert!(Code::ALL.is_sorted_by_key(|code| code.status()));
    for code in Code::ALL {
        assert!(
            code.sentence().chars().next().is_some_and(char::is_uppercase),
            "{code:?}"
        );
        assert!(code.description().ends_with('.'), "{code:?}");
    }
}
