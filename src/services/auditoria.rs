//! The audit trail: written by every use case that changes something, in its own transaction; read by administrators.

use crate::auth::{Admin, CurrentUser};
use crate::db::Db;
use crate::error::Result;
use crate::models::auditoria::{Actor, AuditoriaFilter, Registro};
use crate::repositories::auditoria as repo;
use crate::telemetry::request;

/// Use cases of `auditoria`.
#[derive(Debug, Clone)]
pub struct AuditoriaService {
    db: Db,
}

impl AuditoriaService {
    /// Reads `db`.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// Entries of the caller's organisations, and those of none, the newest first; for administrators.
    pub async fn list(&self, admin: &Admin, filter: &AuditoriaFilter) -> Result<Vec<Registro>> {
        let mut tx = self.db.begin(&admin.user().scope()).await?;
        let found = repo::list(&mut tx, filter).await?;
        tx.commit().await?;
        Ok(found)
    }
}

/// The caller, as the trail names them.
pub(super) fn actor(user: &CurrentUser) -> Actor {
    Actor {
        id: user.id.clone(),
        nome: user.nome.clone(),
        request_id: request::current_id(),
    }
}

/// The organisation that a change of something without one is written down for: the caller's, if there is only one.
pub(super) fn organizacao_of(user: &CurrentUser) -> Option<&str> {
    match user.memberships() {
        [only] => Some(only.organizacao().nome().as_str()),
        _ => None,
    }
}
