//! The packages below `crates` that are part of the service, and the crates that each may depend on. None
//! depends on the root package.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::crates;

/// Every such package by its folder, with its dependencies: neither optional ones nor those of its tests.
/// Both directions hold: a dependency that is not listed fails, and so does an entry that `Cargo.toml` lacks.
const RULES: &[(&str, &str)] = &[
    (
        "azure-devops",
        "aponta-domain aws-lc-rs base64 chrono fastrand futures-util metrics opentelemetry opentelemetry-http \
         opentelemetry_sdk reqwest secrecy serde serde_json thiserror tokio tracing tracing-opentelemetry uuid",
    ),
    (
        "domain",
        "base64 chrono chrono-tz form_urlencoded secrecy serde sqlx unicode-normalization url uuid",
    ),
    ("env", "dotenvy"),
    (
        "fields",
        "aponta-domain chrono secrecy serde_json utoipa uuid validator",
    ),
    (
        "import-legacy",
        "aponta-domain aws-lc-rs base64 chrono secrecy sqlx thiserror tokio tracing uuid",
    ),
    ("openapi-downgrade", "serde_json"),
    (
        "runtime",
        "aponta-telemetry futures-util socket2 tokio tokio-util tracing",
    ),
    (
        "telemetry",
        "azure-devops metrics metrics-exporter-prometheus opentelemetry opentelemetry-http opentelemetry-otlp \
         opentelemetry_sdk reqwest secrecy serde serde_json tokio tracing tracing-appender tracing-opentelemetry \
         tracing-serde tracing-subscriber url",
    ),
];

/// Returns the folders of the packages that are part of the service.
fn names() -> BTreeSet<String> {
    let files = crates::files().into_iter();
    files
        .filter(|(path, _)| !crates::is_standalone(path))
        .map(|(path, _)| path.iter().next().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// Returns the dependencies in the sections of a `Cargo.toml` that `counts` accepts, without optional ones.
fn dependencies(toml: &str, counts: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut section = "";
    let mut found = BTreeSet::new();
    for line in toml.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        } else if counts(section)
            && !line.contains("optional = true")
            && let Some((name, _)) = line.split_once(['.', ' ', '='])
            && !name.is_empty()
            && !name.starts_with('#')
        {
            found.insert(name.to_owned());
        }
    }
    found
}

fn manifest(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("crates/{name}/Cargo.toml"));
    fs::read_to_string(path).unwrap()
}

#[test]
fn packages_depend_exactly_on_what_their_rule_lists() {
    let ruled: BTreeSet<String> = RULES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(), ruled);
    for (name, uses) in RULES {
        let expected: BTreeSet<String> = uses.split_whitespace().map(str::to_owned).collect();
        let found = dependencies(&manifest(name), |section| section == "dependencies");
        assert_eq!(found, expected, "crates/{name}/Cargo.toml");
    }
}

#[test]
fn packages_never_depend_on_the_root() {
    for name in names() {
        let all = dependencies(&manifest(&name), |section| section.contains("dependencies"));
        assert!(
            !all.contains("aponta"),
            "crates/{name} depends on the root package"
        );
    }
}

#[test]
fn dependencies_are_read_out_of_every_section() {
    let toml = "[package]\nname = \"x\"\n\n[dependencies]\n# why\na = \"1\"\nb-c.workspace = true\n\
                d = { version = \"1\", optional = true }\n[dev-dependencies]\ne = \"2\"\n";
    let of = |wanted: &'static str| dependencies(toml, move |section| section.contains(wanted));
    let names = |list: &[&str]| {
        list.iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        dependencies(toml, |section| section == "dependencies"),
        names(&["a", "b-c"])
    );
    assert_eq!(of("dependencies"), names(&["a", "b-c", "e"]));
}
