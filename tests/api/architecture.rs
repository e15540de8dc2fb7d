//! Rules that no compiler checks, read out of the source: where SQL, tasks and variables may be. `imports`
//! has the rules of imports.

mod crates;
mod dependencies;
mod imports;
mod language;
mod names;
mod pages;

use std::fs;
use std::path::{Path, PathBuf};

use aponta::config::SECRETS;
use aponta::supervisor::Job;

use crate::deploy::is_secret;

/// Files that may start a task, and what kind of task that is. None of them is a job: those that last as long
/// as the process are started by the supervisor, which begins them anew after a panic.
const STARTS_TASKS: &[(&str, &str)] = &[
    ("crates/runtime/src/supervisor.rs", "jobs"),
    ("app.rs", "the jobs together, and the listener of the metrics"),
    ("auth/membership.rs", "a question that outlives its request"),
    (
        "crates/azure-devops/src/versioned.rs",
        "the question for the versions of a host, beside a call",
    ),
    ("cli.rs", "the wait for a signal"),
    ("db/conn.rs", "the clean-up of one connection"),
    ("db/pool.rs", "the first connections"),
    ("dev.rs", "the wait for a signal"),
    ("dev/test_databases.rs", "loans of test databases"),
    ("server.rs", "connections"),
    ("services/integracao.rs", "a run that outlives its request"),
    (
        "services/work_items/cache.rs",
        "a read that is slower than its request may be",
    ),
    (
        "services/work_items/icons.rs",
        "a picture that outlives its request",
    ),
    ("services/outbox.rs", "an attempt that outlives its request"),
    ("services/outbox/worker.rs", "attempts of the job"),
    (
        "crates/telemetry/src/lines.rs",
        "the end of the thread that writes the log",
    ),
];

/// Most lines of a source file.
const LONGEST_FILE: usize = 600;

/// Returns the files of `src`, by their path below it.
fn source_files() -> Vec<(PathBuf, String)> {
    files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

/// Returns the files of the service: those of `src`, and of its packages as `crates/NAME/src/...`.
fn service_files() -> Vec<(PathBuf, String)> {
    let packages = crates::files()
        .into_iter()
        .filter(|(path, _)| !crates::is_standalone(path))
        .map(|(path, text)| (Path::new("crates").join(path), text));
    source_files().into_iter().chain(packages).collect()
}

/// Returns the Rust files of a folder, by their path below it.
fn files_below(root: &Path) -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    collect(root, &mut files);
    let relative = |path: &PathBuf| path.strip_prefix(root).unwrap().to_owned();
    files
        .iter()
        .map(|path| (relative(path), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The code without its unit tests and comments.
fn production_code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// `services` of `services/atividades.rs`, `error` of `error.rs`, `crates` of other packages.
fn layer(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
    first.strip_suffix(".rs").unwrap_or(first).to_owned()
}

/// Names that follow `start` in the code: one, or the list in braces.
fn names_after(code: &str, start: &str) -> Vec<String> {
    let word = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let mut found = Vec::new();
    for rest in code.split(start).skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = list.split(';').next().unwrap();
                found.extend(list.split([',', '{', '}']).map(|part| word(part.trim())));
            }
            None => found.push(word(rest)),
        }
    }
    found
}

/// Files with SQL outside `repositories`, `schema` and `db`, and why it is there.
const HAS_SQL: &[(&str, &str)] = &[
    (
        "crates/import-legacy/src/source.rs",
        "reads tables that are not ours; their columns differ, so no macro can check the statements",
    ),
    (
        "dev/databases.rs",
        "creates and drops whole databases, which no server does",
    ),
];

#[test]
fn sql_lives_in_repositories_and_db() {
    for (path, text) in service_files() {
        let layer = layer(&path);
        let code = production_code(&text);
        let has_sql =
            code.contains("sqlx::query") || code.contains("sqlx::raw_sql") || code.contains("QueryBuilder");
        let listed = HAS_SQL.iter().any(|(file, _)| path == Path::new(file));
        assert!(
            !has_sql || listed || ["repositories", "schema", "db"].contains(&layer.as_str()),
            "{} has SQL",
            path.display()
        );
    }
}

/// No statement can be sent without a scope; the migrator's own table belongs to no tenant.
#[test]
fn repositories_accept_only_scoped_transactions() {
    for (path, text) in source_files() {
        let exempt = path == Path::new("repositories/migrations.rs");
        if layer(&path) == "repositories" && !exempt {
            let code = production_code(&text);
            let bare = names_after(&code, "crate::db::").contains(&"Conn".to_owned());
            assert!(
                !bare && !code.contains("PgConnection"),
                "{} takes a bare connection",
                path.display()
            );
        }
    }
}

/// utoipa takes two types of one name for one: the document would describe an answer by another's fields.
#[test]
fn no_two_schemas_share_a_name() {
    let mut seen = std::collections::BTreeMap::new();
    for (path, text) in source_files() {
        let code = production_code(&text);
        let mut lines = code.lines();
        while let Some(line) = lines.next() {
            if !line.starts_with("#[derive(") || !line.contains("ToSchema") {
                continue;
            }
            let named = |line: &str| {
                let words = names_after(line, "struct ").into_iter();
                words.chain(names_after(line, "enum ")).next()
            };
            let Some(name) = lines.find_map(named) else {
                continue;
            };
            if let Some(first) = seen.insert(name.clone(), path.clone()) {
                panic!("{name} is in {} and in {}", first.display(), path.display());
            }
        }
    }
    assert!(seen.len() > 50, "{seen:?}");
}

/// A route registered without `routes!` is missing in the document. Pages and metrics are no part of the API.
#[test]
fn every_operation_is_registered_with_its_description() {
    for (path, text) in source_files() {
        let outside = [Path::new("routers/docs.rs"), Path::new("edge/metrics.rs")].contains(&path.as_path());
        assert!(
            outside || !production_code(&text).contains(".route("),
            "{} registers a route that the document does not know",
            path.display()
        );
    }
}

/// A job beside the supervisor would be gone with its first panic.
#[test]
fn tasks_begin_in_the_supervisor_or_in_a_listed_file() {
    let mut found = Vec::new();
    for (path, text) in service_files() {
        let code = production_code(&text);
        let supervised = code.matches("pervisor.spawn(").count()
            + code.matches("pervisor.spawn_").count()
            + code.matches("Supervisor::default().spawn(").count()
            + code.matches("background.spawn(").count();
        let all = code.matches("spawn(").count() + code.matches("spawn_").count();
        if all > supervised && !path.ends_with("properties.rs") {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
    found.sort();
    let mut allowed: Vec<&str> = STARTS_TASKS.iter().map(|(path, _)| *path).collect();
    allowed.sort_unstable();
    assert_eq!(found, allowed);
}

#[test]
fn every_job_is_started_by_the_supervisor_once() {
    let code: String = source_files()
        .iter()
        .map(|(_, text)| production_code(text))
        .collect();
    for job in Job::ALL {
        assert_eq!(
            names_after(&code, "Job::")
                .iter()
                .filter(|name| **name == format!("{job:?}"))
                .count(),
            1,
            "{job:?}"
        );
    }
}

#[test]
fn only_config_reads_the_environment() {
    for (path, text) in service_files() {
        let code = production_code(&text);
        let reads = code.contains("env::var") || code.contains("dotenvy::");
        assert!(
            !reads || path == Path::new("crates/env/src/lib.rs"),
            "{} reads the environment",
            path.display()
        );
    }
}

#[test]
fn files_have_a_description_and_stay_short() {
    for (path, text) in source_files().into_iter().chain(crates::files()) {
        assert!(
            text.starts_with("//! "),
            "{} does not say what lives in it",
            path.display()
        );
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines", path.display());
    }
}

/// Names of variables in the configuration's code: literals of capitals that a reader is asked for.
fn variables() -> std::collections::BTreeSet<String> {
    let mut found = std::collections::BTreeSet::new();
    for (path, text) in source_files() {
        let reads = path.starts_with("config") || path == Path::new("config.rs") || path.starts_with("dev");
        let tests = path.to_str().is_some_and(|path| path.ends_with("_tests.rs"));
        if !reads || tests {
            continue;
        }
        for literal in production_code(&text).split('"').skip(1).step_by(2) {
            let shape = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            if literal.len() > 3 && literal.contains('_') && literal.chars().all(shape) {
                found.insert(literal.to_owned());
            }
        }
    }
    // Not ours to document; LC_ALL is given to the database.
    for foreign in ["XDG_DATA_HOME", "PG_VERSION", "LC_ALL", "DATABASE_"] {
        found.remove(foreign);
    }
    let files: Vec<String> = SECRETS
        .iter()
        .filter(|name| found.contains(**name))
        .map(|name| format!("{name}_FILE"))
        .collect();
    found.extend(files);
    found
}

#[test]
fn every_secret_can_come_from_a_file_that_is_documented() {
    let variables = variables();
    let secret = |name: &&String| is_secret(name);
    for name in variables.iter().filter(secret) {
        assert!(SECRETS.contains(&name.as_str()), "{name} cannot come from a file");
    }
    // Those of one command stand on its page, all others where the next test looks.
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/import-legacy.md")).unwrap();
    for name in SECRETS {
        let file = format!("{name}_FILE");
        assert!(
            variables.contains(&file) || page.contains(&format!("`{file}`")),
            "{file}"
        );
    }
}

#[test]
fn every_variable_is_documented_and_in_the_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/configuration.md")).unwrap();
    let example = fs::read_to_string(root.join(".env.example")).unwrap();
    let variables = variables();
    assert!(variables.len() > 30, "{variables:?}");
    for name in variables {
        let shortened = name
            .strip_prefix("DATABASE")
            .is_some_and(|rest| page.contains(&format!("`{rest}`")));
        assert!(
            page.contains(&format!("`{name}`")) || shortened || page.contains(&format!("`{name}=")),
            "docs/configuration.md lacks {name}"
        );
        assert!(
            example
                .lines()
                .any(|l| l.trim_start_matches('#').starts_with(&format!("{name}="))),
            ".env.example lacks {name}"
        );
    }
}
