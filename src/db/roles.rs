//! The two roles that transactions run under. Neither owns a table nor can bypass row-level security.
//!
//! They are named after the schema (`<schema>_app`, `<schema>_maintenance`) but belong to the cluster: installations that share
//! one need schemas of different names. The login of the service must be a member of both; `aponta migrate` sees to it.

use sqlx::{AssertSqlSafe, PgConnection};

use super::conn::Conn;
use crate::config::Identifier;

/// Postfix of the role of callers: sees the rows of the organisations that the transaction names.
const APP: &str = "_app";
/// Postfix of the role of synchronisation, vault and sample data: sees every row.
const MAINTENANCE: &str = "_maintenance";

/// Names of the roles of one schema; validated identifiers, safe in SQL as they are.
#[derive(Debug, Clone)]
pub(super) struct Roles {
    pub(super) app: String,
    pub(super) maintenance: String,
}

impl Roles {
    pub(super) fn of(schema: &Identifier) -> Self {
        Self {
            app: format!("{schema}{APP}"),
            maintenance: format!("{schema}{MAINTENANCE}"),
        }
    }
}

/// Creates the roles unless they are there, and makes the login a member of them.
pub(super) async fn create(conn: &mut PgConnection, schema: &Identifier) -> Result<(), sqlx::Error> {
    let Roles { app, maintenance } = Roles::of(schema);
    for role in [app, maintenance] {
        // Asked first: a login without CREATEROLE may find everything prepared for it. Roles are shared by all databases
        // of the cluster, so another one may make them at this very moment.
        let statement = format!(
            "DO $$ BEGIN
                 IF to_regrole('{role}') IS NULL THEN
                     CREATE ROLE {role} NOLOGIN;
                 END IF;
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
             END $$;
             DO $$ BEGIN
                 -- From 16 on whoever creates a role is its member, but may neither set nor inherit it.
                 IF current_setting('server_version_num')::int >= 160000 THEN
                     IF NOT pg_has_role(current_user, '{role}', 'SET') OR NOT pg_has_role(current_user, '{role}', 'USAGE')
                     THEN
                         EXECUTE 'GRANT {role} TO CURRENT_USER WITH SET TRUE, INHERIT TRUE';
                     END IF;
                 ELSIF NOT pg_has_role(current_user, '{role}', 'MEMBER') THEN
                     GRANT {role} TO CURRENT_USER;
                 END IF;
             EXCEPTION WHEN unique_violation THEN NULL;
             END $$"
        );
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Lets the roles at the tables of the schema, and at no more than they need.
pub(super) async fn grant(conn: &mut PgConnection, schema: &Identifier) -> Result<(), sqlx::Error> {
    let Roles { app, maintenance } = Roles::of(schema);
    let statement = format!(
        "GRANT USAGE ON SCHEMA {schema} TO {app}, {maintenance};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {app}, {maintenance};
         REVOKE INSERT, UPDATE, DELETE ON _sqlx_migrations FROM {app}, {maintenance};
         DO $$ BEGIN
             IF to_regclass('auditoria') IS NOT NULL THEN
                 REVOKE UPDATE, DELETE ON auditoria FROM {app}, {maintenance};
             END IF;
         END $$"
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(conn).await?;
    Ok(())
}

/// What would let a transaction past row-level security: each in words for an operator.
pub(super) async fn gaps(conn: &mut Conn, roles: &Roles) -> Result<Vec<String>, sqlx::Error> {
    let mut gaps = Vec::new();
    for role in [&roles.app, &roles.maintenance] {
        let bypasses: bool = sqlx::query_scalar(
            "SELECT r.rolsuper OR r.rolbypassrls
                    OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid AND c.relnamespace = current_schema()::regnamespace)
               FROM pg_roles r WHERE r.rolname = $1",
        )
        .bind(role)
        .fetch_optional(&mut *conn)
        .await?
        .unwrap_or(true);
        if bypasses {
            gaps.push(format!("the role {role} could bypass row-level security"));
        }
    }
    let joined: bool = sqlx::query_scalar("SELECT pg_has_role($1, $2, 'MEMBER')")
        .bind(&roles.app)
        .bind(&roles.maintenance)
        .fetch_one(&mut *conn)
        .await?;
    if joined {
        gaps.push(format!(
            "the role {} is a member of {}",
            roles.app, roles.maintenance
        ));
    }
    let login: Option<String> = sqlx::query_scalar(
        "SELECT rolname::text FROM pg_roles WHERE rolname = session_user AND (rolsuper OR rolbypassrls)",
    )
    .fetch_optional(&mut *conn)
    .await?;
    gaps.extend(
        login.map(|login| format!("the login {login} could bypass row-level security, if it left its role")),
    );
    let open: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
          WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = 'organizacao'
            AND NOT (c.relrowsecurity AND c.relforcerowsecurity)",
    )
    .fetch_all(conn)
    .await?;
    gaps.extend(
        open.into_iter()
            .map(|table| format!("the table {table} has no forced row-level security")),
    );
    Ok(gaps)
}
