//! The connection pool and what keeps it healthy. SQL of tables lives in [`crate::repositories`].

pub mod admin;
mod constraint;
mod keeper;
pub mod migrate;

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool, Postgres, Transaction};
use tracing::log::LevelFilter;

use crate::config::DatabaseConfig;

pub use constraint::OnConstraint;
pub use sqlx::{Error as DbError, PgConnection};

/// Statements slower than this are logged.
const SLOW_STATEMENT: Duration = Duration::from_millis(250);

/// How long the end of the process may wait for the database.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The database as services see it: a connection for reads, a transaction for writes.
#[derive(Debug, Clone)]
pub struct Db {
    pool: PgPool,
}

impl Db {
    /// A pool that connects when first used; the database may still be away.
    ///
    /// # Errors
    /// When the address is malformed.
    pub fn connect_lazy(config: &DatabaseConfig) -> Result<Self, sqlx::Error> {
        let idle_ping_after = config.idle_ping_after;
        let pool = PgPoolOptions::new()
            .min_connections(config.pool_min)
            .max_connections(config.pool_max)
            .acquire_timeout(config.acquire_timeout)
            .max_lifetime(config.max_lifetime)
            // No idle_timeout: connections above the minimum go with their lifetime.
            .idle_timeout(None)
            // A ping on each checkout costs up to 15 % of a small query; only a connection that
            // rested may have died unnoticed.
            .test_before_acquire(false)
            .before_acquire(move |conn, meta| {
                Box::pin(async move {
                    if meta.idle_for > idle_ping_after {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(connect_options(config)?);
        keeper::spawn(&pool);
        Ok(Self { pool })
    }

    /// A connection for statements that need no transaction.
    ///
    /// # Errors
    /// When the pool has none within the acquire timeout.
    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        self.pool.acquire().await
    }

    /// A transaction, rolled back unless committed.
    ///
    /// # Errors
    /// As for [`acquire`](Self::acquire).
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin().await
    }

    /// Closes all connections. Waits for those in use, but not for long: whoever used them was cut by now.
    pub async fn close(&self) {
        if tokio::time::timeout(CLOSE_TIMEOUT, self.pool.close())
            .await
            .is_err()
        {
            tracing::warn!("some database connections did not close in time");
        }
    }

    /// Connections open now, idle or in use.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.pool.size()
    }
}

/// How every connection of the service is set up.
fn connect_options(config: &DatabaseConfig) -> Result<PgConnectOptions, sqlx::Error> {
    let statement_timeout = config.statement_timeout.as_millis().to_string();
    Ok(config
        .connect_options()?
        .application_name(&config.application_name)
        .options([
            ("search_path", config.schema.as_str()),
            ("statement_timeout", &statement_timeout),
            // A transaction of ours that rests has lost its owner.
            ("idle_in_transaction_session_timeout", &statement_timeout),
            ("timezone", "UTC"),
        ])
        .log_statements(LevelFilter::Off)
        .log_slow_statements(LevelFilter::Warn, SLOW_STATEMENT))
}
