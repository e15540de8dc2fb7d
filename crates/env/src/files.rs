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
