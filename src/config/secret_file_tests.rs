//! Secrets in files, as the configuration sees them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use aponta_env::{Env, SECRETS};
use proptest::prelude::*;
use tempfile::TempDir;

use super::Config;

/// Part of every secret; must not appear in a problem.
const CANARY: &str = "c4n4ry";

fn folder_with(content: &[u8]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn env_with(name: &str, value: &str) -> Env {
    let mut env =
        Env::from_pairs([("AZURE_DEVOPS_ORG_URL", "https://dev.azure.com/contoso")]).with(name, value);
    env = env.with_files();
    env
}

/// Returns the problems of `DATABASE_URL_FILE` when it names this path.
fn problem_text(path: &str) -> String {
    let problems = Config::load(&env_with("DATABASE_URL_FILE", path)).unwrap_err();
    assert_eq!(problems.variables(), ["DATABASE_URL_FILE"], "{problems}");
    let problem_text = problems.to_string();
    assert!(
        problem_text.contains("(example: DATABASE_URL_FILE=/run/secrets/database_url)"),
        "{problem_text}"
    );
    assert!(
        !problem_text.contains(CANARY) && !problem_text.contains(path),
        "{problem_text}"
    );
    problem_text
}

#[test]
fn file_ends_with_one_line_break_that_is_no_secret() {
    for (content, value) in [
        ("segredo", "segredo"),
        ("segredo\n", "segredo"),
        ("segredo\r\n", "segredo"),
        ("segredo\r", "segredo\r"),
        ("segredo\n\n", "segredo\n"),
        (" se gredo \n", " se gredo "),
    ] {
        let (_folder, path) = folder_with(content.as_bytes());
        let env = env_with("DATABASE_PASSWORD_FILE", &path);
        assert_eq!(env.get("DATABASE_PASSWORD"), Some(value), "{content:?}");
    }
}

#[test]
fn every_secret_may_stand_in_a_file() {
    for secret in SECRETS {
        let (_folder, path) = folder_with(b"valor\n");
        let env = env_with(&format!("{secret}_FILE"), &path);
        assert_eq!(env.get(secret), Some("valor"));
    }
}

#[test]
fn name_and_file_together_are_refused_and_both_named() {
    let (_folder, path) = folder_with(format!("postgres://ana:{CANARY}@db/a").as_bytes());
    let mut env = env_with("DATABASE_URL", "postgres://ana:x@db/a").with("DATABASE_URL_FILE", path);
    env = env.with_files();
    let problems = Config::load(&env).unwrap_err();
    assert_eq!(problems.variables(), ["DATABASE_URL_FILE"]);
    let problem_text = problems.to_string();
    assert!(
        problem_text.contains("and so is DATABASE_URL:") && !problem_text.contains(CANARY),
        "{problem_text}"
    );
}

#[test]
fn empty_file_variable_counts_as_not_set() {
    let env = env_with("DATABASE_URL_FILE", "  ").with("DATABASE_HOST", "db");
    assert!(Config::load(&env).is_ok());
    let (_folder, path) = folder_with(b"postgres://ana:x@db/a");
    let mut env = env_with("DATABASE_URL", "").with("DATABASE_URL_FILE", path);
    env = env.with_files();
    assert_eq!(env.get("DATABASE_URL"), Some("postgres://ana:x@db/a"));
}

#[test]
fn unusable_file_is_one_problem_without_missing_variables() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert!(problem_text(&at(CANARY)).contains("cannot be read: entity not found"));
    assert!(problem_text(&at("")).contains("not a regular file"));
    assert!(problem_text("/dev/null").contains("not a regular file"));
    assert!(
        std::process::Command::new("mkfifo")
            .arg(at("pipe"))
            .status()
            .unwrap()
            .success()
    );
    assert!(problem_text(&at("pipe")).contains("not a regular file"));
    for (content, what) in [
        (vec![], "an empty file"),
        (b"\n".to_vec(), "an empty file"),
        (vec![b'x'; 64 * 1024 + 1], "more than 64 KiB"),
        (b"c4n4ry \xff".to_vec(), "not text in UTF-8"),
        (b"c4n4ry\0".to_vec(), "a NUL"),
    ] {
        let (_folder, path) = folder_with(&content);
        assert!(problem_text(&path).contains(what), "{what}");
    }
}

#[test]
fn unreadable_file_is_a_problem() {
    let (_folder, path) = folder_with(CANARY.as_bytes());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser can read the file despite its mode.
    if !rustix::process::geteuid().is_root() {
        assert!(problem_text(&path).contains("cannot be read: permission denied"));
    }
}

#[test]
fn symbolic_link_to_a_file_is_followed() {
    let (folder, path) = folder_with(b"x");
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    let env = env_with("LEGACY_KEY_FILE", link.to_str().unwrap());
    assert_eq!(env.get("LEGACY_KEY"), Some("x"));
}

#[test]
fn largest_file_is_read() {
    let (_folder, path) = folder_with("x".repeat(64 * 1024).as_bytes());
    let env = env_with("DATABASE_PASSWORD_FILE", &path);
    assert_eq!(env.get("DATABASE_PASSWORD").unwrap().len(), 64 * 1024);
}

#[test]
fn commands_check_only_the_files_they_need() {
    let env = env_with("AZURE_DEVOPS_PAT_FILE", "/nowhere").with("DATABASE_URL", "postgres://db/a");
    assert!(Config::load(&env).is_err());
    assert!(Config::load_database(&env).is_ok());
    assert!(Config::load_http(&env).is_ok());
}

#[test]
fn variables_left_out_take_their_files_with_them() {
    let (_folder, path) = folder_with(b"postgres://ana:x@db/a");
    let env = env_with("DATABASE_URL_FILE", &path).with("DATABASE_PASSWORD_FILE", "/nowhere");
    let mut env = env.without_prefix("DATABASE_URL");
    env = env.with_files();
    assert_eq!(env.get("DATABASE_URL"), None);
    let env = env
        .without_prefix("DATABASE_")
        .with("DATABASE_URL", "postgres://db/a");
    assert!(Config::load(&env).is_ok());
}

#[test]
fn variable_set_afterwards_wins_over_the_file() {
    let (_folder, path) = folder_with(b"postgres://ana:x@db/a");
    let env = env_with("DATABASE_URL_FILE", &path).with("DATABASE_URL", "postgres://other/a");
    assert_eq!(env.get("DATABASE_URL"), Some("postgres://other/a"));
}

proptest! {
    #[test]
    fn no_file_is_quoted(
        before in any::<Vec<u8>>(),
        after in any::<Vec<u8>>(),
        secret in prop::sample::select(&SECRETS[..]),
    ) {
        let content = [before, CANARY.as_bytes().to_vec(), after].concat();
        let (_folder, path) = folder_with(&content);
        let mut env = env_with("DATABASE_HOST", "db").with(&format!("{secret}_FILE"), &path);
        env = env.with_files();
        let printed = match Config::load(&env) {
            Ok(config) => format!("{config:?}"),
            Err(problems) => format!("{problems} {problems:?}"),
        };
        prop_assert!(!printed.to_lowercase().contains(CANARY), "{}", printed);
    }
}
