//! Secrets in files: `NAME_FILE` is the path of a file with the value of `NAME`, the form in which Docker and
//! Kubernetes mount secrets. The content of a file is visible neither in `docker inspect` nor in
//! `/proc/PID/environ`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::{Env, Problem};

/// All variables with a secret.
pub const SECRETS: [&str; 12] = [
    "DATABASE_URL",
    "DATABASE_READ_URL",
    "DATABASE_PASSWORD",
    "AZURE_DEVOPS_PAT",
    "AZURE_DEVOPS_ORG_PATS",
    "AZURE_EXTENSION_SECRET",
    "AZURE_EXTENSION_SECRETS",
    "PAT_ENCRYPTION_KEY",
    "PAT_ENCRYPTION_KEYS",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "LEGACY_DATABASE_URL",
    "LEGACY_KEY",
];

/// Maximum size of a file, in bytes. The longest secret is a list of keys, and a wrong path may name a file
/// of a gigabyte.
const LARGEST: u64 = 64 * 1024;

/// A secret whose file cannot be used.
#[derive(Clone)]
pub(super) struct Unusable {
    /// Name of the secret, without `_FILE`.
    pub(super) secret: &'static str,
    /// The fault. The text quotes neither the path, which may be a misplaced secret, nor the content.
    why: String,
}

impl Unusable {
    pub(super) fn problem(&self) -> Problem {
        Problem {
            variable: format!("{}_FILE", self.secret),
            problem: self.why.clone(),
            example: format!("/run/secrets/{}", self.secret.to_ascii_lowercase()),
        }
    }
}

/// Reads the file of each secret with a `NAME_FILE` into `env`.
pub(super) fn resolve(env: &mut Env) {
    for secret in SECRETS {
        let variable = format!("{secret}_FILE");
        let Some(path) = env.get(&variable) else { continue };
        let found = if env.get(secret).is_some() {
            Err(format!("is set, and so is {secret}: leave one of them out"))
        } else {
            read(Path::new(path))
        };
        match found {
            Ok(value) => drop(env.from_files.insert(secret, value)),
            Err(why) => env.unusable.push(Unusable { secret, why }),
        }
    }
}

/// Reads a regular file without its final line break. Symbolic links are followed, because Kubernetes mounts
/// a secret as one.
fn read(path: &Path) -> Result<String, String> {
    let unreadable = |error: io::Error| format!("names a file that cannot be read: {}", error.kind());
    // Checked before the file is opened, because opening a named pipe blocks until a writer opens it.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("names something that is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("names a file of more than {} KiB", LARGEST / 1024));
    }
    let text = String::from_utf8(bytes).map_err(|_| "names a file that is not text in UTF-8".to_owned())?;
    let value = without_line_break(&text);
    if value.trim().is_empty() {
        return Err("names an empty file".to_owned());
    }
    if value.contains('\0') {
        return Err("names a file that is not text: it holds a NUL".to_owned());
    }
    Ok(value.to_owned())
}

/// Removes the final line break that editors and `echo` add to a file.
fn without_line_break(text: &str) -> &str {
    let without = text.strip_suffix('\n').unwrap_or(text);
    match without.strip_suffix('\r') {
        Some(line) if without.len() < text.len() => line,
        _ => without,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::config::Config;

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
        resolve(&mut env);
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
        resolve(&mut env);
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
        resolve(&mut env);
        assert_eq!(env.get("DATABASE_URL"), Some("postgres://ana:x@db/a"));
    }

    #[test]
    fn unusable_file_is_told_once_and_nothing_is_missed() {
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
    fn file_that_may_not_be_read_is_told() {
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
    fn commands_are_told_of_the_files_that_they_need() {
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
        resolve(&mut env);
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
            resolve(&mut env);
            let printed = match Config::load(&env) {
                Ok(config) => format!("{config:?}"),
                Err(problems) => format!("{problems} {problems:?}"),
            };
            prop_assert!(!printed.to_lowercase().contains(CANARY), "{}", printed);
        }
    }
}
