//! Tables: `_sqlx_migrations`, read only; [`crate::schema::migrate`] writes it.

use crate::db::{Db, DbError, Tx};
use crate::models::organizacao::Scope;

/// SQLSTATE codes (PostgreSQL manual, appendix A).
const UNDEFINED_TABLE: &str = "42P01";
const INVALID_PARAMETER_VALUE: &str = "22023";

/// Returns the version of the newest completed migration. Returns `None` if there is none, or if the schema
/// is empty.
///
/// Reads under a role like every other statement, because the login itself may read nothing.
///
/// # Errors
/// When the database does not answer, or does not let the login set the role.
pub async fn applied_version(db: &Db) -> Result<Option<i64>, DbError> {
    version_in(db.begin_read(&Scope::Maintenance)).await
}

/// Returns the same as [`applied_version`] for `/ready`, on a connection that requests cannot occupy.
///
/// # Errors
/// As for [`applied_version`].
pub async fn applied_version_for_readiness(db: &Db) -> Result<Option<i64>, DbError> {
    version_in(db.begin_readiness(&Scope::Maintenance)).await
}

async fn version_in(begin: impl Future<Output = Result<Tx, DbError>>) -> Result<Option<i64>, DbError> {
    let read = async {
        let mut tx = begin.await?;
        // Not a checked macro, because the migrator creates the table, not a migration.
        let version = sqlx::query_scalar("SELECT max(version) FILTER (WHERE success) FROM _sqlx_migrations")
            .fetch_one(tx.conn())
            .await?;
        Ok(version)
    };
    match read.await {
        // The table does not exist yet, or the role to set does not exist.
        Err(sqlx::Error::Database(e))
            if e.code()
                .is_some_and(|code| code == UNDEFINED_TABLE || code == INVALID_PARAMETER_VALUE) =>
        {
            Ok(None)
        }
        other => other,
    }
}
