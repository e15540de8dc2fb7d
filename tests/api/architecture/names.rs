//! Names of tests and identifiers, and the words of log messages.

use std::path::Path;

use super::files_below;

/// Maximum number of characters of the name of a test.
const LONGEST_TEST_NAME: usize = 60;

/// Words that say nothing about the operation, the condition or the result that a test is about.
const VAGUE_IN_TESTS: &[&str] = &[
    "whatever",
    "whoever",
    "however",
    "somebody",
    "nobody",
    "nobodys",
    "anybody",
    "everybody",
    "told",
    "trouble",
];

/// Identifiers that name no thing. Each stood for several things, for which the glossary has terms.
const BANNED: &[&str] = &[
    "Answer",
    "Answers",
    "Asked",
    "Shown",
    "Side",
    "Standing",
    "Told",
    "What",
    "everybody",
    "find_out",
    "kept",
    "nobody",
    "said",
    "shown",
    "somebody",
    "told",
    "untold",
    "who",
    "whoever",
    "whose",
];

/// Words and phrases that no operator greps a log for.
const VAGUE_IN_LOGS: &[&str] = &[
    "left alone",
    "nobody",
    "somebody",
    "told",
    "tells",
    "whoever",
    "does not tell",
    "begins anew",
];

/// Returns the files of these folders, with the folder in their path.
fn files(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let of = |folder: &&str| {
        let name = format!("{folder}/");
        files_below(&root.join(folder))
            .into_iter()
            .map(move |(path, text)| (format!("{name}{}", path.display()), text))
            .collect::<Vec<_>>()
    };
    folders.iter().flat_map(of).collect()
}

/// Returns the name of each test of a file: the function that follows an attribute `#[test]`.
fn test_names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
            names.push(rest.split(['(', '<']).next().unwrap());
            is_test = false;
        }
    }
    names
}

/// Returns the code with blanks for comments, and the text literals that stand in it.
fn split_literals(code: &str) -> (String, Vec<String>) {
    let (mut rest, mut plain, mut literals) = (code, String::new(), Vec::new());
    while let Some(c) = rest.chars().next() {
        let raw = rest.starts_with("r#\"");
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if raw {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            1 + end_of_text(&rest[1..])
        } else if rest.starts_with("'\"'") {
            3
        } else if let Some(escape) = rest.strip_prefix("'\\") {
            escape.find('\'').map_or(2, |end| end + 3)
        } else {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        if raw || c == '"' {
            literals.push(rest[..length].to_owned());
        }
        plain.push(' ');
        rest = &rest[length..];
    }
    (plain, literals)
}

/// Returns the length of a text literal from behind its first quotation mark to behind its last.
fn end_of_text(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Returns the banned identifier of some code, if it has one.
fn banned(code: &str) -> Option<&'static str> {
    let (plain, _) = split_literals(code);
    let mut words = plain.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.find_map(|word| BANNED.iter().find(|banned| **banned == word).copied())
}

/// Returns the last literal of each log message of some code.
fn log_messages(code: &str) -> Vec<String> {
    let macros = ["error", "warn", "info", "debug"].map(|level| format!("tracing::{level}!("));
    let mut messages = Vec::new();
    for start in macros {
        for rest in code.split(&start).skip(1) {
            let call = rest.split(");").next().unwrap();
            messages.extend(split_literals(call).1.pop());
        }
    }
    messages
}

/// Returns `true` if the words of `phrase` stand in `text`, in this order.
fn has_phrase(text: &str, phrase: &str) -> bool {
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    format!(" {} ", words.join(" ")).contains(&format!(" {phrase} "))
}

#[test]
fn test_names_are_short_and_name_a_result() {
    let mut count = 0;
    for (path, text) in files(&["src", "crates", "tests"]) {
        for name in test_names(&text) {
            count += 1;
            assert!(name.len() <= LONGEST_TEST_NAME, "{path}: {name}");
            let vague = name.split('_').find(|word| VAGUE_IN_TESTS.contains(word));
            assert_eq!(vague, None, "{path}: {name}");
        }
    }
    assert!(count > 800, "{count}");
}

#[test]
fn identifiers_name_a_thing() {
    for (path, text) in files(&["src", "crates", "benches"]) {
        assert_eq!(banned(&text), None, "{path}");
    }
}

#[test]
fn log_messages_use_terms_that_operators_know() {
    let mut count = 0;
    for (path, text) in files(&["src", "crates"]) {
        for message in log_messages(&text) {
            count += 1;
            let vague = VAGUE_IN_LOGS.iter().find(|phrase| has_phrase(&message, phrase));
            assert_eq!(vague, None, "{path}: {message}");
        }
    }
    assert!(count > 60, "{count}");
}

#[test]
fn names_in_texts_and_comments_are_not_identifiers() {
    assert_eq!(banned("let told = 1;"), Some("told"));
    assert_eq!(banned("// told\nlet a = \"told \\\" told\"; let b = '\"';"), None);
    assert_eq!(
        banned("let a = r#\"who \" who\"#; let c = '\\''; retold();"),
        None
    );
    assert_eq!(
        test_names("#[tokio::test]\nasync fn a_b() {\nfn c() {\n#[test]\nfn d("),
        ["a_b", "d"]
    );
    assert_eq!(
        log_messages("tracing::warn!(a = \"b\", \"the c tells d\");"),
        ["\"the c tells d\""]
    );
    assert!(has_phrase("\"the c tells d\"", "tells") && !has_phrase("retells", "tells"));
}
