//! Connection pools and their health. SQL of tables is in [`crate::repositories`].

mod conn;
mod pool;
mod replica;
mod roles;
mod tx;

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tracing::log::LevelFilter;

use crate::config::DatabaseConfig;
use crate::models::organizacao::Scope;
use crate::telemetry::metrics::PoolState;
use pool::{Pool, Settings};
use replica::Replica;

pub use conn::Conn;
pub use roles::Roles;
pub use sqlx::Error as DbError;
pub use tx::Tx;

/// Minimum duration of a logged slow statement.
const SLOW_STATEMENT: Duration = Duration::from_millis(250);

/// Time to wait beyond the statement timeout for the server's response that reports the timeout.
const GRACE: Duration = Duration::from_secs(1);

/// Timeout of a statement for `/ready`; a slower database counts as unavailable.
const READINESS_PATIENCE: Duration = Duration::from_millis(900);

/// Maximum time to wait for connections to close at the end of the process.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Database access for services: transactions, each with a scope. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    primary: Pool,
    /// A separate connection for `/ready`: a pool without idle connections does not mean that the database is
    /// down, and the pools of other replicas would be equally busy.
    readiness: Pool,
    replica: Option<Replica>,
    roles: Arc<Roles>,
}

impl Db {
    /// Creates pools that connect on first use; the database may still be down.
    ///
    /// # Errors
    /// When a URL is malformed.
    pub fn connect_lazy(config: &DatabaseConfig) -> Result<Self, sqlx::Error> {
        let settings = Settings {
            name: "primary",
            min: config.pool_min,
            max: config.pool_max,
            acquire_timeout: config.acquire_timeout,
            patience: config.statement_timeout + GRACE,
            ping_after: config.idle_ping_after,
            max_lifetime: config.max_lifetime,
        };
        let for_readiness = Settings {
            name: "readiness",
            min: config.pool_min.min(1),
            max: 1,
            patience: READINESS_PATIENCE,
            ..settings
        };
        let server = connect_options(config, &config.url)?;
        // The application name in `pg_stat_activity` identifies the connection of `/ready`.
        let named = server
            .clone()
            .application_name(&format!("{}-ready", config.application_name));
        let primary = Pool::open(settings, settings.options(), server);
        Ok(Self {
            replica: Replica::connect_lazy(config, &primary, settings)?,
            readiness: Pool::open(for_readiness, for_readiness.options(), named),
            primary,
            roles: Arc::new(Roles::of(&config.schema)),
        })
    }

    /// Returns a connection outside any scope, under the login, which may read no table.
    ///
    /// # Errors
    /// When no connection becomes available within the acquire timeout.
    pub async fn acquire(&self) -> Result<Conn, sqlx::Error> {
        self.primary.acquire().await
    }

    /// Begins a transaction that sees the rows of `scope`. Without a commit it is rolled back.
    ///
    /// # Errors
    /// As for [`acquire`](Self::acquire).
    pub async fn begin(&self, scope: &Scope) -> Result<Tx, sqlx::Error> {
        Tx::begin(&self.primary, &self.roles, scope).await
    }

    /// Begins a read-only transaction on the rows of `scope`; the server refuses changes.
    ///
    /// # Errors
    /// As for [`acquire`](Self::acquire).
    pub async fn begin_read(&self, scope: &Scope) -> Result<Tx, sqlx::Error> {
        Tx::begin_read(&self.primary, &self.roles, scope).await
    }

    /// Begins a read-only transaction on the connection that is reserved for `/ready`.
    ///
    /// # Errors
    /// As for [`acquire`](Self::acquire), and when a statement exceeds the timeout of a readiness check.
    pub async fn begin_readiness(&self, scope: &Scope) -> Result<Tx, sqlx::Error> {
        Tx::begin_read(&self.readiness, &self.roles, scope).await
    }

    /// Begins a read-only transaction for lists and reports, which may be a second or two stale: on the read
    /// replica while it is usable, else on the primary.
    ///
    /// # Errors
    /// As for [`acquire`](Self::acquire).
    pub async fn begin_list(&self, scope: &Scope) -> Result<Tx, sqlx::Error> {
        if let Some(replica) = self.replica.as_ref().filter(|replica| replica.is_usable()) {
            match Tx::begin_read(&replica.pool, &self.roles, scope).await {
                Ok(tx) => return Ok(tx),
                // All connections of the replica are in use: the primary serves the request.
                Err(sqlx::Error::PoolTimedOut) => {}
                Err(error) => replica.set_usable(&Err(error.into())),
            }
        }
        self.begin_read(scope).await
    }

    /// Returns the roles of transactions.
    #[must_use]
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Closes all connections. Waits only briefly for connections in use, because their requests have been
    /// cut by then.
    pub async fn close(&self) {
        let pools = async {
            self.primary.close().await;
            self.readiness.close().await;
            if let Some(replica) = &self.replica {
                replica.close().await;
            }
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, pools).await.is_err() {
            tracing::warn!("database pool: connections did not close in time");
        }
    }

    /// Returns the state of the request pools.
    pub fn pool_states(&self) -> impl Iterator<Item = PoolState> {
        let replica = self.replica.as_ref().map(|replica| replica.pool.state());
        std::iter::once(self.primary.state()).chain(replica)
    }
}

/// Returns the options of every connection to the server at `url`.
///
/// # Errors
/// When the URL is malformed.
pub fn connect_options(config: &DatabaseConfig, url: &SecretString) -> Result<PgConnectOptions, sqlx::Error> {
    let statement_timeout = config.statement_timeout.as_millis().to_string();
    let lock_timeout = config.lock_timeout.as_millis().to_string();
    Ok(url
        .expose_secret()
        .parse::<PgConnectOptions>()?
        .application_name(&config.application_name)
        .options([
            ("search_path", config.schema.as_str()),
            ("statement_timeout", &statement_timeout),
            // An idle transaction of this service has lost its owner.
            ("idle_in_transaction_session_timeout", &statement_timeout),
            // A table locked by an import or an administrator must not block every connection of the pool.
            ("lock_timeout", &lock_timeout),
            ("timezone", "UTC"),
            // A role or a database may switch it off. A stored patch that Azure DevOps has already applied
            // would then be lost in a crash of the server.
            ("synchronous_commit", "on"),
            // Independent of the database's default: changes rely on a new snapshot per statement, taken
            // after the lock.
            ("default_transaction_isolation", "read committed"),
            // For arrays with few keys PostgreSQL plans each execution anew: up to 0.7 ms for a plan that is
            // always the same.
            ("plan_cache_mode", "force_generic_plan"),
            // Compilation takes longer than any statement of this service.
            ("jit", "off"),
        ])
        .log_statements(LevelFilter::Off)
        .log_slow_statements(LevelFilter::Warn, SLOW_STATEMENT))
}
