//! The audit trail: written by every use case that changes something, in its own transaction; read by
//! administrators.

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

    /// Entries of the organisations that the caller belongs to and administers, the newest first. Those of no
    /// organisation are for administrators of all organisations that belong to the default one.
    /// [`Error::Forbidden`](crate::error::Error::Forbidden) when the filter names another organisation.
    pub async fn list(&self, admin: &Admin, filter: &AuditoriaFilter) -> Result<Vec<Registro>> {
        let nome = filter.organizacao.as_ref();
        let organizacao = nome.map(|nome| admin.user().may_see(nome)).transpose()?;
        let organizacao = organizacao.as_ref();
        if let Some(chave) = organizacao {
            admin.user().require_administrator_of(chave)?;
        }
        let mut tx = self.db.begin_list(&admin.user().administered_scope()).await?;
        Ok(repo::list(&mut tx, filter, organizacao).await?)
    }
}

/// The caller, as the trail names them.
pub(super) fn actor(user: &CurrentUser) -> Actor {
    Actor {
        id: user.id.clone(),
        nome: user.nome.clone(),
        request_id: request::current_id().map(|id| id.to_string()),
    }
}
