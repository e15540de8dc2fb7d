//! The only kinds of transaction there are: those that say whose rows they see.

use std::ops::{Deref, DerefMut};
use std::time::Instant;

use super::conn::Conn;
use super::pool::Pool;
use super::roles::Roles;
use crate::models::organizacao::{ChaveOrganizacao, Scope};
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

impl Timer {
    fn start(pool: &Pool) -> Self {
        Self {
            pool: pool.name(),
            since: Instant::now(),
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        metrics::transaction(self.pool, self.since.elapsed());
    }
}

impl Tx {
    pub(super) async fn begin(pool: &Pool, roles: &Roles, scope: &Scope) -> Result<Self, sqlx::Error> {
        Self::begin_with("BEGIN", pool, roles, scope).await
    }

    async fn begin_with(begin: &str, pool: &Pool, roles: &Roles, scope: &Scope) -> Result<Self, sqlx::Error> {
        let Caller {
            beginning,
            organizacoes,
        } = Caller::new(begin, roles, scope);
        let mut conn = pool.acquire().await?;
        let timer = Timer::start(pool);
        conn.begin(beginning).await?;
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

    /// Makes the changes stay.
    ///
    /// # Errors
    /// When the database goes away or a deferred constraint fails.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.conn.commit().await
    }
}

/// A transaction that only reads; the server refuses anything else. It ends when it is dropped.
#[derive(Debug)]
pub struct ReadTx(Tx);

impl ReadTx {
    pub(super) async fn begin(pool: &Pool, roles: &Roles, scope: &Scope) -> Result<Self, sqlx::Error> {
        let tx = Tx::begin_with("BEGIN READ ONLY", pool, roles, scope).await?;
        Ok(Self(tx))
    }
}

impl Deref for ReadTx {
    type Target = Tx;

    fn deref(&self) -> &Tx {
        &self.0
    }
}

impl DerefMut for ReadTx {
    fn deref_mut(&mut self) -> &mut Tx {
        &mut self.0
    }
}

/// On whose behalf a transaction works.
struct Caller {
    /// Statements that begin it and tell the server, in one message. Roles and names are validated; neither can hold a quote.
    beginning: String,
    organizacoes: Option<Vec<String>>,
}

impl Caller {
    fn new(begin: &str, roles: &Roles, scope: &Scope) -> Self {
        let bound_to = |list: &str| {
            let role = &roles.app;
            format!("{begin}; SET LOCAL ROLE {role}; SET LOCAL aponta.organizacoes = '{list}'")
        };
        match scope {
            Scope::Organizacoes {
                chaves,
                and_unassigned,
            } => {
                let mut list: Vec<String> = chaves.iter().map(ChaveOrganizacao::to_string).collect();
                // An empty name stands for no organisation; the migration that made the policies reads it so.
                list.extend(and_unassigned.then(String::new));
                Self {
                    beginning: bound_to(&list.join(",")),
                    organizacoes: Some(list),
                }
            }
            Scope::Everything => Self {
                beginning: bound_to("*"),
                organizacoes: None,
            },
            Scope::Vault(chaves) => {
                let list: Vec<String> = chaves.iter().map(ChaveOrganizacao::to_string).collect();
                // A list that is empty must not read like none: no organisation has this name.
                let told = if list.is_empty() {
                    "-".to_owned()
                } else {
                    list.join(",")
                };
                let role = &roles.maintenance;
                let beginning =
                    format!("{begin}; SET LOCAL ROLE {role}; SET LOCAL aponta.organizacoes = '{told}'");
                Self {
                    beginning,
                    organizacoes: Some(list),
                }
            }
            Scope::Maintenance => Self {
                beginning: format!("{begin}; SET LOCAL ROLE {}", roles.maintenance),
                organizacoes: None,
            },
        }
    }
}
