//! The folder of a development database, and the lock that restricts its use to one `aponta dev`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use uuid::Uuid;

/// Prefix of the names of temporary folders.
const EPHEMERAL_PREFIX: &str = "aponta-ephemeral-";

/// Locked folder. The lock is released when the value is dropped or the process ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: File,
    ephemeral: bool,
}

impl DataDir {
    /// Opens and locks the folder at `path`, which is preserved between runs.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created, or another `aponta dev` uses it; the message states
    /// the reason.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(path)?;
        Self::lock(path, false)
    }

    /// Creates a folder that is removed when the value is dropped.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created.
    pub fn ephemeral() -> anyhow::Result<Self> {
        // Another run that removes abandoned folders may take this one between its creation and its locking.
        Self::new_ephemeral().or_else(|_| Self::new_ephemeral())
    }

    fn new_ephemeral() -> anyhow::Result<Self> {
        let name = format!("{EPHEMERAL_PREFIX}{}", &Uuid::new_v4().simple().to_string()[..8]);
        Self::lock(std::env::temp_dir().join(name), true)
    }

    fn lock(path: PathBuf, ephemeral: bool) -> anyhow::Result<Self> {
        let made = !path.exists();
        fs::create_dir_all(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        if made && rustix::process::geteuid().is_root() {
            // The server runs as another user, who needs access whatever our umask is.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        let lock_path = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .with_context(|| format!("cannot use the folder {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path,
                lock,
                ephemeral,
            }),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                lock.read_to_string(&mut holder)?;
                bail!(
                    "another `aponta dev` already uses {}{}.\n\
                     Stop it, or start a second one with --ephemeral or --data-dir, and another --port.",
                    path.display(),
                    if holder.is_empty() {
                        String::new()
                    } else {
                        format!(" ({holder})")
                    }
                );
            }
            Err(TryLockError::Error(error)) => Err(error).context("cannot lock the data folder"),
        }
    }

    /// Writes a note for the next process that finds the folder locked.
    ///
    /// # Errors
    /// Returns an error if the lock file cannot be written.
    pub fn sign(&mut self, note: &str) -> anyhow::Result<()> {
        self.lock.set_len(0)?;
        self.lock.rewind()?;
        self.lock.write_all(note.as_bytes())?;
        Ok(())
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns `true` if the folder is removed when the value is dropped.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        self.ephemeral
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.ephemeral {
            // The next ephemeral run removes remaining files.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Locks and returns the temporary folders of dead processes.
#[must_use]
pub fn abandoned() -> Vec<DataDir> {
    let Ok(entries) = std::env::temp_dir().read_dir() else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let ours = entry.file_name().to_str()?.starts_with(EPHEMERAL_PREFIX);
            let folder = ours && entry.file_type().ok()?.is_dir() && entry.path().join("lock").is_file();
            folder.then(|| DataDir::lock(entry.path(), true).ok()).flatten()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_of_folder_in_use_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let mut first = DataDir::open(&path).unwrap();
        first.sign("process 42").unwrap();
        let refused = DataDir::open(&path).unwrap_err().to_string();
        assert!(
            refused.contains("already uses") && refused.contains("process 42"),
            "{refused}"
        );
        drop(first);
        DataDir::open(&path).unwrap();
    }
}
