//! Starts all background jobs, and restarts them after a panic: a defect must not end a job for the life of
//! the process. `tests/api/architecture.rs` checks that every job is started by it once.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use aponta_telemetry::metrics;

/// Pause before a restart: initial and maximum value.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Run time after which a job counts as healthy: its next panic restarts with the initial pause.
const HEALTHY_AFTER: Duration = Duration::from_mins(5);

/// Declares the jobs with their names in metrics and log.
macro_rules! jobs {
    ($($(#[doc = $what:literal])* $job:ident = $name:literal,)*) => {
        /// A background job.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Job {
            $($(#[doc = $what])* $job,)*
        }

        impl Job {
            /// All jobs.
            pub const ALL: &'static [Self] = &[$(Self::$job,)*];

            /// Returns the job's name in metrics and log.
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
    /// Reports addresses with omitted log lines.
    LogLineSweep = "log_line_sweep",
    /// Aggregates the measured durations.
    MetricsUpkeep = "metrics_upkeep",
    /// Verifies the identity of organisations.
    OrganizationCheck = "organization_check",
    /// Reads projects from Azure DevOps.
    ProjectSync = "project_sync",
    /// Removes full rate-limit buckets.
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

/// Runs jobs until it is stopped. Clones share this state; dropping one stops nothing.
#[derive(Debug, Clone, Default)]
pub struct Supervisor {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Supervisor {
    /// Creates a supervisor whose jobs run until `stop` is cancelled.
    #[must_use]
    pub fn until(stop: CancellationToken) -> Self {
        Self {
            stop,
            tasks: TaskTracker::new(),
        }
    }

    /// Runs `job` in a task of its own. `begin` creates the future at the start and after each panic. The
    /// stop cancels the future.
    pub fn spawn<F>(&self, job: Job, begin: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send,
    {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let _ = stop.run_until_cancelled(keep(job, &stop, begin)).await;
        });
    }

    /// Runs a job like [`spawn`](Self::spawn) that ends by itself at the stop and must not be cancelled.
    pub fn spawn_unbroken<F>(&self, job: Job, begin: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send,
    {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { keep(job, &stop, begin).await });
    }

    /// Requests all jobs to end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until the stop is requested and all jobs have ended.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Runs the job until it ends by itself. Restarts the job after a panic unless the stop comes first.
async fn keep<F: Future<Output = ()>>(job: Job, stop: &CancellationToken, mut begin: impl FnMut() -> F) {
    let name = job.name();
    metrics::job_started(name);
    let mut pause = PAUSES.0;
    loop {
        let since = Instant::now();
        // Partial state of the panicked run is dropped with the future; `begin` creates all state anew.
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
