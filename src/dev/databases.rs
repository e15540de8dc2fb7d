//! Creates and drops whole databases, for development and tests only.

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::config::Identifier;

/// Creates the database `name`, as a copy of `template` if given. An existing database is not changed.
pub(super) async fn create(
    server: &SecretString,
    name: &Identifier,
    template: Option<&Identifier>,
) -> Result<(), sqlx::Error> {
    let template = template.map(|t| format!(" TEMPLATE {t}")).unwrap_or_default();
    match execute(server, format!("CREATE DATABASE {name}{template}")).await {
        // SQLSTATE of duplicate_database.
        Err(sqlx::Error::Database(e)) if e.code().is_some_and(|code| code == "42P04") => Ok(()),
        other => other,
    }
}

/// Drops the database `name` and closes its connections.
pub(super) async fn drop(server: &SecretString, name: &Identifier) -> Result<(), sqlx::Error> {
    execute(server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

/// Executes a statement on a separate connection. DDL takes no parameters; the names in it are validated
/// identifiers.
async fn execute(server: &SecretString, statement: String) -> Result<(), sqlx::Error> {
    let options: PgConnectOptions = server.expose_secret().parse()?;
    let mut conn = options.connect().await?;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut conn).await?;
    conn.close().await
}
