//! A second server that lists and reports may read from: used while it is a standby that answers and lags
//! behind by no more than a watch's turn, otherwise the primary is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{sleep, timeout};

use super::pool::{Pool, Settings};
use super::{DbError, GRACE, connect_options};
use crate::config::DatabaseConfig;
use crate::supervisor::{Job, Supervisor};
use crate::telemetry::metrics;

/// Between two looks at the replica, and so how much older than the primary its rows may be, up to twice.
const INTERVAL: Duration = Duration::from_secs(1);
/// A request does not wait longer for the replica: the primary would have answered.
const PATIENCE: Duration = Duration::from_millis(250);

/// Why a server is never read, however well it answers.
const NO_STANDBY: &str = "the server is no standby";

/// The read replica. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Replica {
    pub(super) pool: Pool,
    usable: Arc<AtomicBool>,
    /// Whether a connection was refused because its server is no standby.
    refused: Arc<AtomicBool>,
    background: Supervisor,
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
            max: config.pool_max,
            acquire_timeout: PATIENCE.min(config.acquire_timeout),
            patience: config.statement_timeout + GRACE,
            // A replica may go at any time without harm, if only nobody is sent to it any more.
            ping_after: Duration::ZERO,
        };
        let refused = Arc::<AtomicBool>::default();
        let noted = Arc::clone(&refused);
        // The address may lead to another server with each connection, and to one that was promoted.
        let options = Pool::options(config, settings).after_connect(move |conn, _| {
            let noted = Arc::clone(&noted);
            Box::pin(async move {
                let required = require_standby(conn).await;
                noted.store(required.is_err(), Ordering::Relaxed);
                required
            })
        });
        let replica = Self {
            pool: Pool::build(options, connect_options(config, url)?, settings),
            // Until it was compared with the primary it may be anything.
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

    /// Notes whether it may be used; says so when that changes.
    pub(super) fn set_usable(&self, usable: bool, why: &dyn std::fmt::Display) {
        metrics::replica_used(usable);
        let before = self.usable.swap(usable, Ordering::Relaxed);
        if before != usable && usable {
            tracing::info!("the read replica is used");
        } else if before != usable {
            tracing::warn!(%why, "the read replica is left alone; the primary is read");
        }
    }
}

/// A replica that is not watched any more is not trusted: a panic of the watch leaves it alone.
struct Distrust(Replica);

impl Drop for Distrust {
    fn drop(&mut self) {
        self.0.usable.store(false, Ordering::Relaxed);
        metrics::replica_used(false);
    }
}

/// Compares the two for as long as the replica's pool is open.
async fn watch(replica: Replica, primary: Pool) {
    let _distrust = Distrust(replica.clone());
    // Where the primary stood a turn ago, which the replica must have reached by now.
    let mut reached = None;
    let mut refused = false;
    loop {
        let seen = match timeout(INTERVAL, look(&replica.pool, reached.as_deref())).await {
            Ok(seen) => seen.unwrap_or_else(Seen::Failed),
            Err(_) => Seen::Silent,
        };
        note(&replica, &seen, reached.is_some(), &mut refused);
        // With the primary away, what the replica had reached is all there is.
        if let Ok(Ok(position)) = timeout(INTERVAL, position(&primary)).await {
            reached = Some(position);
        }
        sleep(INTERVAL).await;
    }
}

/// What one look at the replica found.
enum Seen {
    /// It shows what the primary held a turn ago.
    CaughtUp,
    Behind,
    /// It is a server of its own: its rows may be of any day and of any installation.
    NoStandby,
    Failed(sqlx::Error),
    Silent,
}

/// Says once that the address is wrong: such a replica was never used, so that nothing changes.
fn note(replica: &Replica, seen: &Seen, was_compared: bool, refused: &mut bool) {
    let is_no_standby = match seen {
        Seen::NoStandby => true,
        Seen::Failed(_) | Seen::Silent => replica.refused.load(Ordering::Relaxed),
        Seen::CaughtUp | Seen::Behind => false,
    };
    if is_no_standby && !std::mem::replace(refused, true) {
        tracing::warn!("DATABASE_READ_URL names a server that is no standby; the primary is read");
    }
    match seen {
        Seen::CaughtUp => {
            *refused = false;
            replica.set_usable(was_compared, &"it was not compared yet");
        }
        Seen::Behind => replica.set_usable(false, &"it lags behind"),
        Seen::NoStandby => replica.set_usable(false, &NO_STANDBY),
        Seen::Failed(error) => replica.set_usable(false, error),
        Seen::Silent => replica.set_usable(false, &"it does not answer in time"),
    }
}

/// Where the primary's log ends.
async fn position(primary: &Pool) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_current_wal_lsn()::text")
        .fetch_one(&mut primary.acquire().await?)
        .await
}

/// Whether the replica is a standby, and shows what the primary held at `position`. A standby that was
/// promoted keeps its connections, so each look asks again.
async fn look(replica: &Pool, position: Option<&str>) -> Result<Seen, sqlx::Error> {
    let (is_standby, has_reached): (bool, bool) = sqlx::query_as(
        "SELECT pg_is_in_recovery(), coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, true)",
    )
    .bind(position)
    .fetch_one(&mut replica.acquire().await?)
    .await?;
    Ok(match (is_standby, has_reached) {
        (false, _) => Seen::NoStandby,
        (true, false) => Seen::Behind,
        (true, true) => Seen::CaughtUp,
    })
}

/// Refuses a connection to a server that is no standby.
pub(super) async fn require_standby(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    let is_standby: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()")
        .fetch_one(conn)
        .await?;
    if is_standby {
        Ok(())
    } else {
        Err(sqlx::Error::Configuration(NO_STANDBY.into()))
    }
}
