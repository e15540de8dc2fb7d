//! The only kind of transaction there is: one that says whose rows it sees.

use std::time::Instant;

use sqlx::{AssertSqlSafe, SqlSafeStr};

use super::conn::Conn;
use super::pool::Pool;
use super::roles::Roles;
use crate::models::organizacao::{NomeOrganizacao, Scope};
use crate::telemetry::metrics;

/// A transaction under a role that row-level security binds; rolled back unless committed. Repositories take nothing else,
/// so no statement can be sent without a scope.
#[derive(Debug)]
pub struct Tx {
    conn: Conn,
    organizacoes: Option<Vec<String>>,
    _timer: Timer,
}

/// Tells how long a transaction took, however it ends.
#[derive(Debug)]
struct Timer {
    pool: &'static str,
    since: Instant,
}

impl Drop for Timer {
    fn drop(&mut self) {
        metrics::transaction(self.pool, self.since.elapsed());
    }
}

impl Tx {
    pub(super) async fn begin(pool: &Pool, roles: &Roles, scope: &Scope) -> Result<Self, sqlx::Error> {
        // One round trip. Roles and names are validated; neither can hold a quote.
        let as_caller = |list: &str| {
            let role = &roles.app;
            format!("BEGIN; SET LOCAL ROLE {role}; SET LOCAL aponta.organizacoes = '{list}'")
        };
        let (statement, organizacoes) = match scope {
            Scope::Organizacoes {
                nomes,
                and_unassigned,
            } => {
                let mut list: Vec<String> = nomes.iter().map(NomeOrganizacao::to_string).collect();
                // An empty name stands for no organisation; the migration that made the policies reads it so.
                list.extend(and_unassigned.then(String::new));
                (as_caller(&list.join(",")), Some(list))
            }
            Scope::Everything => (as_caller("*"), None),
            Scope::Maintenance => (format!("BEGIN; SET LOCAL ROLE {}", roles.maintenance), None),
        };
        let mut conn = pool.acquire().await?;
        let timer = Timer {
            pool: pool.name(),
            since: Instant::now(),
        };
        conn.begin(AssertSqlSafe(statement).into_sql_str()).await?;
        Ok(Self {
            conn,
            organizacoes,
            _timer: timer,
        })
    }

    /// The connection, and the organisations that the statement should name (`''` for rows without one): the first wall, before
    /// row-level security. `None`: all of them.
    pub fn parts(&mut self) -> (&mut Conn, Option<&[String]>) {
        (&mut self.conn, self.organizacoes.as_deref())
    }

    /// The connection, for statements on tables that belong to no tenant.
    pub fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }

    /// Ends a transaction that only read. The answer does not wait for the ROLLBACK, as it would for a COMMIT.
    pub fn end_read(self) {
        self.conn.end_read();
    }

    /// Makes the changes stay.
    ///
    /// # Errors
    /// When the database goes away or a deferred constraint fails.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.conn.commit().await
    }
}
