//! Work items for the rules: read for a caller, the category of their state, the fields of their type, and
//! search by text.
//!
//! `work_items/cache.rs` lists the cached data and its lifetimes. Data that depends on the caller is never
//! shared between credentials. Data for display may be stale while Azure DevOps gives no answer; data that
//! rules decide on never is.

mod cache;
mod icons;
mod items;
mod search;
mod stale;
mod types;

use std::sync::Arc;

use crate::auth::{CurrentUser, Membership};
use crate::azure_devops::iterations::TeamAreas;
use crate::azure_devops::queries::LONGEST_QUERY;
use crate::azure_devops::work_items::{Revisions, WorkItem};
use crate::azure_devops::{Credential, Error as AzureError, Organizacao};
use crate::config::FreshTimes;
use crate::error::{Error, Result};
use crate::models::apontamento::ProjetoNomeado;
use crate::models::organizacao::NomeOrganizacao;
use crate::models::work_item::Categoria;
use crate::services::projetos::ProjetoService;
use crate::services::upstream::{for_caller, missing_is, no_project, too_many};
use cache::Caches;
use stale::{Freshness, Reading};

pub use search::{Found, Search};
pub use types::{Types, WorkItemType};

/// Use cases of work items.
#[derive(Debug, Clone)]
pub struct WorkItemService {
    caches: Arc<Caches>,
}

impl WorkItemService {
    /// Creates the service with empty caches.
    #[must_use]
    pub fn new(fresh: FreshTimes) -> Self {
        Self {
            caches: Arc::new(Caches::new(fresh)),
        }
    }

    /// Returns the current state of a work item for a caller.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the work item does not exist or is hidden from the caller;
    /// [`Error::Upstream`] when this cannot be determined.
    pub async fn read(&self, membership: &Membership, id: i32) -> Result<WorkItem> {
        let organizacao = membership.organizacao();
        let found = for_caller(membership, |credential| async move {
            let credential = &credential;
            organizacao.work_item(credential, id).await
        });
        found.await.map_err(|error| match error {
            // The caller must not learn whether the work item exists.
            Error::Forbidden(_) => not_found(id),
            other => missing_is(other, || not_found(id)),
        })
    }

    /// Returns those of `ids` that exist for a caller, in the requested order: at most 20 s old, or stale.
    ///
    /// # Errors
    /// When the work items cannot be read.
    pub async fn read_many(&self, membership: &Membership, ids: &[i32]) -> Result<Vec<WorkItem>> {
        self.items(membership, ids, Freshness::Preferred).await
    }

    /// Returns the same as `read_many`, but never stale: for reads whose answer is stored.
    ///
    /// # Errors
    /// When the work items cannot be read.
    pub async fn read_many_fresh(&self, membership: &Membership, ids: &[i32]) -> Result<Vec<WorkItem>> {
        self.items(membership, ids, Freshness::Required).await
    }

    async fn items(
        &self,
        membership: &Membership,
        ids: &[i32],
        freshness: Freshness,
    ) -> Result<Vec<WorkItem>> {
        for_caller(membership, |credential| async move {
            let reading = Reading::new(membership.organizacao(), &credential, freshness);
            self.caches.items(reading, ids).await
        })
        .await
    }

    /// Returns one work item of a project: at most 20 s old, or stale.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the work item does not exist or is in another project.
    pub async fn in_project(
        &self,
        user: &CurrentUser,
        membership: &Membership,
        projetos: &ProjetoService,
        projeto: &ProjetoNomeado,
        id: i32,
    ) -> Result<WorkItem> {
        let located = projetos.find_or_fetch(user, membership.chave(), projeto).await?;
        let item = self.read_many(membership, &[id]).await?.pop();
        let item = item.ok_or_else(|| not_found(id))?;
        if projetos.is_in_project(membership, &located, &item).await? {
            Ok(item)
        } else {
            Err(not_found(id))
        }
    }

    /// Returns the ids that a query selects for a caller: at most 20 s old, or stale.
    ///
    /// # Errors
    /// [`Error::Rule`] when the query is too long, or selects more work items than Azure DevOps returns.
    pub async fn query(
        &self,
        membership: &Membership,
        project: Option<&str>,
        wiql: &str,
        most: Option<usize>,
    ) -> Result<Arc<Vec<i32>>> {
        if wiql.len() > LONGEST_QUERY {
            return Err(too_many());
        }
        let found = for_caller(membership, |credential| async move {
            let reading = Reading::lenient(membership.organizacao(), &credential);
            self.caches.query(reading, project, wiql, most).await
        });
        found.await.map_err(|error| match error {
            Error::Upstream {
                source: AzureError::Rejected { type_key, .. },
                ..
            } if type_key.starts_with("WorkItemTrackingQueryResultSizeLimit") => too_many(),
            other => missing_is(other, no_project),
        })
    }

    /// Returns the ids of the work items of an iteration: at most 20 s old, or stale.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such iteration.
    pub async fn iteration_work_items(
        &self,
        membership: &Membership,
        project: &str,
        team: Option<&str>,
        iteration: &str,
    ) -> Result<Arc<Vec<i32>>> {
        let found = for_caller(membership, |credential| async move {
            let reading = Reading::lenient(membership.organizacao(), &credential);
            let found = self
                .caches
                .iteration_work_items(reading, project, team, iteration);
            found.await
        });
        let missing = || Error::NotFound(format!("Iteração {iteration} não encontrada"));
        found.await.map_err(|error| missing_is(error, missing))
    }

    /// Returns the first 12,000 revisions of a work item, the oldest first.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub async fn revisions(&self, membership: &Membership, id: i32) -> Result<Revisions> {
        let found = for_caller(membership, |credential| async move {
            let credential = &credential;
            membership.organizacao().revisions(credential, id).await
        });
        found.await.map_err(|error| match error {
            // The caller must not learn whether the work item exists.
            Error::Forbidden(_) => not_found(id),
            other => missing_is(other, || not_found(id)),
        })
    }

    /// Returns the types of a project for display: at most one hour old, or stale. The service's PAT sees
    /// every type; a caller's credential may lack the scope.
    ///
    /// # Errors
    /// When the types cannot be read.
    pub async fn types(&self, membership: &Membership, project: &str) -> Result<Arc<Types>> {
        let credential = membership.service_credential()?;
        let reading = Reading::lenient(membership.organizacao(), credential);
        let types = self.caches.types(reading, project).await;
        types.map_err(|error| missing_is(error.into(), no_project))
    }

    /// Returns the areas of a team: at most five minutes old, or stale.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such team.
    pub async fn team_areas(
        &self,
        membership: &Membership,
        project: &str,
        team: &str,
    ) -> Result<Arc<TeamAreas>> {
        let found = for_caller(membership, |credential| async move {
            let reading = Reading::lenient(membership.organizacao(), &credential);
            self.caches.team_areas(reading, project, team).await
        });
        let missing = || Error::NotFound(format!("Time {team} não encontrado"));
        found.await.map_err(|error| missing_is(error, missing))
    }

    /// Returns the category of a work item's state, as [`known_categoria`](Self::known_categoria) does.
    ///
    /// # Errors
    /// As for `known_categoria`, and when the process does not know the state.
    pub async fn categoria(
        &self,
        organizacao: &Organizacao,
        credential: &Credential,
        project: &str,
        item: &WorkItem,
    ) -> Result<Categoria, AzureError> {
        let known = self
            .known_categoria(organizacao, credential, project, item)
            .await?;
        known.ok_or(AzureError::Nonsense(
            "the work item is in a state that its type does not know",
        ))
    }

    /// Returns the category of a work item's state; `None` if the process does not know the state. `project`:
    /// name or id of the work item's project, under which the types are cached.
    ///
    /// # Errors
    /// When Azure DevOps does not return the types of the project.
    pub async fn known_categoria(
        &self,
        organizacao: &Organizacao,
        credential: &Credential,
        project: &str,
        item: &WorkItem,
    ) -> Result<Option<Categoria>, AzureError> {
        let reading = Reading::strict(organizacao, credential);
        let types = self.caches.types(reading, project).await?;
        if let Some(categoria) = types.categoria(&item.tipo, &item.state) {
            return Ok(Some(categoria));
        }
        // The state may be newer than the cached types.
        self.caches.forget_types(organizacao, project).await;
        let types = self.caches.types(reading, project).await?;
        Ok(types.categoria(&item.tipo, &item.state))
    }

    /// Returns the category of a work item's state for display, as stale as the types of its project may be;
    /// `None` if the process does not know the state.
    ///
    /// # Errors
    /// As for [`known_categoria`](Self::known_categoria).
    pub async fn categoria_for_display(
        &self,
        organizacao: &Organizacao,
        credential: &Credential,
        project: &str,
        item: &WorkItem,
    ) -> Result<Option<Categoria>, AzureError> {
        let reading = Reading::lenient(organizacao, credential);
        let types = self.caches.types(reading, project).await?;
        match types.categoria(&item.tipo, &item.state) {
            Some(categoria) => Ok(Some(categoria)),
            None => self.known_categoria(organizacao, credential, project, item).await,
        }
    }

    /// Returns the type of a work item.
    ///
    /// # Errors
    /// When Azure DevOps does not return the type or its fields: a field that is not returned may exist.
    pub async fn work_item_type(
        &self,
        organizacao: &Organizacao,
        credential: &Credential,
        item: &WorkItem,
    ) -> Result<Arc<WorkItemType>, AzureError> {
        let reading = Reading::strict(organizacao, credential);
        let types = self.caches.types(reading, &item.project).await?;
        let tipo = types.find(&item.tipo).ok_or(AzureError::Nonsense(
            "the work item has a type that its project does not know",
        ))?;
        if !tipo.fields_known {
            return Err(AzureError::Nonsense("the type does not tell its fields"));
        }
        Ok(Arc::clone(tipo))
    }

    /// Caches the hours of a work item that were just written, for the next reads.
    pub(super) async fn note_written(&self, nome: &NomeOrganizacao, item: &WorkItem) {
        self.caches.note_written(nome, item).await;
    }
}

/// Returns the error for a work item that does not exist or is hidden from the caller.
#[must_use]
pub fn not_found(id: i32) -> Error {
    Error::NotFound(format!("Work Item {id} não encontrado"))
}
