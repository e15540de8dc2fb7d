//! The audit trail. Every use case that changes data writes its entry in the same transaction; administrators
//! read the trail.

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
    /// Creates the service on `db`.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// Returns the entries of the organisations that the caller belongs to and administers, the newest first.
    /// Entries without an organisation are returned only to administrators of all organisations that belong
    /// to the default one. Returns [`Error::Forbidden`](crate::error::Error::Forbidden) if the filter names
    /// another organisation.
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

/// Returns the caller as the actor of an audit entry.
pub(super) fn actor(user: &CurrentUser) -> Actor {
    Actor {
        id: user.id.clone(),
        nome: user.nome.clone(),
        request_id: request::current_id().map(|id| id.to_string()),
    }
}
