//! The two roles that transactions run under. Neither owns a table nor can bypass row-level security.
//!
//! They are named after the schema (`<schema>_app`, `<schema>_maintenance`) but belong to the cluster:
//! installations that share one need schemas of different names. The login of the service may set both and
//! inherits from neither: a statement outside a transaction of ours sees no row. `aponta migrate` sees to it;
//! what each role may do is in [`grants`].

mod grants;

use sqlx::{AssertSqlSafe, PgConnection};

use super::conn::Conn;
use crate::config::Identifier;

pub(super) use grants::grant;

/// Postfix of the role of callers: sees the rows of the organisations that the transaction names.
const APP: &str = "_app";
/// Postfix of the role of synchronisation, vault and sample data: sees every row.
const MAINTENANCE: &str = "_maintenance";

/// Names of the roles of one schema; validated identifiers, safe in SQL as they are.
#[derive(Debug, Clone)]
pub(super) struct Roles {
    schema: Identifier,
    pub(super) app: String,
    pub(super) maintenance: String,
}

impl Roles {
    pub(super) fn of(schema: &Identifier) -> Self {
        Self {
            schema: schema.clone(),
            app: format!("{schema}{APP}"),
            maintenance: format!("{schema}{MAINTENANCE}"),
        }
    }
}

/// Creates the roles unless they are there, and lets the login set them.
pub(super) async fn create(conn: &mut PgConnection, schema: &Identifier) -> Result<(), sqlx::Error> {
    let Roles { app, maintenance, .. } = Roles::of(schema);
    for role in [&app, &maintenance] {
        // Asked first: a login without CREATEROLE may find everything prepared for it. Roles are shared by
        // all databases of the cluster, so another one may make them at this very moment.
        let statement = format!(
            "DO $$ BEGIN
                 IF to_regrole('{role}') IS NULL THEN
                     CREATE ROLE {role} NOLOGIN;
                 END IF;
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
             END $$;
             DO $$ BEGIN
                 -- A superuser may set every role and passes every wall: a membership would change nothing.
                 IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
                     RETURN;
                 END IF;
                 -- From 16 on each membership says whether it is inherited, and granting it again changes
                 -- that.
                 IF current_setting('server_version_num')::int >= 160000 THEN
                     IF NOT pg_has_role(current_user, '{role}', 'SET') OR pg_has_role(current_user, '{role}', 'USAGE') THEN
                         BEGIN
                             EXECUTE 'GRANT {role} TO CURRENT_USER WITH SET TRUE, INHERIT FALSE';
                         EXCEPTION WHEN insufficient_privilege THEN
                             -- An administrator prepared it, in a way that `gaps` reports.
                             IF NOT pg_has_role(current_user, '{role}', 'SET') THEN
                                 RAISE;
                             END IF;
                         END;
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
    stop_inheriting(conn, &app, &maintenance).await
}

/// Before 16, a role inherits from all roles that it is a member of or from none. A login that is a member of
/// others, too, is left as it is: it may need their rights. So is one without CREATEROLE, which cannot change
/// itself; `gaps` reports both.
async fn stop_inheriting(conn: &mut PgConnection, app: &str, maintenance: &str) -> Result<(), sqlx::Error> {
    let statement = format!(
        "DO $$ BEGIN
             IF current_setting('server_version_num')::int < 160000 AND EXISTS (
                 SELECT FROM pg_roles r
                  WHERE r.rolname = current_user AND r.rolinherit AND r.rolcreaterole AND NOT r.rolsuper
                    AND NOT EXISTS (SELECT FROM pg_auth_members m
                                     WHERE m.member = r.oid
                                       AND m.roleid NOT IN ('{app}'::regrole, '{maintenance}'::regrole))) THEN
                 ALTER ROLE CURRENT_USER NOINHERIT;
             END IF;
         END $$"
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(conn).await?;
    Ok(())
}

/// Returns what would let a transaction past row-level security, each in words for an operator. Names the
/// schema: to a login without its roles, `current_schema()` may be nothing.
pub(super) async fn gaps(conn: &mut Conn, roles: &Roles) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT gap FROM (
             SELECT 1, format('the role %s could bypass row-level security', named.role)
               FROM unnest(ARRAY[$2, $3]) AS named(role) LEFT JOIN pg_roles r ON r.rolname = named.role
              WHERE r.oid IS NULL OR r.rolsuper OR r.rolbypassrls
                 OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid AND c.relnamespace = to_regnamespace($1))
             UNION ALL
             SELECT 2, format('the role %s is a member of %s', $2, $3) WHERE pg_has_role($2, $3, 'MEMBER')
             UNION ALL
             SELECT 3, format('the login %s could bypass row-level security, if it left its role', rolname)
               FROM pg_roles WHERE rolname = session_user AND (rolsuper OR rolbypassrls)
             UNION ALL
             SELECT 4, format('the login %s inherits the rights of %s, and uses them wherever it forgets to set a role',
                              l.rolname, r.rolname)
               FROM pg_roles l JOIN pg_roles r ON r.rolname IN ($2, $3)
              WHERE l.rolname = session_user AND NOT l.rolsuper AND pg_has_role(l.oid, r.oid, 'USAGE')
             UNION ALL
             SELECT 5, format('the table %s has no forced row-level security', c.relname)
               FROM pg_class c
              WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p') AND c.relname <> ALL ($4)
                AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
         ) AS gaps(kind, gap)
         ORDER BY kind, gap",
    )
    .bind(roles.schema.as_str())
    .bind(&roles.app)
    .bind(&roles.maintenance)
    .bind(grants::TENANTLESS)
    .fetch_all(conn)
    .await
}
