//! The one place where background work begins, and where it begins anew after a panic. A defect must not end
//! a job for the life of the process. `tests/api/architecture.rs` holds that every job goes through here.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::telemetry::metrics;

/// Before a job begins anew, at first and at the most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// A job that ran for so long is healthy: its next panic counts as its first.
const HEALTHY_AFTER: Duration = Duration::from_mins(5);

/// Declares the jobs with their names in metrics and log.
macro_rules! jobs {
    ($($(#[doc = $what:literal])* $job:ident = $name:literal,)*) => {
        /// What goes on beside requests.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Job {
            $($(#[doc = $what])* $job,)*
        }

        impl Job {
            /// Every job there is.
            pub const ALL: &'static [Self] = &[$(Self::$job,)*];

            /// Its name in metrics and log.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$job => $name,)*
                }
            }
        }
    };
}

jobs! {
    /// Deletes expired Idempotency-Keys.
    IdempotencyCleanup = "forget_answers",
    /// Polls gauges, the expiry of PATs among them.
    Gauges = "gauges",
    /// Reports addresses whose lines were left out of the log.
    LogLineSweep = "log_line_sweep",
    /// Adds up the durations that were measured.
    MetricsUpkeep = "metrics_upkeep",
    /// Asks organisations for their identity.
    OrganizationCheck = "organization_check",
    /// Reads projects from Azure DevOps.
    ProjectSync = "project_sync",
    /// Forgets budgets of callers that are full again.
    RateLimitSweep = "rate_limit_sweep",
    /// Compares the read replica with the primary.
    ReplicaWatch = "replica_watch",
    /// Probes Azure DevOps.
    UpstreamProbe = "upstream_probe",
    /// Reads names of organisations and the vault.
    VaultRefresh = "vault_refresh",
    /// Writes hours to Azure DevOps.
    Outbox = "outbox",
}

/// Runs jobs until it is told to stop. Clones share that; dropping one stops nothing.
#[derive(Debug, Clone, Default)]
pub struct Supervisor {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Supervisor {
    /// Its jobs run until `stop`.
    #[must_use]
    pub fn until(stop: CancellationToken) -> Self {
        Self {
            stop,
            tasks: TaskTracker::new(),
        }
    }

    /// Runs `job` in a task of its own: `begin` makes it, once and after each panic. It is cut short at the
    /// stop.
    pub fn spawn<F>(&self, job: Job, begin: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send,
    {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let _ = stop.run_until_cancelled(keep(job, &stop, begin)).await;
        });
    }

    /// The same for a job that ends by itself at the stop and must not be cut short.
    pub fn spawn_unbroken<F>(&self, job: Job, begin: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send,
    {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { keep(job, &stop, begin).await });
    }

    /// Tells the jobs to end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Returns when the jobs have ended after the stop.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Runs the job until it ends by itself. After a panic it begins anew, unless the stop comes first.
async fn keep<F: Future<Output = ()>>(job: Job, stop: &CancellationToken, mut begin: impl FnMut() -> F) {
    let name = job.name();
    metrics::job_started(name);
    let mut pause = PAUSES.0;
    loop {
        let since = Instant::now();
        // What the panic left half done dies with the future; `begin` makes all of it anew.
        let run = AssertUnwindSafe(async { begin().await }).catch_unwind();
        if run.await.is_ok() {
            return;
        }
        if since.elapsed() >= HEALTHY_AFTER {
            pause = PAUSES.0;
        }
        metrics::job_restarted(name);
        tracing::error!(
            job = name,
            pause_seconds = pause.as_secs(),
            "background job panicked: restarting"
        );
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
        pause = PAUSES.1.min(2 * pause);
    }
}

#[cfg(test)]
mod tests;
