//! Projects: listed as mirrored from Azure DevOps.

use crate::auth::CurrentUser;
use crate::db::Db;
use crate::error::Result;
use crate::models::page::Page;
use crate::models::projeto::Projeto;
use crate::repositories::projetos as repo;

/// Use cases of `projetos`.
#[derive(Debug, Clone)]
pub struct ProjetoService {
    db: Db,
}

impl ProjetoService {
    /// Works on `db`.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// All projects of the caller's organisations, or a page of them, in name order.
    pub async fn list(&self, user: &CurrentUser, page: Option<Page>) -> Result<Vec<Projeto>> {
        let mut tx = self.db.begin(&user.scope()).await?;
        let projetos = repo::list(&mut tx, page).await?;
        tx.commit().await?;
        Ok(projetos)
    }
}
