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
        let (statement, organizacoes) = match scope {
            Scope::Organizacoes(nomes) => {
                let nomes: Vec<String> = nomes.iter().map(NomeOrganizacao::to_string).collect();
                let list = nomes.join(",");
                let role = &roles.app;
                let statement =
                    format!("BEGIN; SET LOCAL ROLE {role}; SET LOCAL aponta.organizacoes = '{list}'");
                (statement, Some(nomes))
            }
            Scope::All => (format!("BEGIN; SET LOCAL ROLE {}", roles.maintenance), None),
        };
        let inner = pool.begin_with(AssertSqlSafe(statement)).await?;
        Ok(Self { inner, organizacoes })
    }

    /// The connection, and the organisations that the statement should name: the first wall, before row-level security.
    /// `None`: all of them.
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
