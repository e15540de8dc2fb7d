//! The form of the docs and of the source: lines, cells of tables, and the first paragraph of a page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::language::{pages, root, rust_files};

/// Maximum number of columns of a line, in the docs and in the source.
const WIDEST_LINE: usize = 120;

/// Maximum number of characters of a cell of a table.
const LONGEST_CELL: usize = 200;

fn columns(text: &str) -> usize {
    text.chars().count()
}

fn name(path: &Path) -> String {
    let relative = path.strip_prefix(root()).unwrap_or(path);
    relative.display().to_string()
}

/// Returns the pages, and those beside what they describe.
fn all_pages() -> Vec<(PathBuf, String)> {
    let beside = ["migrations/README.md", "deploy/kubernetes/README.md"];
    let beside = beside.map(|path| root().join(path));
    pages()
        .into_iter()
        .chain(beside)
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// Returns the faults of a page, each with the number of its line.
fn faults(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        if line.trim_start().starts_with('|') {
            let cells = line.replace("\\|", " ");
            let longest = cells.split('|').map(|cell| columns(cell.trim())).max();
            if longest > Some(LONGEST_CELL) {
                found.push(format!("{number}: a cell of {longest:?} characters"));
            }
        } else if columns(line) > WIDEST_LINE {
            found.push(format!("{number}: {} columns", columns(line)));
        }
    }
    found
}

/// Returns `true` if the first paragraph below the title says for which readers the page is.
fn names_its_readers(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.is_empty());
    lines.next().is_some_and(|title| title.starts_with("# "))
        && lines.next().is_some_and(|line| line.starts_with("For "))
}

#[test]
fn lines_and_cells_of_the_docs_stay_narrow() {
    for (path, text) in all_pages() {
        assert_eq!(faults(&text), [""; 0], "{}", name(&path));
    }
}

#[test]
fn pages_of_the_docs_name_their_readers() {
    let docs = root().join("docs");
    let pages = all_pages();
    let pages = pages.iter().filter(|(path, _)| path.starts_with(&docs));
    assert!(pages.clone().count() > 20);
    for (path, text) in pages {
        assert!(names_its_readers(text), "{}", name(path));
    }
}

#[test]
fn faults_of_a_page_are_noticed() {
    let wide = "x".repeat(WIDEST_LINE + 1);
    let long = "é".repeat(LONGEST_CELL);
    assert_eq!(faults(&format!("# Title\n\n{wide}")), ["3: 121 columns"]);
    assert_eq!(faults(&format!("| a \\| b | {long} |")), [""; 0]);
    assert_eq!(
        faults(&format!("| {long}. |")),
        ["1: a cell of Some(201) characters"]
    );
    assert!(names_its_readers("# Title\n\nFor operators: how it runs.\n"));
    assert!(!names_its_readers("# Title\n\nHow it runs.\n"));
}

#[test]
fn lines_of_the_source_stay_narrow() {
    for (path, text) in rust_files() {
        for (number, line) in text.lines().enumerate() {
            let place = format!("{}:{}", path.display(), number + 1);
            assert!(columns(line) <= WIDEST_LINE, "{place}: {} columns", columns(line));
        }
    }
}

/// Numbers of the RFCs that a text names.
fn rfcs(text: &str) -> BTreeSet<String> {
    let number = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    let numbers = text.split("RFC ").skip(1).map(number);
    numbers.filter(|number| !number.is_empty()).collect()
}

#[test]
fn conventions_list_each_rfc_that_the_code_names() {
    let page = fs::read_to_string(root().join("docs/api-conventions.md")).unwrap();
    let (_, table) = page.split_once("\n## Standards\n").unwrap();
    let listed = rfcs(table);
    assert!(listed.len() > 15, "{listed:?}");
    for (path, text) in rust_files() {
        let lacking: Vec<String> = rfcs(&text).difference(&listed).cloned().collect();
        assert_eq!(lacking, Vec::<String>::new(), "{}", name(&path));
    }
}
