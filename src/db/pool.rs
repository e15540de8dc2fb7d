//! A pool of connections: sqlx's pool with a timeout for every answer, and its metrics.

use std::time::Duration;

use futures_util::future::join_all;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::time::timeout;

use super::conn::{Conn, no_answer};
use crate::telemetry::metrics::{self, PoolState};

/// Settings that differ between the pools of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// Name in metrics and log.
    pub(super) name: &'static str,
    /// Number of connections opened at the start.
    pub(super) min: u32,
    /// Maximum number of connections.
    pub(super) max: u32,
    /// Maximum time to wait for a connection.
    pub(super) acquire_timeout: Duration,
    /// Timeout of an answer.
    pub(super) patience: Duration,
    /// Idle time after which a connection is pinged before use.
    pub(super) ping_after: Duration,
    /// Age after which a connection is replaced.
    pub(super) max_lifetime: Duration,
}

impl Settings {
    /// Returns the settings for sqlx, whose own pings have no timeout: the ping before use is made here, and
    /// `Conn` limits the one on return. sqlx's minimum is not used, because it may wait five minutes for a
    /// login and occupies a place meanwhile.
    pub(super) fn options(self) -> PgPoolOptions {
        PgPoolOptions::new()
            .max_connections(self.max)
            .acquire_timeout(self.acquire_timeout)
            .max_lifetime(self.max_lifetime)
            .idle_timeout(None)
            .test_before_acquire(false)
            // A ping on each checkout costs up to 15 % of a small query; only an idle connection may have
            // died unnoticed.
            .before_acquire(move |conn, state| {
                Box::pin(async move {
                    if state.idle_for >= self.ping_after {
                        let pinged = timeout(self.patience, conn.ping()).await;
                        pinged.unwrap_or(Err(no_answer()))?;
                    }
                    Ok(true)
                })
            })
    }
}

/// Connections to one server. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    inner: PgPool,
    name: &'static str,
    patience: Duration,
}

impl Pool {
    /// Creates a pool whose first connections are opened in the background; the server may still be down.
    pub(super) fn open(settings: Settings, pool: PgPoolOptions, server: PgConnectOptions) -> Self {
        let inner = pool.connect_lazy_with(server);
        let opened = inner.clone();
        tokio::spawn(async move {
            join_all((0..settings.min).map(|_| opened.acquire())).await;
        });
        Self {
            inner,
            name: settings.name,
            patience: settings.patience,
        }
    }

    /// Returns a connection outside any transaction.
    ///
    /// # Errors
    /// [`sqlx::Error::PoolTimedOut`] when none becomes available within the acquire timeout.
    pub(super) async fn acquire(&self) -> Result<Conn, sqlx::Error> {
        let wait = metrics::pool_wait(self.name);
        let acquired = self.inner.acquire().await;
        match &acquired {
            Ok(_) => wait.served(),
            Err(sqlx::Error::PoolTimedOut) => wait.timed_out(),
            Err(_) => drop(wait),
        }
        Ok(Conn::new(acquired?, self.patience))
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
            used: self.inner.size().saturating_sub(idle),
        }
    }

    /// Closes idle connections now, and connections in use when they are returned.
    pub(super) async fn close(&self) {
        self.inner.close().await;
    }
}
