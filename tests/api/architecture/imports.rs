//! Imports between the top-level modules of the library, and the crates that each may use.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{layer, names_after, production_code, source_files};

/// Every module of `src/lib.rs`, from the bottom up: the modules and [`PACKAGES`] of ours that it uses and
/// the crates that it must not use. Both directions hold: an import that is not listed fails, and so does an
/// entry that no file needs.
const RULES: &[(&str, &str, &str)] = &[
    (
        "config",
        "azure_devops models telemetry",
        "axum utoipa reqwest tokio",
    ),
    ("error", "azure_devops models", "axum utoipa reqwest"),
    (
        "db",
        "config models supervisor telemetry",
        "axum utoipa reqwest serde_json",
    ),
    ("schema", "config db", "axum utoipa reqwest serde_json"),
    (
        "repositories",
        "db import_legacy models",
        "axum utoipa reqwest serde_json",
    ),
    (
        "tenants",
        "azure_devops db models repositories telemetry",
        "axum sqlx utoipa reqwest",
    ),
    (
        "auth",
        "azure_devops config error models telemetry tenants",
        "axum sqlx utoipa reqwest",
    ),
    (
        "services",
        "auth azure_devops config db error import_legacy lifecycle models repositories schema telemetry tenants",
        "axum sqlx tower utoipa reqwest",
    ),
    (
        "jobs",
        "config services supervisor tenants",
        "axum sqlx utoipa reqwest",
    ),
    (
        "edge",
        "config error lifecycle models supervisor telemetry",
        "sqlx reqwest",
    ),
    (
        "state",
        "auth config db edge lifecycle services tenants",
        "sqlx utoipa reqwest",
    ),
    (
        "routers",
        "auth azure_devops edge error models services state",
        "sqlx reqwest",
    ),
    ("server", "config edge lifecycle telemetry", "sqlx utoipa reqwest"),
    (
        "app",
        "azure_devops config db edge jobs lifecycle routers server services state supervisor telemetry tenants",
        "sqlx reqwest",
    ),
    (
        "dev",
        "app config db import_legacy lifecycle models repositories schema server services state telemetry",
        "axum utoipa reqwest",
    ),
    (
        "cli",
        "app auth azure_devops config db dev error lifecycle models repositories schema server services state \
         telemetry tenants",
        "axum utoipa reqwest",
    ),
];

/// Packages of ours, and the names by which the rules know them; `src/lib.rs` re-exports some as modules. The
/// tests in `dependencies.rs` hold what they may use.
const PACKAGES: &[(&str, &str)] = &[
    ("aponta_domain", "models"),
    ("azure_devops", "azure_devops"),
    ("import_legacy", "import_legacy"),
];

/// Files that use a crate which the rest of their module must not use, and why.
const MAY_USE: &[(&str, &str, &str)] = &[(
    "auth/extractor.rs",
    "axum",
    "makes a caller of a request; the rest of auth knows no HTTP server",
)];

/// Macros at the root of the crate, and the module that defines each.
const MACROS: &[(&str, &str)] = &[("fields", "edge")];

/// Maximum number of modules in one circle of imports.
const LARGEST_CIRCLE: usize = 3;

/// Imported modules by importing module, with a file for each import.
type Imports = BTreeMap<String, BTreeMap<String, PathBuf>>;

/// Returns the production code of each file, by path. Files that only tests have are left out.
fn production_files() -> Vec<(PathBuf, String)> {
    let files = source_files();
    let mut tests = BTreeSet::new();
    for (path, text) in &files {
        let folder = if path == Path::new("lib.rs") {
            PathBuf::new()
        } else {
            path.with_extension("")
        };
        for name in names_after(text, "#[cfg(test)]\nmod ") {
            tests.insert(folder.join(name + ".rs"));
        }
    }
    let crates = ["lib.rs", "main.rs"].map(Path::new);
    files
        .into_iter()
        .filter(|(path, _)| !tests.contains(path) && !crates.contains(&path.as_path()))
        .map(|(path, text)| (path, production_code(&text)))
        .collect()
}

/// Returns the modules that `src/lib.rs` declares for production.
fn declared_modules() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let code = production_code(&fs::read_to_string(root).unwrap());
    names_after(&code, "mod ").into_iter().collect()
}

fn imports() -> Imports {
    let mut imports = Imports::new();
    for (path, code) in production_files() {
        let importer = layer(&path);
        let used = imports.entry(importer.clone()).or_default();
        for name in names_after(&code, "crate::") {
            let module = MACROS.iter().find(|(known, _)| *known == name);
            let module = module.map_or(name, |(_, module)| (*module).to_owned());
            if module != importer {
                used.entry(module).or_insert_with(|| path.clone());
            }
        }
        // A module of its own may have the same name.
        let is_package = |name: &str| uses_crate(&code, name) && !code.contains(&format!("mod {name};"));
        for (_, module) in PACKAGES.iter().filter(|(name, _)| is_package(name)) {
            used.entry((*module).to_owned()).or_insert_with(|| path.clone());
        }
    }
    imports
}

/// Returns the circles of imports: sets of modules each of which reaches every other one.
fn circles(imports: &Imports) -> BTreeSet<Vec<&str>> {
    let reachable = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(module) = next.pop() {
            for used in imports.get(module).into_iter().flat_map(BTreeMap::keys) {
                if seen.insert(used.as_str()) {
                    next.push(used);
                }
            }
        }
        seen
    };
    let reach: BTreeMap<&str, _> = imports
        .keys()
        .map(|from| (from.as_str(), reachable(from)))
        .collect();
    let in_circle = |module: &&str| reach[*module].contains(*module);
    reach
        .keys()
        .copied()
        .filter(in_circle)
        .map(|module| {
            let others = reach.keys().copied();
            others
                .filter(|other| reach[module].contains(other) && reach[other].contains(module))
                .collect()
        })
        .collect()
}

/// Returns `true` if `code` names the crate, not a module or another crate whose name ends so.
fn uses_crate(code: &str, name: &str) -> bool {
    code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[test]
fn every_module_of_the_library_has_a_rule() {
    let ruled: BTreeSet<String> = RULES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(ruled.len(), RULES.len(), "a module has two rules");
    assert_eq!(declared_modules(), ruled);
}

#[test]
fn modules_import_exactly_what_their_rule_lists() {
    let imports = imports();
    let mut broken = Vec::new();
    for (module, uses, _) in RULES {
        let allowed: BTreeSet<&str> = uses.split_whitespace().collect();
        for (used, file) in &imports[*module] {
            if !allowed.contains(used.as_str()) {
                broken.push(format!(
                    "{} uses crate::{used}: not in the rule of {module}",
                    file.display()
                ));
            }
        }
        for name in allowed
            .iter()
            .filter(|name| !imports[*module].contains_key(**name))
        {
            broken.push(format!(
                "{module} does not use {name} any more: take it out of its rule"
            ));
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn modules_use_no_crate_that_their_rule_forbids() {
    let mut broken = Vec::new();
    let mut excused = BTreeSet::new();
    for (path, code) in production_files() {
        let module = layer(&path);
        let forbidden = RULES.iter().filter(|(name, ..)| *name == module);
        let names = forbidden.flat_map(|(_, _, crates)| crates.split_whitespace());
        for name in names.filter(|name| uses_crate(&code, name)) {
            let excuse =
                |(file, allowed, _): &&(&str, &str, &str)| path == Path::new(file) && *allowed == name;
            match MAY_USE.iter().find(excuse) {
                Some((file, ..)) => drop(excused.insert(*file)),
                None => broken.push(format!("{} uses the crate {name}", path.display())),
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
    assert_eq!(excused.len(), MAY_USE.len(), "only {excused:?} need to be listed");
}

#[test]
fn circles_of_modules_stay_small() {
    let imports = imports();
    let large: Vec<_> = circles(&imports)
        .into_iter()
        .filter(|circle| circle.len() > LARGEST_CIRCLE)
        .collect();
    assert_eq!(large, Vec::<Vec<&str>>::new());
}

/// `super::` out of the outermost module would be an import that the other tests do not see.
#[test]
fn no_module_reaches_the_root_by_super() {
    for (path, code) in production_files() {
        let way_out = "super::".repeat(path.components().count());
        assert!(!code.contains(&way_out), "{} has {way_out}", path.display());
    }
}

#[test]
fn import_rules_catch_what_they_forbid() {
    assert_eq!(
        names_after("use crate::{db::Db, edge};\ncrate::error::X", "crate::"),
        ["db", "edge", "", "error"]
    );
    assert_eq!(layer(Path::new("routers/atividades/dto.rs")), "routers");
    assert_eq!(production_code("a\n// crate::db\n#[cfg(test)]\ncrate::db"), "a");
    assert!(uses_crate("use axum::Router;", "axum"));
    assert!(!uses_crate("use utoipa_axum::routes; crate::axum::X", "axum"));
    let graph = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "d")];
    let mut imports = Imports::new();
    for (from, to) in graph {
        let used = imports.entry(from.to_owned()).or_default();
        used.insert(to.to_owned(), PathBuf::new());
    }
    assert_eq!(
        circles(&imports),
        BTreeSet::from([vec!["a", "b", "c"], vec!["d"]])
    );
    let tests = source_files().len() - production_files().len();
    assert!(tests > 2, "{tests} files are no production code");
}
