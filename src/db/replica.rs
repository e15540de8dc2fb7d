//! A second server that lists and reports may read from: used while it answers and lags behind by no more than a watch's
//! turn, otherwise the primary is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::pool::{Pool, Settings};
use super::{DbError, connect_options};
use crate::config::DatabaseConfig;

/// Between two looks at the replica, and so how much older than the primary its rows may be, up to twice.
const INTERVAL: Duration = Duration::from_secs(1);
/// A request does not wait longer for the replica: the primary would have answered.
const PATIENCE: Duration = Duration::from_millis(250);

/// The read replica. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Replica {
    pub(super) pool: Pool,
    usable: Arc<AtomicBool>,
}

impl Replica {
    /// The replica that the configuration names, if it names one; compared with `primary` from now on.
    pub(super) fn connect_lazy(config: &DatabaseConfig, primary: &Pool) -> Result<Option<Self>, DbError> {
        let Some(url) = &config.read_url else {
            return Ok(None);
        };
        let settings = Settings {
            name: "replica",
            min: config.pool_min.min(1),
            acquire_timeout: PATIENCE.min(config.acquire_timeout),
            // A replica may go at any time without harm, if only nobody is sent to it any more.
            ping_after: Duration::ZERO,
        };
        let pool = Pool::connect_lazy(config, connect_options(config, url)?, settings)?;
        let replica = Self {
            pool,
            // Until it was compared with the primary it may be anything.
            usable: Arc::default(),
        };
        replica.pool.watch(watch(replica.clone(), primary.clone()));
        Ok(Some(replica))
    }

    pub(super) fn is_usable(&self) -> bool {
        self.usable.load(Ordering::Relaxed)
    }

    /// Notes whether it may be used; says so when that changes.
    pub(super) fn set_usable(&self, usable: bool, why: &dyn std::fmt::Display) {
        if self.usable.swap(usable, Ordering::Relaxed) != usable {
            if usable {
                tracing::info!("the read replica is used");
            } else {
                tracing::warn!(%why, "the read replica is left alone; the primary is read");
            }
        }
    }
}

/// Compares the two for as long as the replica's pool is open.
async fn watch(replica: Replica, primary: Pool) {
    // Where the primary stood a turn ago, which the replica must have reached by now.
    let mut reached = None;
    loop {
        match timeout(INTERVAL, has_reached(&replica.pool, reached.as_deref())).await {
            Ok(Ok(true)) => replica.set_usable(reached.is_some(), &""),
            Ok(Ok(false)) => replica.set_usable(false, &"it lags behind"),
            Ok(Err(error)) => replica.set_usable(false, &error),
            Err(_) => replica.set_usable(false, &"it does not answer in time"),
        }
        // With the primary away, what the replica had reached is all there is.
        if let Ok(Ok(position)) = timeout(INTERVAL, position(&primary)).await {
            reached = Some(position);
        }
        sleep(INTERVAL).await;
    }
}

/// Where the primary's log ends.
async fn position(primary: &Pool) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_current_wal_lsn()::text")
        .fetch_one(&mut primary.acquire().await?)
        .await
}

/// Whether the replica shows what the primary held at `position`; a server that is no standby holds what it holds.
async fn has_reached(replica: &Pool, position: Option<&str>) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, true)")
        .bind(position)
        .fetch_one(&mut replica.acquire().await?)
        .await
}
