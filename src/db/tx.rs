//! The only kind of transaction there is: one that says whose rows it sees.

use std::time::Instant;

use super::conn::Conn;
use super::pool::Pool;
use super::roles::Roles;
use crate::models::organizacao::{ChaveOrganizacao, Scope};
use crate::telemetry::metrics;

/// A transaction under a role that row-level security binds; rolled back unless committed. Repositories take
/// nothing else, so no statement can be sent without a scope.
#[derive(Debug)]
pub struct Tx {
    conn: Conn,
    organizacoes: Option<Vec<String>>,
    pool: &'static str,
    since: Instant,
}

impl Tx {
    pub(super) async fn begin(pool: &Pool, roles: &Roles, scope: &Scope) -> Result<Self, sqlx::Error> {
        Self::begin_with("BEGIN", pool, roles, scope).await
    }

    /// Begins a transaction in which the server refuses every change.
    pub(super) async fn begin_read(pool: &Pool, roles: &Roles, scope: &Scope) -> Result<Self, sqlx::Error> {
        Self::begin_with("BEGIN READ ONLY", pool, roles, scope).await
    }

    async fn begin_with(begin: &str, pool: &Pool, roles: &Roles, scope: &Scope) -> Result<Self, sqlx::Error> {
        let (statements, organizacoes) = beginning(begin, roles, scope);
        let mut tx = Self {
            conn: pool.acquire().await?,
            organizacoes,
            pool: pool.name(),
            since: Instant::now(),
        };
        tx.conn.begin(statements).await?;
        Ok(tx)
    }

    /// Returns the connection, and the organisations that the statement should name (`''` for rows without
    /// one): the first wall, before row-level security. `None`: all of them.
    pub fn parts(&mut self) -> (&mut Conn, Option<&[String]>) {
        (&mut self.conn, self.organizacoes.as_deref())
    }

    /// Returns the connection, for statements on tables that belong to no tenant.
    pub fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }

    /// Makes the changes stay.
    ///
    /// # Errors
    /// When the database goes away or a deferred constraint fails.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.conn.commit().await
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        metrics::transaction(self.pool, self.since.elapsed());
    }
}

/// Returns the statements that begin a transaction, as one message, and the organisations that it sees. Roles
/// and keys are validated: none can hold a quote.
fn beginning(begin: &str, roles: &Roles, scope: &Scope) -> (String, Option<Vec<String>>) {
    let keys = |chaves: &[ChaveOrganizacao]| chaves.iter().map(ChaveOrganizacao::to_string).collect();
    let (role, visible, organizacoes) = match scope {
        Scope::Organizacoes {
            chaves,
            and_unassigned,
        } => {
            let mut list: Vec<String> = keys(chaves);
            // An empty name stands for no organisation; the migration that made the policies reads it so.
            list.extend(and_unassigned.then(String::new));
            (&roles.app, list.join(","), Some(list))
        }
        Scope::Everything => (&roles.app, "*".to_owned(), None),
        // A list that is empty must not read like none: no organisation has this name.
        Scope::Vault(chaves) if chaves.is_empty() => (&roles.maintenance, "-".to_owned(), Some(Vec::new())),
        Scope::Vault(chaves) => {
            let list = keys(chaves);
            (&roles.maintenance, list.join(","), Some(list))
        }
        Scope::Maintenance => {
            return (format!("{begin}; SET LOCAL ROLE {}", roles.maintenance), None);
        }
    };
    let statements = format!("{begin}; SET LOCAL ROLE {role}; SET LOCAL aponta.organizacoes = '{visible}'");
    (statements, organizacoes)
}
