//! Search for PostgreSQL's server programs on this machine.

use std::path::{Path, PathBuf};

use tokio::process::Command;

/// Oldest supported major version: the first with everything that our migrations use (SQL-standard function
/// bodies).
const OLDEST_MAJOR: u32 = 14;

/// Folders that are searched for server programs, and the folder for downloaded ones.
#[derive(Debug, Clone, Default)]
pub struct ProgramFolders {
    /// Only folder to search, if set (`PG_BIN_DIR`).
    pub only: Option<PathBuf>,
    /// Value of `PATH`.
    pub path: String,
    /// Folder for downloaded programs; `None` disables the download.
    pub downloads: Option<PathBuf>,
}

/// Folder with `initdb` and `postgres`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub(crate) folder: PathBuf,
    /// Version such as `15.18`.
    pub(crate) version: String,
    pub(crate) major: u32,
}

/// Returns the folders of this machine that may contain server programs, the preferred one first. The
/// programs are seldom on the PATH: Debian installs each version in its own folder.
pub(crate) fn folders(programs: &ProgramFolders) -> Vec<PathBuf> {
    if let Some(folder) = &programs.only {
        return vec![folder.clone()];
    }
    let mut folders = Vec::new();
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
    ] {
        folders.extend(versioned(Path::new(parent), prefix));
    }
    folders.push(PathBuf::from("/usr/local/pgsql/bin"));
    folders.extend(std::env::split_paths(&programs.path).filter_map(|folder| {
        // A symbolic link on the PATH is resolved to the folder with the other programs.
        folder
            .join("postgres")
            .canonicalize()
            .ok()?
            .parent()
            .map(Path::to_owned)
    }));
    folders
}

/// Returns the folders `parent/prefix*/bin`, the highest version first.
fn versioned(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = parent.read_dir() else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .collect();
    let number = |name: &str| {
        name.chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
            .parse::<u32>()
            .unwrap_or(0)
    };
    names.sort_by_key(|name| std::cmp::Reverse(number(name)));
    names
        .into_iter()
        .map(|name| parent.join(name).join("bin"))
        .collect()
}

/// Returns those of `folders` whose programs run and are new enough.
pub(crate) async fn inspect(folders: &[PathBuf]) -> Vec<Binaries> {
    let mut found: Vec<Binaries> = Vec::new();
    for folder in folders {
        let seen = found.iter().any(|b| b.folder == *folder);
        if seen || !folder.join("initdb").is_file() || !folder.join("postgres").is_file() {
            continue;
        }
        let Ok(output) = Command::new(folder.join("postgres"))
            .arg("--version")
            .output()
            .await
        else {
            continue;
        };
        let version = parse_version(&String::from_utf8_lossy(&output.stdout));
        if let Some((version, major)) = version.filter(|(_, major)| *major >= OLDEST_MAJOR) {
            found.push(Binaries {
                folder: folder.clone(),
                version,
                major,
            });
        }
    }
    found
}

/// Parses the version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_version(output: &str) -> Option<(String, u32)> {
    let version = output.split_whitespace().nth(2)?;
    let major = version
        .chars()
        .take_while(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .ok()?;
    Some((version.to_owned(), major))
}

/// Returns the first element, or the first one whose major version is `wanted`, which alone can read its
/// data.
pub(crate) fn choose(found: &[Binaries], wanted: Option<u32>) -> Option<&Binaries> {
    found
        .iter()
        .find(|b| wanted.is_none_or(|wanted| wanted == b.major))
}

/// Returns an error that explains how to install server programs.
pub(crate) fn advice(reason: &anyhow::Error) -> anyhow::Error {
    anyhow::anyhow!(
        "no PostgreSQL server programs (version {OLDEST_MAJOR} or newer) were found, and none could be downloaded:\n  \
         {reason:#}\n\
         Install them, then start again:\n  \
         Debian, Ubuntu:  sudo apt-get install postgresql\n  \
         Fedora, RHEL:    sudo dnf install postgresql-server\n  \
         macOS:           brew install postgresql@17\n\
         If they are somewhere unusual, set PG_BIN_DIR to the folder that holds initdb and postgres."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_version_of_distributions_reads_major() {
        let debian = parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n");
        assert_eq!(debian, Some(("15.18".to_owned(), 15)));
        assert_eq!(
            parse_version("postgres (PostgreSQL) 18beta1"),
            Some(("18beta1".to_owned(), 18))
        );
        assert_eq!(parse_version("no such thing"), None);
    }

    #[test]
    fn choose_for_existing_data_returns_their_major() {
        let of = |major: u32| Binaries {
            folder: PathBuf::from(format!("/pg{major}")),
            version: major.to_string(),
            major,
        };
        let found = [of(17), of(15)];
        assert_eq!(choose(&found, None), Some(&found[0]));
        assert_eq!(choose(&found, Some(15)), Some(&found[1]));
        assert_eq!(choose(&found, Some(16)), None);
    }

    #[test]
    fn versioned_with_many_starts_with_the_highest() {
        let parent = tempfile::tempdir().unwrap();
        for version in ["9.6", "15", "17"] {
            std::fs::create_dir(parent.path().join(version)).unwrap();
        }
        let names: Vec<_> = versioned(parent.path(), "")
            .iter()
            .map(|p| p.parent().unwrap().to_owned())
            .collect();
        assert_eq!(names[0], parent.path().join("96").with_file_name("9.6"));
    }
}
