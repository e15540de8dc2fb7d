//! Start of the postmaster, and signals to it.

use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

use crate::binaries::Binaries;
use crate::cluster::Cluster;
use crate::server::Durability;

/// Timeout of a start; recovery after a crash is the slow case.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// Maximum time for which the remains of a killed server hold its shared memory.
pub(crate) const LEFTOVER_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval between two reads of a file that PostgreSQL writes.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// Starts the postmaster. After a crash (`leftover`), the start is retried while the children of the dead
/// server hold its shared memory.
pub(crate) async fn start_server(
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
            return starting.0.take().context("the server process is missing");
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

/// Server that is not ready yet; stopped on drop.
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
            // The signal fails for a process that has ended, which is no error.
            let _ = signal(pid, Signal::INT);
        }
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .context("not a process id")?;
    kill_process(pid, signal).context("cannot signal PostgreSQL")
}
