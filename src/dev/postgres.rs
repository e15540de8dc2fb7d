//! A PostgreSQL server of our own: real server semantics, no installation, no port.
//!
//! It listens on a Unix socket inside its folder, demands a random password and runs in a process group of its
//! own, so that a Ctrl-C in the terminal reaches only us. PostgreSQL refuses to run as root; then it runs as the
//! user `postgres`, else `nobody`. The caller holds the folder's lock, so nobody else starts or stops it.

mod binaries;
mod cluster;
#[cfg(feature = "download-postgres")]
mod download;
mod owner;

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use secrecy::{ExposeSecret, SecretString};
use tokio::process::Child;

use super::data_dir;
use super::progress::Progress;
use crate::config::Env;
use binaries::Binaries;
use cluster::Cluster;
use owner::Owner;

/// The superuser of the server.
pub const SUPERUSER: &str = "aponta";

/// How long a server may take to start; recovery after a crash is the slow case.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// How long the remains of a killed server may keep its shared memory.
const LEFTOVER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long each way of stopping may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks at a file that PostgreSQL writes.
const POLL: Duration = Duration::from_millis(10);

/// Whether an acknowledged commit must survive a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Yes: people's data.
    Durable,
    /// No: thrown away at the end anyway.
    Disposable,
}

impl Durability {
    fn settings(self) -> &'static [&'static str] {
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

/// A running server.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    child: Child,
    cluster: Cluster,
    password: SecretString,
    version: String,
}

impl EmbeddedPostgres {
    /// Starts the server of `folder`, after making it on first use and after clearing away a crashed one.
    ///
    /// # Errors
    /// When no server binaries are to be had, the folder cannot be used, or the server does not start; the text
    /// says what to do.
    pub async fn start(
        folder: &Path,
        durability: Durability,
        env: &Env,
        progress: Progress,
    ) -> anyhow::Result<Self> {
        let owner = Owner::of_server()?;
        owner.check_can_enter(folder)?;
        let cluster = Cluster::at(folder, owner)?;
        let binaries = find_or_fetch(&cluster, env, progress).await?;
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

    /// Address of a database of this server, with the superuser's password.
    #[must_use]
    pub fn url(&self, database: &str) -> SecretString {
        self.addresses().url(database)
    }

    /// What makes addresses of this server, for tasks that must not hold the server itself.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        let socket = self.socket_folder();
        let socket = form_urlencoded::byte_serialize(socket.as_os_str().as_encoded_bytes()).collect();
        Addresses {
            socket,
            password: self.password.clone(),
        }
    }

    /// Folder of the Unix socket; what libpq calls the host.
    #[must_use]
    pub fn socket_folder(&self) -> PathBuf {
        self.cluster.socket_folder()
    }

    /// Version of the server, such as `15.18`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Stops the server, cutting its connections ("fast"; harder when that takes too long), and waits until it is gone.
    ///
    /// # Errors
    /// When its process cannot be waited for.
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

/// Makes addresses of the databases of one server.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Folder of the socket, percent-encoded.
    socket: String,
    password: SecretString,
}

impl Addresses {
    /// Address of a database, with the superuser's password.
    #[must_use]
    pub fn url(&self, database: &str) -> SecretString {
        let (socket, password) = (&self.socket, self.password.expose_secret());
        SecretString::from(format!(
            "postgres://{SUPERUSER}:{password}@localhost/{database}?host={socket}"
        ))
    }
}

/// Stops the server of a folder whose owner died, if it still runs.
///
/// # Errors
/// When it does not stop.
pub async fn stop_abandoned(folder: &Path) -> anyhow::Result<()> {
    let cluster = Cluster::at(folder, Owner::of_server()?)?;
    cluster.stop_leftover(Progress::quiet()).await?;
    Ok(())
}

/// The binaries of this machine that fit the data, else downloaded ones, else advice.
async fn find_or_fetch(cluster: &Cluster, env: &Env, progress: Progress) -> anyhow::Result<Binaries> {
    let wanted = cluster.major_version();
    let mut candidates = binaries::folders(env);
    let downloads = data_dir::downloads_path(env);
    candidates.extend(downloads.iter().map(|folder| folder.join("bin")));
    let found = binaries::inspect(&candidates).await;
    if let Some(binaries) = binaries::choose(&found, wanted) {
        return Ok(binaries.clone());
    }
    if let (Some(folder), true) = (env.get("PG_BIN_DIR"), found.is_empty()) {
        bail!("PG_BIN_DIR={folder} holds no initdb and postgres of a version that will do");
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
    let fetched = async { fetch(&downloads?, wanted, progress).await };
    fetched.await.map_err(|reason| binaries::advice(&reason))
}

#[cfg(feature = "download-postgres")]
async fn fetch(folder: &Path, wanted: Option<u32>, progress: Progress) -> anyhow::Result<Binaries> {
    download::fetch(folder, progress).await?;
    let found = binaries::inspect(&[folder.join("bin")]).await;
    binaries::choose(&found, wanted)
        .cloned()
        .context("the downloaded files do not run on this machine")
}

#[cfg(not(feature = "download-postgres"))]
#[expect(clippy::unused_async, reason = "its other form downloads")]
async fn fetch(_folder: &Path, _wanted: Option<u32>, _progress: Progress) -> anyhow::Result<Binaries> {
    bail!("this build of aponta cannot download PostgreSQL (feature download-postgres)")
}

/// Starts the postmaster. After a crash the dead server's children may hold its shared memory for a moment.
async fn start_server(
    cluster: &Cluster,
    binaries: &Binaries,
    durability: Durability,
    leftover: bool,
) -> anyhow::Result<Child> {
    let deadline = Instant::now() + LEFTOVER_TIMEOUT;
    loop {
        match try_start(cluster, binaries, durability).await {
            Err(_) if leftover && Instant::now() < deadline => tokio::time::sleep(POLL * 25).await,
            outcome => return outcome,
        }
    }
}

async fn try_start(cluster: &Cluster, binaries: &Binaries, durability: Durability) -> anyhow::Result<Child> {
    let log = cluster.open_log()?;
    let mut command = cluster.owner().command(&binaries.folder.join("postgres"));
    command.arg("-D").arg(cluster.data_folder());
    command.arg("-c").arg(format!(
        "unix_socket_directories={}",
        cluster.socket_folder().display()
    ));
    for setting in ["listen_addresses=", "unix_socket_permissions=0700", "port=5432"] {
        command.args(["-c", setting]);
    }
    for setting in durability.settings() {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut starting = Starting(Some(command.spawn().context("cannot start PostgreSQL")?));
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        if cluster.is_ready(starting.pid()) {
            return starting.0.take().context("the server is there");
        }
        if let Some(status) = starting.ended()? {
            bail!(
                "PostgreSQL ended at once ({status}). Its log says:\n{}",
                cluster.log_tail()
            );
        }
        if Instant::now() > deadline {
            bail!(
                "PostgreSQL did not start in {} s. Its log says:\n{}",
                START_TIMEOUT.as_secs(),
                cluster.log_tail()
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A server that is not ready yet. Told to stop when nobody waits for it any more.
struct Starting(Option<Child>);

impl Starting {
    fn pid(&self) -> Option<u32> {
        self.0.as_ref().and_then(Child::id)
    }

    fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.0.as_mut().map_or(Ok(None), Child::try_wait)
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            // One that is gone needs no signal.
            let _ = signal(pid, Signal::INT);
        }
    }
}

fn signal(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .context("not a process id")?;
    kill_process(pid, signal).context("cannot signal PostgreSQL")
}
