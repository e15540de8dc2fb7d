//! Tables: `_sqlx_migrations`, read only; [`crate::db::migrate`] writes it.

use crate::db::Conn;

/// PostgreSQL manual, appendix A.
const UNDEFINED_TABLE: &str = "42P01";

/// Version of the newest migration that was applied completely; `None` when none was, or the schema is still empty.
pub async fn applied_version(conn: &mut Conn) -> Result<Option<i64>, sqlx::Error> {
    // Not a macro: the migrator makes the table, no migration does.
    let version = sqlx::query_scalar("SELECT max(version) FILTER (WHERE success) FROM _sqlx_migrations");
    match version.fetch_one(conn).await {
        Err(sqlx::Error::Database(e)) if e.code().is_some_and(|code| code == UNDEFINED_TABLE) => Ok(None),
        other => other,
    }
}
