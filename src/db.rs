//! The connection pool and what keeps it healthy. SQL of tables lives in [`crate::repositories`].

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

/// Statements slower than this are logged.
const SLOW_STATEMENT: Duration = Duration::from_millis(250);

/// Wait beyond the statement timeout for the answer of the server, which says that the statement took too
/// long.
const GRACE: Duration = Duration::from_secs(1);

/// Maximum duration of a statement for `/ready`; a slower database is as good as none.
const READINESS_PATIENCE: Duration = Duration::from_millis(900);

/// Longest wait for the database at the end of the process.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The database as services see it: transactions, each with a scope. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    primary: Pool,
    /// One connection for `/ready` alone: a pool whose connections are all busy is no dead database, and
    /// would be as busy in every other replica.
    readiness: Pool,
    replica: Option<Replica>,
    roles: Arc<Roles>,
}

impl Db {
    /// Returns pools that connect when first used; the database may still be away.
    ///
    /// # Errors
    /// When an address is malformed.
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
        // The name in `pg_stat_activity` tells the connection of `/ready` from the others.
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

    /// Returns a connection outside any scope, under the login alone, which may read no table.
    ///
    /// # Errors
    /// When the pool has none within the acquire timeout.
    pub async fn acquire(&self) -> Result<Conn, sqlx::Error> {
        self.primary.acquire().await
    }

    /// Begins a transaction that sees the rows of `scope`, rolled back unless committed.
    ///
    /// # Errors
    /// As for [`acquire`](Self::acquire).
    pub async fn begin(&self, scope: &Scope) -> Result<Tx, sqlx::Error> {
        Tx::begin(&self.primary, &self.roles, scope).await
    }

    /// Begins a transaction that only reads the rows of `scope`; the server refuses anything else.
    ///
    /// # Errors
    /// As for [`acquire`](Self::acquire).
    pub async fn begin_read(&self, scope: &Scope) -> Result<Tx, sqlx::Error> {
        Tx::begin_read(&self.primary, &self.roles, scope).await
    }

    /// Begins a transaction that only reads, on the connection that is kept for `/ready`.
    ///
    /// # Errors
    /// As for [`acquire`](Self::acquire), and when a statement takes longer than a readiness check may.
    pub async fn begin_readiness(&self, scope: &Scope) -> Result<Tx, sqlx::Error> {
        Tx::begin_read(&self.readiness, &self.roles, scope).await
    }

    /// Begins a transaction that only reads, for lists and reports, which may be a second or two behind: on
    /// the read replica while it can be used, else on the primary.
    ///
    /// # Errors
    /// As for [`acquire`](Self::acquire).
    pub async fn begin_list(&self, scope: &Scope) -> Result<Tx, sqlx::Error> {
        if let Some(replica) = self.replica.as_ref().filter(|replica| replica.is_usable()) {
            match Tx::begin_read(&replica.pool, &self.roles, scope).await {
                Ok(tx) => return Ok(tx),
                // All its connections are in use: the primary takes the rest.
                Err(sqlx::Error::PoolTimedOut) => {}
                Err(error) => replica.set_usable(&Err(error.into())),
            }
        }
        self.begin_read(scope).await
    }

    /// Returns the roles that transactions run under.
    #[must_use]
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Closes all connections. Waits for those in use, but not for long: their requests were cut by now.
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

    /// Returns the figures of the pools of requests.
    pub fn pool_states(&self) -> impl Iterator<Item = PoolState> {
        let replica = self.replica.as_ref().map(|replica| replica.pool.state());
        std::iter::once(self.primary.state()).chain(replica)
    }
}

/// Returns the settings of every connection of the service to the server at `url`.
///
/// # Errors
/// When the address is malformed.
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
            // A transaction of ours that rests has lost its owner.
            ("idle_in_transaction_session_timeout", &statement_timeout),
            // A table that an import or an administrator locked must not hold every connection of the pool.
            ("lock_timeout", &lock_timeout),
            ("timezone", "UTC"),
            // A role or a database may have it off. An intention whose hours are at Azure DevOps already
            // would then be lost in a crash of the server.
            ("synchronous_commit", "on"),
            // Whatever the database's own is: changes count on a snapshot for each statement, taken after the
            // lock.
            ("default_transaction_isolation", "read committed"),
            // Arrays of few keys make PostgreSQL plan anew each time: up to 0.7 ms for a plan that is always
            // the same.
            ("plan_cache_mode", "force_generic_plan"),
            // Compiling takes longer than any statement of ours.
            ("jit", "off"),
        ])
        .log_statements(LevelFilter::Off)
        .log_slow_statements(LevelFilter::Warn, SLOW_STATEMENT))
}
