//! The key of the PAT vault of a development server, in a file of its data folder.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::config::Env;

const FILE: &str = "vault-key";
const VARIABLES: [&str; 2] = ["PAT_ENCRYPTION_KEYS", "PAT_ENCRYPTION_KEY"];

/// Returns the environment with the key of this folder, which is made once, unless it names a key.
pub(super) fn with_key(env: Env, folder: &Path) -> anyhow::Result<Env> {
    if VARIABLES.iter().any(|name| env.get(name).is_some()) {
        return Ok(env);
    }
    let path = folder.join(FILE);
    let key = match fs::read_to_string(&path) {
        Ok(key) if !key.trim().is_empty() => key,
        Ok(_) => bail!("{} is empty; remove it to make a new key", path.display()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = new_key();
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .and_then(|mut file| file.write_all(key.as_bytes()))
                .with_context(|| format!("cannot write {}", path.display()))?;
            key
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    Ok(env.with(VARIABLES[0], key.trim()))
}

/// Returns 32 random bytes in base64.
fn new_key() -> String {
    let halves = [Uuid::new_v4(), Uuid::new_v4()].map(Uuid::into_bytes);
    STANDARD.encode(halves.concat())
}
