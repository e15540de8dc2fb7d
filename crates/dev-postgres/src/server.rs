//! The server of one folder: start, addresses and stop.
//!
//! The server listens on a Unix socket in its folder, requires a random password and runs in its own process
//! group, so that a Ctrl-C in the terminal does not reach it. PostgreSQL refuses to run as root, so for root
//! the server runs as the user `postgres`, else `nobody`. The caller holds the lock of the folder, so no
//! other process stops the server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;
use secrecy::{ExposeSecret, SecretString};
use tokio::process::Child;

use crate::binaries::{self, Binaries, ProgramFolders};
use crate::cluster::Cluster;
use crate::download;
use crate::owner::Owner;
use crate::progress::Progress;
use crate::start::{signal, start_server};

/// Name of the server's superuser.
pub const SUPERUSER: &str = "aponta";

/// Timeout of each way of stopping.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Durability of acknowledged commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Commits survive a power failure; for data that is preserved.
    Durable,
    /// Commits may be lost in a power failure; for temporary data.
    Disposable,
}

impl Durability {
    pub(crate) fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Durable => &[],
            Self::Disposable => &[
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
                "max_connections=400",
            ],
        }
    }
}

/// Running server, until it is stopped.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    child: Child,
    cluster: Cluster,
    password: SecretString,
    version: String,
}

impl EmbeddedPostgres {
    /// Starts the server of `folder`. Initialises the data on first use and cleans up after a crash.
    ///
    /// # Errors
    /// Returns an error if there are no server programs and none can be downloaded, the folder cannot be
    /// used, or the server does not start. The message explains the remedy.
    pub async fn start(
        folder: &Path,
        durability: Durability,
        programs: &ProgramFolders,
        progress: Progress,
    ) -> anyhow::Result<Self> {
        let owner = Owner::of_server()?;
        owner.check_can_enter(folder)?;
        let cluster = Cluster::at(folder, owner)?;
        let binaries = find_or_fetch(&cluster, programs, progress).await?;
        let password = cluster.password()?;
        if !cluster.is_initialised() {
            progress.step("preparing a new database (once, about a second)");
            cluster.initialise(&binaries, &password).await?;
        }
        let leftover = cluster.stop_leftover(progress).await?;
        let child = start_server(&cluster, &binaries, durability, leftover).await?;
        Ok(Self {
            child,
            cluster,
            password,
            version: binaries.version,
        })
    }

    /// Returns the address of a database of this server, with the superuser's password.
    #[must_use]
    pub fn url(&self, database: &str) -> SecretString {
        self.addresses().url(database)
    }

    /// Returns a builder of addresses of this server, for tasks that do not hold the server itself.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        let socket = self.socket_folder();
        let socket = form_urlencoded::byte_serialize(socket.as_os_str().as_encoded_bytes()).collect();
        Addresses {
            socket,
            password: self.password.clone(),
        }
    }

    /// Returns the folder of the Unix socket, which libpq calls the host.
    #[must_use]
    pub fn socket_folder(&self) -> PathBuf {
        self.cluster.socket_folder()
    }

    /// Returns the version of the server, such as `15.18`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Stops the server, closes its connections and waits for its exit. Tries fast shutdown, then immediate
    /// shutdown, then SIGKILL.
    ///
    /// # Errors
    /// Returns an error if the process does not end or waiting for it fails.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for how in [Signal::INT, Signal::QUIT, Signal::KILL] {
            let Some(pid) = self.child.id() else { return Ok(()) };
            signal(pid, how)?;
            if let Ok(ended) = tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await {
                ended.context("cannot wait for PostgreSQL to stop")?;
                return Ok(());
            }
        }
        bail!("PostgreSQL does not stop")
    }
}

/// Builder of addresses of the databases of one server.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Folder of the socket, percent-encoded.
    socket: String,
    password: SecretString,
}

impl Addresses {
    /// Returns the address of a database, with the superuser's password.
    #[must_use]
    pub fn url(&self, database: &str) -> SecretString {
        let (socket, password) = (&self.socket, self.password.expose_secret());
        SecretString::from(format!(
            "postgres://{SUPERUSER}:{password}@localhost/{database}?host={socket}"
        ))
    }
}

/// Stops the server of a folder whose process died, if the server still runs.
///
/// # Errors
/// Returns an error if the server does not stop.
pub async fn stop_abandoned(folder: &Path) -> anyhow::Result<()> {
    let cluster = Cluster::at(folder, Owner::of_server()?)?;
    cluster.stop_leftover(Progress::quiet()).await?;
    Ok(())
}

/// Returns programs of this machine that fit the data, or else downloads them. The error explains how to
/// install them.
async fn find_or_fetch(
    cluster: &Cluster,
    programs: &ProgramFolders,
    progress: Progress,
) -> anyhow::Result<Binaries> {
    let wanted = cluster.major_version();
    let mut candidates = binaries::folders(programs);
    candidates.extend(programs.downloads.iter().map(|folder| folder.join("bin")));
    let found = binaries::inspect(&candidates).await;
    if let Some(binaries) = binaries::choose(&found, wanted) {
        return Ok(binaries.clone());
    }
    if let (Some(folder), true) = (&programs.only, found.is_empty()) {
        bail!(
            "PG_BIN_DIR={} holds no initdb and postgres of a supported version",
            folder.display()
        );
    }
    if let (Some(wanted), false) = (wanted, found.is_empty()) {
        let versions: Vec<&str> = found.iter().map(|b| b.version.as_str()).collect();
        bail!(
            "the data in {} were written by PostgreSQL {wanted}, but this machine has only {}.\n\
             Install PostgreSQL {wanted}, or choose another folder with --data-dir.",
            cluster.folder().display(),
            versions.join(", ")
        );
    }
    let fetched = fetch(programs, wanted, progress).await;
    fetched.map_err(|reason| binaries::advice(&reason))
}

async fn fetch(
    programs: &ProgramFolders,
    wanted: Option<u32>,
    progress: Progress,
) -> anyhow::Result<Binaries> {
    let folder = programs
        .downloads
        .as_ref()
        .context("HOME is not set: no folder for the download")?;
    download::fetch(folder, progress).await?;
    let found = binaries::inspect(&[folder.join("bin")]).await;
    binaries::choose(&found, wanted)
        .cloned()
        .context("the downloaded files do not run on this machine")
}
