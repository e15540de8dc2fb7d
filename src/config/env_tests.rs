//! Reading of variables, as the configuration sees it.

use aponta_env::{Env, Reader};
use proptest::prelude::*;

use super::Config;
use crate::arbitrary;

#[test]
fn broken_env_file_is_named_without_quoting_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    std::fs::write(&path, "API_PORT=8001\nDATABASE_PASSWORD 'hunter2\n").unwrap();
    let env = Env::from_file(&path);
    assert_eq!(env.get("API_PORT"), Some("8001"));
    let problems = Reader::new(&env).finish(()).unwrap_err().to_string();
    assert!(problems.contains("the line after API_PORT"), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn list_with_another_separator_than_a_comma_is_refused() {
    let lists = [
        ("TRUSTED_PROXIES", "10.0.0.0/8", "10.1.0.0/16"),
        ("CORS_ORIGINS", "https://a.example", "https://b.example"),
        ("AZURE_DEVOPS_ORG_PATS", "a=1234", "b=5678"),
        (
            "AZURE_EXTENSION_APP_ID",
            "560de67c-a2e8-408a-86ae-be7ea6bd0b7a",
            "560de67c-a2e8-408a-86ae-be7ea6bd0b7b",
        ),
        (
            "AZURE_EXTENSION_SECRETS",
            "s3cret-s3cret-s3cret-s3cret-s3cret",
            "s3cret-s3cret-s3cret-s3cret-s3cres",
        ),
        ("ADMIN_USERS", "a@x", "b@x"),
        ("WORK_ITEM_TYPES", "Task", "Bug"),
        ("WRITEBACK_ORG_MODES", "a=off", "b=delta"),
        (
            "PAT_ENCRYPTION_KEYS",
            "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
            "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
        ),
    ];
    let separators = [
        (",", None),
        (", ", None),
        (";", Some("a semicolon")),
        ("; ", Some("a semicolon")),
        ("\n", Some("a line break")),
        ("\u{a0}", Some("a special blank")),
        (" ", Some("a blank")),
    ];
    for (name, one, other) in lists {
        for (separator, named) in separators {
            // The name of a work item type may consist of two words.
            if separator == " " && name == "WORK_ITEM_TYPES" {
                continue;
            }
            let env = Env::from_pairs([
                ("DATABASE_HOST", "db"),
                ("AZURE_DEVOPS_ORG_URL", "https://dev.azure.com/contoso"),
            ]);
            let env = env.with(name, format!("{one}{separator}{other}"));
            let problem = Config::load(&env).err().map(|problems| problems.to_string());
            let text = problem.as_deref().unwrap_or_default();
            assert_eq!(problem.is_some(), named.is_some(), "{name} {separator:?}: {text}");
            assert!(
                text.contains(named.unwrap_or_default()),
                "{name} {separator:?}: {text}"
            );
            assert!(!text.contains("s3cret") && !text.contains("1234"), "{text}");
        }
    }
}

#[test]
fn blank_means_unset() {
    let env = Env::from_pairs([("API_PORT", "  ")]);
    assert_eq!(Reader::new(&env).number("API_PORT", 8000_u16, 1, 9000), 8000);
}
/// Generates lines of `.env`, valid and broken ones, each with a text that must not be disclosed.
fn file() -> impl Strategy<Value = String> {
    let around = (arbitrary::text(), arbitrary::text());
    let secret = around.prop_map(|(a, b)| format!("{a}c4n4ry{b}").replace(['\n', '\r'], " "));
    let line = (prop::option::weighted(0.7, "(export )?[A-Z_]{1,9} ?="), secret)
        .prop_map(|(name, secret)| format!("{}{secret}", name.unwrap_or_else(|| "broken ".to_owned())));
    prop::collection::vec(line, 0..5).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_env_file_is_quoted(file in file()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        std::fs::write(&path, file).unwrap();
        if let Err(problems) = Reader::new(&Env::from_file(&path)).finish(()) {
            let printed = format!("{problems} {problems:?}");
            prop_assert!(!printed.contains("c4n4ry"), "{}", printed);
            prop_assert_eq!(problems.variables(), [".env"]);
        }
    }

    #[test]
    fn plain_line_is_its_value(values in prop::collection::vec("[A-Za-z0-9:/@.,_-]{1,20}", 1..5)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        let lines: Vec<String> = values.iter().enumerate().map(|(n, value)| format!("V{n}={value}")).collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
        let env = Env::from_file(&path);
        for (n, value) in values.iter().enumerate() {
            prop_assert_eq!(env.get(&format!("V{n}")), Some(value.as_str()));
        }
    }
}
