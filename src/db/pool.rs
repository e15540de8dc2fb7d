//! One pool of connections: how it is set up, and what waiting for it costs. Which statements run is not its business.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};
use tokio::time::timeout;

use super::conn::Conn;
use super::keeper;
use crate::config::DatabaseConfig;
use crate::telemetry::metrics::{self, PoolState};

/// How much longer than a statement may take we wait for the server to say that it took too long.
const GRACE: Duration = Duration::from_secs(1);

/// What sets the pools of one process apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// Name in metrics and log.
    pub(super) name: &'static str,
    /// Connections kept open.
    pub(super) min: u32,
    /// How long somebody waits for a connection.
    pub(super) acquire_timeout: Duration,
    /// A connection that rested for longer is pinged before use.
    pub(super) ping_after: Duration,
}

/// Connections to one server. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    name: &'static str,
    inner: PgPool,
    acquire_timeout: Duration,
    /// How long anything may take that is asked of a connection.
    patience: Duration,
}

impl Pool {
    /// Connects when first used; the server may still be away.
    pub(super) fn connect_lazy(
        config: &DatabaseConfig,
        options: PgConnectOptions,
        settings: Settings,
    ) -> Self {
        let ping_after = settings.ping_after;
        let inner = PgPoolOptions::new()
            // The keeper sees to the minimum. sqlx would, too, with a patience of five minutes: attempts that the network swallowed
            // would hold their places for as long.
            .min_connections(0)
            .max_connections(config.pool_max)
            // Of an attempt to connect, which may go on when nobody waits for it any more.
            .acquire_timeout(2 * settings.acquire_timeout)
            .max_lifetime(config.max_lifetime)
            // No idle_timeout: connections above the minimum go with their lifetime.
            .idle_timeout(None)
            // A ping on each checkout costs up to 15 % of a small query; only a connection that
            // rested may have died unnoticed.
            .test_before_acquire(false)
            .before_acquire(move |conn, meta| {
                Box::pin(async move {
                    if meta.idle_for >= ping_after {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        let pool = Self {
            name: settings.name,
            inner,
            acquire_timeout: settings.acquire_timeout,
            patience: config.statement_timeout + GRACE,
        };
        pool.watch(keeper::watch(pool.clone(), settings.min));
        pool
    }

    /// A connection; fails when there is none within the acquire timeout.
    pub(super) async fn acquire(&self) -> Result<Conn, sqlx::Error> {
        let wait = metrics::pool_wait(self.name);
        let patience = self.patience;
        let mut attempt = Box::pin(self.inner.acquire());
        let acquired = timeout(self.acquire_timeout, &mut attempt)
            .await
            .unwrap_or_else(|_| {
                // It may be about to log in. Given up by everybody in turn, no attempt would ever succeed while servers are slow.
                tokio::spawn(async move { attempt.await.map(|inner| Conn::new(inner, patience)) });
                Err(sqlx::Error::PoolTimedOut)
            });
        match &acquired {
            Ok(_) => wait.served(),
            Err(sqlx::Error::PoolTimedOut) => wait.timed_out(),
            Err(_) => drop(wait),
        }
        acquired.map(|inner| Conn::new(inner, patience))
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn state(&self) -> PoolState {
        let idle = u32::try_from(self.inner.num_idle()).unwrap_or(u32::MAX);
        PoolState {
            pool: self.name,
            max: self.inner.options().get_max_connections(),
            idle,
            // The two numbers are read one after the other.
            used: self.inner.size().saturating_sub(idle),
        }
    }

    pub(super) fn size(&self) -> u32 {
        self.inner.size()
    }

    pub(super) async fn close(&self) {
        self.inner.close().await;
    }

    /// Goes on with `work` in a task of its own until the pool is closed.
    pub(super) fn watch<F: Future<Output = ()> + Send + 'static>(&self, work: F) {
        let mut closed = self.inner.close_event();
        tokio::spawn(async move {
            // The result says only that it closed.
            let _ = closed.do_until(work).await;
        });
    }
}
