//! Folders of the development database, derived from the environment.

use std::path::PathBuf;

use anyhow::bail;
use dev_postgres::ProgramFolders;

use crate::config::Env;

/// Returns the default data folder: `APONTA_DATA_DIR`, else `dev` below `home`.
///
/// # Errors
/// When there is no home folder.
pub(super) fn data_folder(env: &Env) -> anyhow::Result<PathBuf> {
    match env.get("APONTA_DATA_DIR") {
        Some(path) => Ok(PathBuf::from(path)),
        None => Ok(home(env)?.join("dev")),
    }
}

/// Returns the folders of PostgreSQL's programs. Downloaded programs are shared by all data folders of this
/// user.
#[must_use]
pub fn program_folders(env: &Env) -> ProgramFolders {
    ProgramFolders {
        only: env.get("PG_BIN_DIR").map(PathBuf::from),
        path: env.get("PATH").unwrap_or_default().to_owned(),
        downloads: home(env).ok().map(|home| home.join("postgresql")),
    }
}

/// Returns `/var/lib/aponta` for root, whose home is inaccessible for other users, else
/// `$XDG_DATA_HOME/aponta`, by default `~/.local/share/aponta`.
fn home(env: &Env) -> anyhow::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/aponta"));
    }
    let base = match (env.get("XDG_DATA_HOME"), env.get("HOME")) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, Some(home)) => PathBuf::from(home).join(".local/share"),
        (None, None) => bail!("HOME is not set: choose a data folder with --data-dir"),
    };
    Ok(base.join("aponta"))
}
