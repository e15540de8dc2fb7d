//! Iterations of a team, or of a project's default team, and the work items planned for them. Iterations are
//! cached for up to five minutes, separately for each credential.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::auth::{CurrentUser, Membership};
use crate::azure_devops::iterations::Iteration;
use crate::azure_devops::{Error as AzureError, Fingerprint};
use crate::error::{Error, Result};
use crate::models::apontamento::ProjetoNomeado;
use crate::models::organizacao::NomeOrganizacao;
use crate::services::projetos::ProjetoService;
use crate::services::upstream::{for_caller, missing_is};
use crate::services::work_items::WorkItemService;

const TTL: Duration = Duration::from_mins(5);
const MOST: u64 = 5_000;

type Key = (NomeOrganizacao, Fingerprint, String, Option<String>);

/// Use cases of `iterations`.
#[derive(Debug, Clone)]
pub struct IterationService {
    projetos: ProjetoService,
    work_items: WorkItemService,
    known: Cache<Key, Arc<Vec<Iteration>>>,
}

/// Work items planned for an iteration.
#[derive(Debug)]
pub struct Planned {
    /// Name of the iteration; empty if the team does not list the iteration.
    pub name: String,
    /// Ids of the work items, in ascending order.
    pub ids: Vec<i32>,
}

impl IterationService {
    /// Creates the service with an empty cache.
    #[must_use]
    pub fn new(projetos: ProjetoService, work_items: WorkItemService) -> Self {
        let known = Cache::builder().max_capacity(MOST).time_to_live(TTL);
        Self {
            projetos,
            work_items,
            known: known.build(),
        }
    }

    /// Returns the iterations in the order of Azure DevOps.
    ///
    /// # Errors
    /// When Azure DevOps gives no usable answer; an empty list is never returned instead (D-27).
    pub async fn list(
        &self,
        user: &CurrentUser,
        membership: &Membership,
        projeto: &ProjetoNomeado,
        team: Option<&str>,
    ) -> Result<Arc<Vec<Iteration>>> {
        let project = self.project(user, membership, projeto).await?;
        self.of_project(membership, &project, team).await
    }

    /// Returns the work items planned for an iteration.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no iteration with this id.
    pub async fn work_items(
        &self,
        user: &CurrentUser,
        membership: &Membership,
        projeto: &ProjetoNomeado,
        team: Option<&str>,
        iteration: &str,
    ) -> Result<Planned> {
        let project = self.project(user, membership, projeto).await?;
        let (known, ids) = tokio::join!(
            self.of_project(membership, &project, team),
            self.work_items
                .iteration_work_items(membership, &project, team, iteration)
        );
        let (known, ids) = (known?, ids?);
        let listed = known
            .iter()
            .find(|known| known.id.eq_ignore_ascii_case(iteration));
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        Ok(Planned {
            name: listed.map(|known| known.name.clone()).unwrap_or_default(),
            ids,
        })
    }

    async fn of_project(
        &self,
        membership: &Membership,
        project: &str,
        team: Option<&str>,
    ) -> Result<Arc<Vec<Iteration>>> {
        let organizacao = membership.organizacao();
        let found = for_caller(membership, |credential| async move {
            let credential = &credential;
            let key = (
                organizacao.nome().clone(),
                credential.fingerprint(),
                project.to_owned(),
                team.map(str::to_owned),
            );
            let ask = async {
                organizacao
                    .iterations(credential, project, team)
                    .await
                    .map(Arc::new)
            };
            let found = self.known.try_get_with(key, ask).await;
            found.map_err(|error| AzureError::clone(&error))
        });
        found.await.map_err(|error| {
            missing_is(error, || {
                Error::NotFound("Projeto ou time não encontrado no Azure DevOps".to_owned())
            })
        })
    }

    async fn project(
        &self,
        user: &CurrentUser,
        membership: &Membership,
        projeto: &ProjetoNomeado,
    ) -> Result<String> {
        let chave = membership.chave();
        let located = self.projetos.find_or_fetch(user, chave, projeto).await?;
        Ok(located.external_id.to_string())
    }
}
