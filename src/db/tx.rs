//! The only kind of transaction there is: one that says whose rows it sees.

use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, Transaction};

use super::roles::Roles;
use crate::models::organizacao::{NomeOrganizacao, Scope};

/// A transaction under a role that row-level security binds; rolled back unless committed. Repositories take nothing else,
/// so no statement can be sent without a scope.
#[derive(Debug)]
pub struct Tx {
    inner: Transaction<'static, Postgres>,
    organizacoes: Option<Vec<String>>,
}

impl Tx {
    pub(super) async fn begin(pool: &PgPool, roles: &Roles, scope: &Scope) -> Result<Self, sqlx::Error> {
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
        let inner = pool.begin_with(AssertSqlSafe(statement)).await?;
        Ok(Self { inner, organizacoes })
    }

    /// The connection, and the organisations that the statement should name (`''` for rows without one): the first wall, before
    /// row-level security. `None`: all of them.
    pub fn parts(&mut self) -> (&mut PgConnection, Option<&[String]>) {
        (&mut self.inner, self.organizacoes.as_deref())
    }

    /// The connection, for statements on tables that belong to no tenant.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.inner
    }

    /// Makes the changes stay; also the quickest way to end a read.
    ///
    /// # Errors
    /// When the database goes away or a deferred constraint fails.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.inner.commit().await
    }
}
