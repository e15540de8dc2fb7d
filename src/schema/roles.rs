//! Creates the roles of [`crate::db::Roles`] and grants them the privileges in `grants.sql`.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::db::{Db, DbError, Roles};

/// Tables without a tenant, which need no row-level security.
const TENANTLESS: &[&str] = &["_sqlx_migrations", "atividades_versao"];

/// Creates the roles unless they exist, and permits the login to set them.
pub(super) async fn create(conn: &mut PgConnection, roles: &Roles) -> Result<(), DbError> {
    for role in [&roles.app, &roles.maintenance] {
        let statement = include_str!("create_role.sql").replace("{role}", role);
        run(conn, statement).await?;
    }
    run(conn, named(include_str!("stop_inheriting.sql"), roles)).await
}

/// Grants the roles the privileges in `grants.sql`, and revokes all others.
pub(super) async fn grant(conn: &mut PgConnection, roles: &Roles) -> Result<(), DbError> {
    run(conn, named(include_str!("grants.sql"), roles)).await
}

/// Returns the reasons why row-level security is not effective for the roles of this database, as texts for
/// an operator; empty if it is effective.
///
/// # Errors
/// When the database does not answer.
pub async fn security_gaps(db: &Db) -> Result<Vec<String>, DbError> {
    let roles = db.roles();
    sqlx::query_scalar(include_str!("security_gaps.sql"))
        .bind(roles.schema.as_str())
        .bind(&roles.app)
        .bind(&roles.maintenance)
        .bind(TENANTLESS)
        .fetch_all(&mut db.acquire().await?)
        .await
}

/// Inserts the names, which are validated identifiers; DDL takes no parameters.
fn named(statement: &str, roles: &Roles) -> String {
    statement
        .replace("{schema}", roles.schema.as_str())
        .replace("{app}", &roles.app)
        .replace("{maintenance}", &roles.maintenance)
}

async fn run(conn: &mut PgConnection, statements: String) -> Result<(), DbError> {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::schema::migrate::MIGRATOR;

    /// Checks that `grants.sql` names every table: an omitted table would be inaccessible for the
    /// application's role.
    #[test]
    fn every_table_of_the_migrations_is_named() {
        let made = MIGRATOR.iter().flat_map(|migration| {
            let tables = migration.sql.as_str().split("CREATE TABLE ").skip(1);
            let names = tables.filter_map(|rest| rest.split_whitespace().next().map(str::to_owned));
            names.collect::<Vec<_>>()
        });
        let grants = include_str!("grants.sql");
        for table in made {
            let granted = grants.contains(&format!("ON {table} TO {{app}};"));
            let closed = grants.contains(&format!("ON {table} FROM {{app}};"));
            assert!(granted != closed, "{table}");
        }
    }
}
