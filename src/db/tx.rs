//! The only type of transaction, always with a scope of visible rows.

use std::time::Instant;

use super::conn::Conn;
use super::pool::Pool;
use super::roles::Roles;
use crate::models::organizacao::{ChaveOrganizacao, Scope};
use crate::telemetry::metrics;

/// A transaction under a role with row-level security; rolled back unless committed. Repositories accept only
/// this type, so no statement is executed without a scope.
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

    /// Begins a transaction in which the server refuses changes.
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

    /// Returns the connection, and the organisations for the statement's filter (`''` for rows without one):
    /// the first check, before row-level security. `None` means all organisations.
    pub fn parts(&mut self) -> (&mut Conn, Option<&[String]>) {
        (&mut self.conn, self.organizacoes.as_deref())
    }

    /// Returns the connection, for statements on tables without a tenant.
    pub fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }

    /// Commits the transaction.
    ///
    /// # Errors
    /// When the database goes down or a deferred constraint fails.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.conn.commit().await
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        metrics::transaction(self.pool, self.since.elapsed());
    }
}

/// Returns the statements that begin a transaction, as one message, and its visible organisations. Roles and
/// keys are validated and contain no quotes.
fn beginning(begin: &str, roles: &Roles, scope: &Scope) -> (String, Option<Vec<String>>) {
    let keys = |chaves: &[ChaveOrganizacao]| chaves.iter().map(ChaveOrganizacao::to_string).collect();
    let (role, visible, organizacoes) = match scope {
        Scope::Organizacoes {
            chaves,
            and_unassigned,
        } => {
            let mut list: Vec<String> = keys(chaves);
            // An empty name denotes rows without an organisation, as in the policies of the migration.
            list.extend(and_unassigned.then(String::new));
            (&roles.app, list.join(","), Some(list))
        }
        Scope::Everything => (&roles.app, "*".to_owned(), None),
        // An empty list must differ from no list; no organisation has this name.
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
