//! The files of one server: data, password, socket, log, and the remains of a crashed server.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use rustix::process::Signal;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::binaries::Binaries;
use crate::owner::Owner;
use crate::progress::Progress;
use crate::server::SUPERUSER;
use crate::start::{LEFTOVER_TIMEOUT, POLL, signal};

/// Maximum number of bytes of a Unix socket's path on every system (macOS: 104 with the final NUL).
const SOCKET_PATH_MAX: usize = 103;

/// Folder of a server, and the owner of the server's files in it.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: PathBuf,
    owner: Owner,
}

impl Cluster {
    /// Opens the cluster in `folder` and creates missing folders.
    pub(crate) fn at(folder: &Path, owner: Owner) -> anyhow::Result<Self> {
        let cluster = Self {
            folder: folder.to_owned(),
            owner,
        };
        let socket = cluster.socket_folder();
        if socket.join(".s.PGSQL.5432").as_os_str().len() > SOCKET_PATH_MAX {
            bail!(
                "the path of {} is too long for a Unix socket; choose a shorter one with --data-dir",
                folder.display()
            );
        }
        if !socket.is_dir() {
            fs::create_dir_all(&socket).with_context(|| format!("cannot make {}", socket.display()))?;
            fs::set_permissions(&socket, fs::Permissions::from_mode(0o700))?;
            cluster.owner.give(&socket)?;
        }
        Ok(cluster)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    pub(crate) fn data_folder(&self) -> PathBuf {
        self.folder.join("pgdata")
    }

    pub(crate) fn socket_folder(&self) -> PathBuf {
        self.folder.join("run")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("postgres.log")
    }

    /// Returns the major version that wrote the data. Returns `None` before the first start.
    pub(crate) fn major_version(&self) -> Option<u32> {
        fs::read_to_string(self.data_folder().join("PG_VERSION"))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    pub(crate) fn is_initialised(&self) -> bool {
        self.major_version().is_some()
    }

    /// Returns the superuser's password. Generates the password on first use, in a file that only our user
    /// can read.
    pub(crate) fn password(&self) -> anyhow::Result<SecretString> {
        let path = self.folder.join("password");
        match fs::read_to_string(&path) {
            Ok(password) if !password.is_empty() => return Ok(SecretString::from(password)),
            _ if self.is_initialised() => bail!("{} is missing or unreadable", path.display()),
            _ => {}
        }
        // 244 random bits.
        let password = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        write_private(&path, &password)?;
        Ok(SecretString::from(password))
    }

    /// Creates the data folder. An interrupted run leaves only `pgdata.new`, which the next run removes.
    pub(crate) async fn initialise(
        &self,
        binaries: &Binaries,
        password: &SecretString,
    ) -> anyhow::Result<()> {
        let unfinished = self.folder.join("pgdata.new");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir(&unfinished)?;
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o700))?;
        self.owner.give(&unfinished)?;
        let password_file = self.folder.join("run").join("initdb-password");
        write_private(&password_file, password.expose_secret())?;
        self.owner.give(&password_file)?;
        let mut command = self.owner.command(&binaries.folder.join("initdb"));
        command
            .arg("-D")
            .arg(&unfinished)
            .arg("--pwfile")
            .arg(&password_file);
        // Our lists have their own sort key; the locale "C" is the same on every machine.
        command.args([
            "-U",
            SUPERUSER,
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-instructions",
        ]);
        let output = command
            .kill_on_drop(true)
            .output()
            .await
            .context("cannot run initdb");
        fs::remove_file(&password_file)?;
        let output = output?;
        if !output.status.success() {
            bail!("initdb failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        fs::rename(&unfinished, self.data_folder()).context("cannot put the new database in its place")
    }

    /// Creates an empty log for a new server.
    pub(crate) fn open_log(&self) -> anyhow::Result<File> {
        File::create(self.log_path()).with_context(|| format!("cannot write {}", self.log_path().display()))
    }

    /// Returns the last twelve lines of the server's log.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// Returns `true` if the process `pid` is the postmaster of this data folder and accepts connections.
    /// PostgreSQL's `utils/pidfile.h` describes the file: line 1 contains the process id, line 8 the state.
    pub(crate) fn is_ready(&self, pid: Option<u32>) -> bool {
        let Ok(text) = fs::read_to_string(self.pid_file()) else {
            return false;
        };
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let same = lines.first().and_then(|line| line.parse().ok()) == pid;
        same && lines.get(7) == Some(&"ready")
    }

    /// Stops a server that outlived its parent process, and removes the pid file of a dead server if another
    /// program has its process id. Returns `true` if an earlier server was not stopped properly.
    pub(crate) async fn stop_leftover(&self, progress: Progress) -> anyhow::Result<bool> {
        let Ok(text) = fs::read_to_string(self.pid_file()) else {
            return Ok(false);
        };
        let pid: Option<u32> = text.lines().next().and_then(|line| line.trim().parse().ok());
        let Some(pid) = pid else { return Ok(true) };
        match self.is_our_postmaster(pid) {
            Some(true) => {
                progress.step("stopping the orphaned database of an earlier run");
                self.stop_process(pid).await?;
            }
            Some(false) => fs::remove_file(self.pid_file())?,
            // No such process, or no `/proc`: PostgreSQL itself checks the pid file.
            None => {}
        }
        Ok(true)
    }

    /// Returns `true` if the process is a server of this data folder. Returns `None` if no process has this
    /// id or `/proc` is missing.
    fn is_our_postmaster(&self, pid: u32) -> Option<bool> {
        let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let data_folder = self.data_folder();
        let wanted = data_folder.as_os_str().as_encoded_bytes();
        Some(
            command_line
                .split(|byte| *byte == 0)
                .any(|argument| argument == wanted),
        )
    }

    /// Stops a process by fast shutdown, then by immediate shutdown.
    async fn stop_process(&self, pid: u32) -> anyhow::Result<()> {
        for how in [Signal::INT, Signal::QUIT] {
            signal(pid, how)?;
            let deadline = Instant::now() + LEFTOVER_TIMEOUT;
            while Instant::now() < deadline {
                if self.is_our_postmaster(pid) != Some(true) {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        }
        bail!("cannot stop the orphaned PostgreSQL with process id {pid}")
    }

    fn pid_file(&self) -> PathBuf {
        self.data_folder().join("postmaster.pid")
    }
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
