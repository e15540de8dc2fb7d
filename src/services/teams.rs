//! Teams of a project: all of them for administrators, else the caller's own. At the most five minutes old, for each caller
//! their own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use moka::future::Cache;
use uuid::Uuid;

use crate::auth::{CurrentUser, Membership};
use crate::azure_devops::teams::Team;
use crate::azure_devops::{Credential, Error as AzureError};
use crate::error::{Error, Result};
use crate::models::apontamento::ProjetoNomeado;
use crate::models::organizacao::NomeOrganizacao;
use crate::models::papel::Papel;
use crate::services::projetos::ProjetoService;
use crate::services::work_items::{for_caller, missing_is};

const TTL: Duration = Duration::from_mins(5);
const MOST: u64 = 10_000;
/// Teams whose members are asked for at once, for callers whose own credential is of no use.
const AT_ONCE: usize = 6;

/// Organisation, caller, project.
type Key = (NomeOrganizacao, String, String);

/// Use cases of `teams`.
#[derive(Debug, Clone)]
pub struct TeamService {
    projetos: ProjetoService,
    known: Cache<Key, Arc<Teams>>,
}

/// Teams that a caller sees.
#[derive(Debug)]
pub struct Teams {
    /// The teams, by name.
    pub teams: Vec<Team>,
    /// Whether these are all of them.
    pub all: bool,
    /// The project's default team, if it is among them.
    pub default: Option<String>,
}

impl TeamService {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(projetos: ProjetoService) -> Self {
        let known = Cache::builder().max_capacity(MOST).time_to_live(TTL);
        Self {
            projetos,
            known: known.build(),
        }
    }

    /// Teams of a project.
    ///
    /// # Errors
    /// When Azure DevOps gives no usable answer.
    pub async fn list(
        &self,
        user: &CurrentUser,
        membership: &Membership,
        projeto: &ProjetoNomeado,
    ) -> Result<Arc<Teams>> {
        let nome = membership.organizacao().nome();
        let located = self.projetos.find_or_fetch(user, nome, projeto).await?;
        let project = located.external_id.to_string();
        let key = (nome.clone(), user.as_known_in(nome).id, project.clone());
        if let Some(known) = self.known.get(&key).await {
            return Ok(known);
        }
        let all = user.papel == Papel::Admin;
        let project = project.as_str();
        let (teams, settings) = tokio::try_join!(
            visible(membership, project, all),
            for_caller(membership, |credential| async move {
                let credential = &credential;
                membership
                    .organizacao()
                    .project_settings(credential, project)
                    .await
            })
        )
        .map_err(|error| {
            missing_is(error, || {
                Error::NotFound("Projeto não encontrado no Azure DevOps".to_owned())
            })
        })?;
        let mut teams = teams;
        teams.sort_by_cached_key(|team| (team.name.to_lowercase(), team.id.clone()));
        let listed = |id: &String| teams.iter().any(|team| team.id.eq_ignore_ascii_case(id));
        let default = settings.default_team.filter(listed);
        let found = Arc::new(Teams { teams, all, default });
        self.known.insert(key, Arc::clone(&found)).await;
        Ok(found)
    }
}

/// All teams; or those of the caller, by their own credential, else by looking who is in which.
async fn visible(membership: &Membership, project: &str, all: bool) -> Result<Vec<Team>> {
    let organizacao = membership.organizacao();
    if all {
        return for_caller(membership, |credential| async move {
            let credential = &credential;
            organizacao.teams(credential, project, false).await
        })
        .await;
    }
    if let Some(own) = membership.own_credential() {
        match organizacao.teams(own, project, true).await {
            Err(AzureError::InvalidCredential { .. }) => {}
            answer => return Ok(answer?),
        }
    }
    let Some(person) = membership.identity().map(|identity| identity.id) else {
        return Ok(Vec::new());
    };
    let credential = membership.pat().map_or_else(|| membership.credential(), Ok)?;
    Ok(teams_of(membership, credential, project, person).await?)
}

async fn teams_of(
    membership: &Membership,
    credential: &Credential,
    project: &str,
    person: Uuid,
) -> Result<Vec<Team>, AzureError> {
    let organizacao = membership.organizacao();
    let teams = organizacao.teams(credential, project, false).await?;
    let asked = stream::iter(teams).map(async |team| {
        let is_member = organizacao
            .is_team_member(credential, project, &team.id, person)
            .await?;
        Ok::<_, AzureError>(is_member.then_some(team))
    });
    let found: Vec<Option<Team>> = asked.buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}
