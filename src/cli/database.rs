//! Waits for the database at start, migrates it, and explains failures to an operator.

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use sqlx::error::DatabaseError;
use sqlx::{ConnectOptions, Connection, Error};
use tokio::time::{sleep, timeout};

use crate::config::DatabaseConfig;
use crate::db::{Db, connect_options};
use crate::error::is_locked_out;
use crate::repositories::migrations;
use crate::schema::migrate as migrator;

/// Interval between two attempts to reach the database.
const RETRY: Duration = Duration::from_millis(500);

/// Waits for the database, then migrates it or, with `AUTO_MIGRATE=false`, checks that it is up to date.
pub(super) async fn prepare(config: &DatabaseConfig, db: &Db) -> anyhow::Result<()> {
    wait(config).await?;
    if config.auto_migrate {
        return migrate(config).await;
    }
    let applied = migrations::applied_version(db).await?;
    if applied < migrator::expected_version() {
        bail!("the database lacks migrations and AUTO_MIGRATE=false: run `aponta migrate` first");
    }
    Ok(())
}

/// Migrates the database.
pub(super) async fn migrate(config: &DatabaseConfig) -> anyhow::Result<()> {
    migrator::migrate(config)
        .await
        .map_err(|error| explain_lock(error.into(), config))
        .context("cannot migrate the database")
}

/// Adds instructions to a lock timeout; any other error is returned unchanged.
pub(super) fn explain_lock(error: anyhow::Error, config: &DatabaseConfig) -> anyhow::Error {
    if !is_locked_out(error.as_ref()) {
        return error;
    }
    let waited = config.lock_timeout.as_millis();
    error.context(format!(
        "another transaction has held a lock on a table for more than {waited} ms (DATABASE_LOCK_TIMEOUT_MS): \
         find it with SELECT * FROM pg_stat_activity WHERE wait_event_type = 'Lock' or state LIKE 'idle in%', \
         let it end, and run this command again"
    ))
}

/// Retries until the database answers, at most for the start-up timeout. A permanent refusal (password,
/// unknown database) fails at once.
async fn wait(config: &DatabaseConfig) -> anyhow::Result<()> {
    let deadline = Instant::now() + config.startup_timeout;
    loop {
        match probe(config).await {
            Ok(()) => return Ok(()),
            Err(problem) if problem.may_pass && Instant::now() < deadline => {
                tracing::warn!(problem = %problem.text, "waiting for the database");
                sleep(RETRY).await;
            }
            Err(problem) => bail!("the database does not answer: {}", problem.text),
        }
    }
}

/// Reason why the database cannot be used yet. Names the address, never the password.
struct Unreachable {
    /// `true` if a retry may succeed.
    may_pass: bool,
    text: String,
}

/// Connects once, outside any pool, because a pool's error would only report a timeout.
async fn probe(config: &DatabaseConfig) -> Result<(), Unreachable> {
    let options = connect_options(config, &config.url).map_err(|error| Unreachable {
        may_pass: false,
        text: explain(&error),
    })?;
    let place = format!("{}:{}", options.get_host(), options.get_port());
    let Ok(connected) = timeout(config.acquire_timeout, options.connect()).await else {
        return Err(Unreachable {
            may_pass: true,
            text: format!("{place}: no answer in time"),
        });
    };
    let conn = connected.map_err(|error| Unreachable {
        may_pass: !is_final(&error),
        text: format!("{place}: {}", explain(&error)),
    })?;
    conn.close().await.map_err(|error| Unreachable {
        may_pass: true,
        text: explain(&error),
    })
}

fn explain(error: &Error) -> String {
    match error {
        Error::Database(error) => error.message().to_owned(),
        Error::Io(error) if is_tls(error) => format!("TLS failed: {error}"),
        other => other.to_string(),
    }
}

/// Returns `true` if no retry can succeed: a refused login, an unknown database, a server without TLS or with
/// an untrusted certificate.
fn is_final(error: &Error) -> bool {
    match error {
        Error::Tls(_) => true,
        Error::Io(error) => is_tls(error),
        other => {
            // SQLSTATE classes: 28: authentication; 3D: no such database.
            let code = other.as_database_error().and_then(DatabaseError::code);
            code.is_some_and(|code| code.starts_with("28") || code.starts_with("3D"))
        }
    }
}

/// Returns `true` if TLS failed: sqlx wraps errors of rustls in this kind, and uses the kind for nothing
/// else.
fn is_tls(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}
