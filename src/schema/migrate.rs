//! Applies migrations. Safe when several replicas start together: one migrates, the others wait.

use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::roles;
use crate::config::{DatabaseConfig, Identifier};
use crate::db::{Roles, connect_options};

/// All migrations, embedded in the binary.
pub static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("./migrations");
    // The lock of this module also covers the creation of the schema.
    migrator.set_locking(false);
    // During a rollout of a newer release, a replica of this one may restart: migrations only expand.
    migrator.set_ignore_missing(true);
    migrator
});

/// Interval between two attempts to take the lock while another replica migrates.
const LOCK_RETRY: Duration = Duration::from_millis(100);

/// Returns the schema version that this binary expects.
#[must_use]
pub fn expected_version() -> Option<i64> {
    MIGRATOR.iter().map(|m| m.version).max()
}

/// Creates the schema if necessary and applies missing migrations.
///
/// # Errors
/// When the database is down or a migration fails; completed migrations remain applied.
pub async fn migrate(config: &DatabaseConfig) -> Result<(), MigrateError> {
    // A migration may run longer than the pool's statement timeout.
    let mut options = connect_options(config, &config.url)?.options([
        ("statement_timeout", "0"),
        // Hides notices such as "already exists, skipping".
        ("client_min_messages", "warning"),
    ]);
    options = options.application_name(&format!("{}-migrate", config.application_name));
    let mut conn = options.connect().await?;
    let outcome = migrate_locked(&mut conn, config).await;
    // Closing the connection releases the lock in any case; the server would also detect a broken connection.
    let closed = conn.close().await;
    outcome?;
    Ok(closed?)
}

async fn migrate_locked(conn: &mut PgConnection, config: &DatabaseConfig) -> Result<(), MigrateError> {
    lock(conn, config).await?;
    create_schema(conn, &config.schema).await?;
    // Policies refer to the roles, and grants need the tables.
    let names = Roles::of(&config.schema);
    roles::create(conn, &names).await?;
    MIGRATOR.run_direct(None, conn, false).await?;
    // A newer release has granted the privileges for its own code; a restarted replica of this release must
    // not revoke them during the rollout.
    let applied: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&mut *conn)
        .await?;
    if applied > expected_version() {
        return Ok(());
    }
    Ok(roles::grant(conn, &names).await?)
}

/// Creates the schema unless it exists. `IF NOT EXISTS` would require the privilege to create schemas even
/// for an existing schema.
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
/// holds a snapshot, which blocks `CREATE INDEX CONCURRENTLY` of the replica that holds the lock.
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
