//! Read replica for lists and reports: used while it is a standby that answers with a lag of at most one
//! check interval; otherwise the primary is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::pool::{Pool, Settings};
use super::{DbError, connect_options};
use crate::config::DatabaseConfig;
use crate::supervisor::{Job, Supervisor};
use crate::telemetry::metrics;

/// Interval between two checks of the replica; its rows may be stale by up to twice that.
const INTERVAL: Duration = Duration::from_secs(1);
/// Maximum time that a request waits for a connection to the replica, before it uses the primary.
const PATIENCE: Duration = Duration::from_millis(250);

/// Reason why the replica is not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("replication lag not measured yet")]
    NotCompared,
    #[error("replication lag")]
    Behind,
    /// The server is not a standby: its rows may be of any age and of any installation.
    #[error("server is not a standby")]
    NoStandby,
    #[error("timed out")]
    Silent,
    #[error(transparent)]
    Failed(#[from] sqlx::Error),
}

/// The read replica. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Replica {
    pub(super) pool: Pool,
    usable: Arc<AtomicBool>,
    /// `true` while the last new connection was refused because its server is not a standby.
    refused: Arc<AtomicBool>,
    background: Supervisor,
}

impl Replica {
    /// Creates the replica at `DATABASE_READ_URL`, if that is set, and starts the comparison with `primary`.
    pub(super) fn connect_lazy(
        config: &DatabaseConfig,
        primary: &Pool,
        like: Settings,
    ) -> Result<Option<Self>, DbError> {
        let Some(url) = &config.read_url else {
            return Ok(None);
        };
        let settings = Settings {
            name: "replica",
            min: config.pool_min.min(1),
            acquire_timeout: PATIENCE.min(config.acquire_timeout),
            // A replica may disappear at any time without harm, provided that no more requests are sent to
            // it.
            ping_after: Duration::ZERO,
            ..like
        };
        let refused = Arc::<AtomicBool>::default();
        let noted = Arc::clone(&refused);
        // Each new connection may reach another server, or one that was promoted.
        let options = settings.options().after_connect(move |conn, _| {
            let noted = Arc::clone(&noted);
            Box::pin(async move {
                let is_standby = sqlx::query_scalar("SELECT pg_is_in_recovery()");
                let is_standby: bool = is_standby.fetch_one(conn).await?;
                noted.store(!is_standby, Ordering::Relaxed);
                let refusal = || DbError::Configuration(Unusable::NoStandby.into());
                is_standby.then_some(()).ok_or_else(refusal)
            })
        });
        let replica = Self {
            pool: Pool::open(settings, options, connect_options(config, url)?),
            // Until the first comparison with the primary it may be any server.
            usable: Arc::default(),
            refused,
            background: Supervisor::default(),
        };
        let (watched, primary) = (replica.clone(), primary.clone());
        let begin = move || watch(watched.clone(), primary.clone());
        replica.background.spawn(Job::ReplicaWatch, begin);
        metrics::replica_used(false);
        Ok(Some(replica))
    }

    pub(super) async fn close(&self) {
        self.background.stop();
        self.pool.close().await;
    }

    pub(super) fn is_usable(&self) -> bool {
        self.usable.load(Ordering::Relaxed)
    }

    /// Enables or disables reads from the replica; logs each change.
    pub(super) fn set_usable(&self, found: &Result<(), Unusable>) {
        let usable = found.is_ok();
        metrics::replica_used(usable);
        let changed = self.usable.swap(usable, Ordering::Relaxed) != usable;
        match found {
            Ok(()) if changed => tracing::info!("read replica in use"),
            Err(why) if changed => {
                tracing::warn!(%why, "read replica unusable: reading from the primary");
            }
            _ => {}
        }
    }

    /// Checks that the server is a standby and has replayed the primary's log up to `position`. A promoted
    /// standby retains its connections, so each check queries the role again.
    async fn check(&self, position: Option<&str>) -> Result<(), Unusable> {
        let (is_standby, has_reached): (bool, bool) = sqlx::query_as(
            "SELECT pg_is_in_recovery(), coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, true)",
        )
        .bind(position)
        .fetch_one(&mut self.pool.acquire().await?)
        .await?;
        match (is_standby, has_reached, position) {
            (false, ..) => Err(Unusable::NoStandby),
            (true, false, _) => Err(Unusable::Behind),
            (true, true, None) => Err(Unusable::NotCompared),
            (true, true, Some(_)) => Ok(()),
        }
    }
}

/// Guard that disables the replica when its watch ends, also by a panic.
struct DisableOnDrop(Replica);

impl Drop for DisableOnDrop {
    fn drop(&mut self) {
        self.0.usable.store(false, Ordering::Relaxed);
        metrics::replica_used(false);
    }
}

/// Compares the replica with the primary until the replica is closed.
async fn watch(replica: Replica, primary: Pool) {
    let _disable_on_drop = DisableOnDrop(replica.clone());
    // Log position of the primary one interval ago, which the replica must have replayed by now.
    let mut reached = None;
    let mut warned = false;
    loop {
        let found = timeout(INTERVAL, replica.check(reached.as_deref())).await;
        let found = match found.unwrap_or(Err(Unusable::Silent)) {
            // sqlx retries a refused connection until the timeout.
            Err(Unusable::Failed(_) | Unusable::Silent) if replica.refused.load(Ordering::Relaxed) => {
                Err(Unusable::NoStandby)
            }
            found => found,
        };
        // A server that is not a standby was never used, so that `set_usable` has no change to log.
        if matches!(found, Err(Unusable::NoStandby)) {
            if !std::mem::replace(&mut warned, true) {
                tracing::warn!("DATABASE_READ_URL is not a standby: reading from the primary");
            }
        } else if matches!(found, Ok(()) | Err(Unusable::NotCompared)) {
            warned = false;
        }
        replica.set_usable(&found);
        // While the primary is down, the last known position remains the reference.
        if let Ok(Ok(position)) = timeout(INTERVAL, position(&primary)).await {
            reached = Some(position);
        }
        sleep(INTERVAL).await;
    }
}

/// Returns the end of the primary's write-ahead log.
async fn position(primary: &Pool) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_current_wal_lsn()::text")
        .fetch_one(&mut primary.acquire().await?)
        .await
}
