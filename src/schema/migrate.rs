//! Brings the schema up to date. Safe when several replicas start together: one migrates, the others wait.

use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::roles;
use crate::config::{DatabaseConfig, Identifier};
use crate::db::{Roles, connect_options};

/// All migrations, built into the binary.
pub static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("./migrations");
    // Our own lock also covers the creation of the schema.
    migrator.set_locking(false);
    // While a newer release rolls out, a replica of this one may restart: migrations only expand.
    migrator.set_ignore_missing(true);
    migrator
});

/// Interval between two attempts to take the lock while another replica migrates.
const LOCK_RETRY: Duration = Duration::from_millis(100);

/// Returns the version that the code of this binary expects.
#[must_use]
pub fn expected_version() -> Option<i64> {
    MIGRATOR.iter().map(|m| m.version).max()
}

/// Creates the schema if need be and applies what is missing.
///
/// # Errors
/// When the database is away or a migration fails; what was applied before stays applied.
pub async fn migrate(config: &DatabaseConfig) -> Result<(), MigrateError> {
    // A migration may run for long; the pool's statement timeout would kill it.
    let mut options = connect_options(config, &config.url)?.options([
        ("statement_timeout", "0"),
        // "already exists, skipping" is no news.
        ("client_min_messages", "warning"),
    ]);
    options = options.application_name(&format!("{}-migrate", config.application_name));
    let mut conn = options.connect().await?;
    let outcome = migrate_locked(&mut conn, config).await;
    // Closing releases the lock, whatever happened; the server would notice a connection that just ends, too.
    let closed = conn.close().await;
    outcome?;
    Ok(closed?)
}

async fn migrate_locked(conn: &mut PgConnection, config: &DatabaseConfig) -> Result<(), MigrateError> {
    lock(conn, config).await?;
    create_schema(conn, &config.schema).await?;
    // Policies name the roles; the grants need the tables.
    let names = Roles::of(&config.schema);
    roles::create(conn, &names).await?;
    MIGRATOR.run_direct(None, conn, false).await?;
    // A newer release has said what its code may do; while it rolls out, a replica of this one that restarts
    // must not take that back.
    let applied: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&mut *conn)
        .await?;
    if applied > expected_version() {
        return Ok(());
    }
    Ok(roles::grant(conn, &names).await?)
}

/// Creates the schema unless it is there. `IF NOT EXISTS` demands the right to create schemas even when there
/// is nothing to create.
async fn create_schema(conn: &mut PgConnection, schema: &Identifier) -> Result<(), sqlx::Error> {
    // The name is a validated identifier; DDL takes no parameters.
    let create = format!(
        "DO $$ BEGIN
             IF to_regnamespace('{schema}') IS NULL THEN CREATE SCHEMA {schema}; END IF;
         END $$"
    );
    sqlx::raw_sql(AssertSqlSafe(create)).execute(conn).await?;
    Ok(())
}

/// Takes the session lock of this schema. Retries instead of waiting inside the database: a waiting session
/// holds a snapshot, which blocks `CREATE INDEX CONCURRENTLY` of the replica that has the lock.
async fn lock(conn: &mut PgConnection, config: &DatabaseConfig) -> Result<(), sqlx::Error> {
    let key = format!("aponta.migrate.{}", config.schema);
    let mut announced = false;
    loop {
        let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))")
            .bind(&key)
            .fetch_one(&mut *conn)
            .await?;
        if locked {
            return Ok(());
        }
        if !announced {
            tracing::info!("waiting for the migration lock: another process is migrating this schema");
            announced = true;
        }
        tokio::time::sleep(LOCK_RETRY).await;
    }
}
