//! Work items as rules need them: read for a caller, their state by category, their type's fields.
//!
//! Types are asked once an hour for each organisation, project and type; all who belong see the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::auth::Membership;
use crate::azure_devops::work_items::{COMPLETED_WORK, REMAINING_WORK, WorkItem};
use crate::azure_devops::{Credential, Error as AzureError, Organizacao};
use crate::error::{Error, Result};
use crate::models::organizacao::NomeOrganizacao;
use crate::models::work_item::Categoria;

/// How long a change of a process may go unnoticed.
const TTL: Duration = Duration::from_hours(1);
/// Types remembered at the most.
const MOST: u64 = 10_000;

/// What is known of a type.
#[derive(Debug, Default)]
pub struct WorkItemType {
    states: HashMap<String, Categoria>,
    /// Whether it has `CompletedWork`.
    pub has_completed: bool,
    /// Whether it has `RemainingWork`.
    pub has_remaining: bool,
}

/// A type of a project of an organisation; names as Azure DevOps gives them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    organizacao: NomeOrganizacao,
    project: String,
    tipo: String,
}

/// Use cases of work items.
#[derive(Debug, Clone)]
pub struct WorkItemService {
    types: Cache<Key, Arc<WorkItemType>>,
}

impl Default for WorkItemService {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkItemService {
    /// Remembers types.
    #[must_use]
    pub fn new() -> Self {
        let types = Cache::builder().max_capacity(MOST).time_to_live(TTL);
        Self { types: types.build() }
    }

    /// A work item for a caller: with their own credential, or with the service's where theirs cannot read work items.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it does not exist, or not for them; [`Error::Upstream`] when it cannot be told.
    pub async fn read(&self, membership: &Membership, id: i32) -> Result<WorkItem> {
        let organizacao = membership.organizacao();
        let found = match (membership.own_credential(), membership.pat()) {
            (Some(own), pat) => match (organizacao.work_item(own, id).await, pat) {
                // Accepted as theirs, but without the scope.
                (Err(AzureError::InvalidCredential { .. }), Some(pat)) => {
                    organizacao.work_item(pat, id).await
                }
                (Err(AzureError::Forbidden), _) => Err(AzureError::NotFound),
                (answer, _) => answer,
            },
            (None, _) => organizacao.work_item(membership.credential()?, id).await,
        };
        found.map_err(|error| match error {
            AzureError::NotFound => not_found(id),
            other => other.into(),
        })
    }

    /// The category of a work item's state.
    ///
    /// # Errors
    /// When Azure DevOps does not tell it.
    pub async fn categoria(
        &self,
        organizacao: &Organizacao,
        credential: &Credential,
        item: &WorkItem,
    ) -> Result<Categoria, AzureError> {
        let tipo = self.work_item_type(organizacao, credential, item).await?;
        if let Some(categoria) = tipo.states.get(&item.state) {
            return Ok(*categoria);
        }
        // A state that is newer than what is remembered.
        self.types.invalidate(&key(organizacao, item)).await;
        let tipo = self.work_item_type(organizacao, credential, item).await?;
        let known = tipo.states.get(&item.state).copied();
        known.ok_or(AzureError::Nonsense(
            "the work item is in a state that its type does not know",
        ))
    }

    /// What is known of a work item's type.
    ///
    /// # Errors
    /// When Azure DevOps does not tell it.
    pub async fn work_item_type(
        &self,
        organizacao: &Organizacao,
        credential: &Credential,
        item: &WorkItem,
    ) -> Result<Arc<WorkItemType>, AzureError> {
        let ask = ask(organizacao, credential, &item.project, &item.tipo);
        let found = self.types.try_get_with(key(organizacao, item), ask).await;
        found.map_err(|error: Arc<AzureError>| AzureError::clone(&error))
    }
}

async fn ask(
    organizacao: &Organizacao,
    credential: &Credential,
    project: &str,
    tipo: &str,
) -> Result<Arc<WorkItemType>, AzureError> {
    let (states, fields) = tokio::try_join!(
        organizacao.type_states(credential, project, tipo),
        organizacao.type_fields(credential, project, tipo)
    )?;
    let has = |name: &str| fields.iter().any(|field| field.eq_ignore_ascii_case(name));
    Ok(Arc::new(WorkItemType {
        states,
        has_completed: has(COMPLETED_WORK),
        has_remaining: has(REMAINING_WORK),
    }))
}

fn key(organizacao: &Organizacao, item: &WorkItem) -> Key {
    Key {
        organizacao: organizacao.nome().clone(),
        project: item.project.clone(),
        tipo: item.tipo.clone(),
    }
}

/// What a caller learns about a work item that is not there.
#[must_use]
pub fn not_found(id: i32) -> Error {
    Error::NotFound(format!("Work Item {id} não encontrado"))
}
