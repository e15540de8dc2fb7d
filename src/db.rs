//! The connection pool and what keeps it healthy. SQL of tables lives in [`crate::repositories`].

pub mod admin;
mod constraint;
mod keeper;
pub mod migrate;
mod roles;
mod tx;

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool, Postgres};
use tracing::log::LevelFilter;

use crate::config::DatabaseConfig;
use crate::models::organizacao::Scope;
use roles::Roles;

pub use constraint::OnConstraint;
pub use sqlx::{Error as DbError, PgConnection};
pub use tx::Tx;

/// Statements slower than this are logged.
const SLOW_STATEMENT: Duration = Duration::from_millis(250);

/// How long the end of the process may wait for the database.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The database as services see it: a connection for reads, a transaction for writes.
#[derive(Debug, Clone)]
pub struct Db {
    pool: PgPool,
    roles: Roles,
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
        let roles = Roles::of(&config.schema);
        Ok(Self { pool, roles })
    }

    /// A connection outside any scope, for what belongs to no tenant: the state of the migrations.
    ///
    /// # Errors
    /// When the pool has none within the acquire timeout.
    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        self.pool.acquire().await
    }

    /// A transaction that sees the rows of `scope`, rolled back unless committed.
    ///
    /// # Errors
    /// As for [`acquire`](Self::acquire).
    pub async fn begin(&self, scope: &Scope) -> Result<Tx, sqlx::Error> {
        Tx::begin(&self.pool, &self.roles, scope).await
    }

    /// Why row-level security would not hold against the roles of this database, if so.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn security_gaps(&self) -> Result<Vec<String>, sqlx::Error> {
        roles::gaps(&mut *self.acquire().await?, &self.roles).await
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

/// Why the database cannot be used yet, in words for an operator; says where, never with which password.
#[derive(Debug)]
pub struct Unreachable {
    /// Whether it may help to wait.
    pub may_pass: bool,
    text: String,
}

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Connects once, outside any pool, whose own error would only tell that it waited.
///
/// # Errors
/// When the database does not let us in within the acquire timeout.
pub async fn probe(config: &DatabaseConfig) -> Result<(), Unreachable> {
    let explain = |error: &sqlx::Error| match error {
        sqlx::Error::Database(e) => e.message().to_owned(),
        other => other.to_string(),
    };
    let attempt = async {
        let options = connect_options(config)?;
        let place = format!("{}:{}", options.get_host(), options.get_port());
        let connected = tokio::time::timeout(config.acquire_timeout, options.connect()).await;
        Ok((place, connected.unwrap_or(Err(sqlx::Error::PoolTimedOut))))
    };
    match attempt.await {
        Ok((_, Ok(conn))) => conn.close().await.map_err(|e| Unreachable {
            may_pass: true,
            text: explain(&e),
        }),
        Ok((place, Err(sqlx::Error::PoolTimedOut))) => Err(Unreachable {
            may_pass: true,
            text: format!("{place}: no answer in time"),
        }),
        Ok((place, Err(error))) => {
            // 28: authentication; 3D: no such database.
            let code = error
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::code);
            let final_word = code.is_some_and(|code| code.starts_with("28") || code.starts_with("3D"));
            Err(Unreachable {
                may_pass: !final_word,
                text: format!("{place}: {}", explain(&error)),
            })
        }
        Err(error) => Err(Unreachable {
            may_pass: false,
            text: explain(&error),
        }),
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
