//! One pool of connections: sqlx's, with a limit to every wait for a connection's answer, and its figures.

use std::time::Duration;

use futures_util::future::join_all;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use super::conn::{Conn, no_answer};
use crate::config::DatabaseConfig;
use crate::telemetry::metrics::{self, PoolState};

/// What sets the pools of one process apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// Name in metrics and log.
    pub(super) name: &'static str,
    /// Connections opened at the start.
    pub(super) min: u32,
    /// Maximum number of connections.
    pub(super) max: u32,
    /// Longest wait for a connection.
    pub(super) acquire_timeout: Duration,
    /// Longest wait for an answer.
    pub(super) patience: Duration,
    /// A connection that was idle for longer is pinged before use.
    pub(super) ping_after: Duration,
}

/// Connections to one server. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    inner: PgPool,
    settings: Settings,
}

impl Pool {
    /// Connects when first used; the server may still be away.
    pub(super) fn connect_lazy(
        config: &DatabaseConfig,
        options: PgConnectOptions,
        settings: Settings,
    ) -> Self {
        Self::build(Self::options(config, settings), options, settings)
    }

    pub(super) fn build(pool: PgPoolOptions, options: PgConnectOptions, settings: Settings) -> Self {
        let pool = Self {
            inner: pool.connect_lazy_with(options),
            settings,
        };
        tokio::spawn(warm(pool.clone()));
        pool
    }

    /// sqlx pings without a time limit, so that the test before use is ours; `Conn` limits the one afterwards. Its minimum is
    /// not used: it may wait five minutes for a login, and holds a place meanwhile.
    pub(super) fn options(config: &DatabaseConfig, settings: Settings) -> PgPoolOptions {
        let Settings {
            patience, ping_after, ..
        } = settings;
        PgPoolOptions::new()
            .max_connections(settings.max)
            .acquire_timeout(settings.acquire_timeout)
            .max_lifetime(config.max_lifetime)
            .idle_timeout(None)
            .test_before_acquire(false)
            // A ping on each checkout costs up to 15 % of a small query; only an idle connection may have died unnoticed.
            .before_acquire(move |conn, state| {
                Box::pin(async move {
                    if state.idle_for >= ping_after {
                        ping(conn, patience).await?;
                    }
                    Ok(true)
                })
            })
    }

    /// Returns a connection outside any transaction.
    ///
    /// # Errors
    /// [`sqlx::Error::PoolTimedOut`] when there is none within the acquire timeout.
    pub(super) async fn acquire(&self) -> Result<Conn, sqlx::Error> {
        let wait = metrics::pool_wait(self.settings.name);
        let acquired = self.inner.acquire().await;
        match &acquired {
            Ok(_) => wait.served(),
            Err(sqlx::Error::PoolTimedOut) => wait.timed_out(),
            Err(_) => drop(wait),
        }
        Ok(Conn::new(acquired?, self.settings.patience))
    }

    pub(super) fn name(&self) -> &'static str {
        self.settings.name
    }

    pub(super) fn state(&self) -> PoolState {
        let idle = u32::try_from(self.inner.num_idle()).unwrap_or(u32::MAX);
        PoolState {
            pool: self.settings.name,
            max: self.settings.max,
            idle,
            used: self.inner.size().saturating_sub(idle),
        }
    }

    pub(super) fn size(&self) -> u32 {
        self.inner.size()
    }

    /// Closes idle connections now and busy ones when they are returned.
    pub(super) async fn close(&self) {
        self.inner.close().await;
    }
}

/// Opens the first connections before a request needs them.
async fn warm(pool: Pool) {
    let opened = (0..pool.settings.min).map(|_| pool.inner.acquire());
    drop(join_all(opened).await);
}

async fn ping(conn: &mut PgConnection, patience: Duration) -> Result<(), sqlx::Error> {
    timeout(patience, conn.ping()).await.unwrap_or(Err(no_answer()))
}
