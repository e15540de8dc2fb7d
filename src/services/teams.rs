//! Teams of a project: administrators get all teams, other callers only their own. Answers are cached for up
//! to five minutes, separately for each caller.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use moka::future::Cache;
use uuid::Uuid;

use crate::auth::{CurrentUser, Membership};
use crate::azure_devops::teams::Team;
use crate::azure_devops::{Credential, Error as AzureError, Fingerprint};
use crate::error::{Error, Result};
use crate::models::apontamento::ProjetoNomeado;
use crate::models::organizacao::NomeOrganizacao;
use crate::services::projetos::ProjetoService;
use crate::services::upstream::{for_caller, forbidden, no_project};

const TTL: Duration = Duration::from_mins(5);
const MOST: u64 = 10_000;
/// Lifetime of cached team memberships, which change seldom and cost one call per team.
const ROSTERS_TTL: Duration = Duration::from_mins(15);
const MOST_ROSTERS: u64 = 500;
/// Number of teams whose members are read concurrently, for callers whose own credential cannot be used.
const AT_ONCE: usize = 6;

/// Cache key: organisation, id of the caller, GUID of the project, `true` if the caller administers the
/// organisation.
type Key = (NomeOrganizacao, String, String, bool);
/// Teams of a project, each with the ids of its members.
type Rosters = Vec<(Team, Vec<Uuid>)>;

/// Use cases of `teams`.
#[derive(Debug, Clone)]
pub struct TeamService {
    projetos: ProjetoService,
    known: Cache<Key, Arc<Teams>>,
    /// Teams with their members, for callers whose own credential cannot be used. One read serves all of
    /// these callers.
    rosters: Cache<(NomeOrganizacao, Fingerprint, String), Arc<Rosters>>,
}

/// Teams that a caller may see.
#[derive(Debug)]
pub struct Teams {
    /// Teams, ordered by name.
    pub teams: Vec<Team>,
    /// `true` if `teams` holds every team of the project.
    pub all: bool,
    /// Id of the project's default team, if `teams` contains that team.
    pub default: Option<String>,
}

impl TeamService {
    /// Creates the service with empty caches.
    #[must_use]
    pub fn new(projetos: ProjetoService) -> Self {
        Self {
            projetos,
            known: Cache::builder().max_capacity(MOST).time_to_live(TTL).build(),
            rosters: Cache::builder()
                .max_capacity(MOST_ROSTERS)
                .time_to_live(ROSTERS_TTL)
                .build(),
        }
    }

    /// Returns the teams of a project that the caller may see.
    ///
    /// # Errors
    /// When Azure DevOps gives no usable answer.
    pub async fn list(
        &self,
        user: &CurrentUser,
        membership: &Membership,
        projeto: &ProjetoNomeado,
    ) -> Result<Arc<Teams>> {
        let chave = membership.chave();
        let located = self.projetos.find_or_fetch(user, chave, projeto).await?;
        let project = located.external_id.to_string();
        // While another organisation cannot report whether the caller is an administrator, the caller gets
        // only their own teams.
        let all = user.administers(chave);
        let nome = membership.organizacao().nome();
        let key = (nome.clone(), user.pessoa_in(chave).id, project.clone(), all);
        let project = project.as_str();
        let ask = async {
            let (mut teams, settings) = tokio::try_join!(
                self.visible(membership, project, all),
                for_caller(membership, |credential| async move {
                    let organizacao = membership.organizacao();
                    organizacao.project_settings(&credential, project).await
                })
            )?;
            teams.sort_by_cached_key(|team| (team.name.to_lowercase(), team.id.clone()));
            let listed = |id: &String| teams.iter().any(|team| team.id.eq_ignore_ascii_case(id));
            let default = settings.default_team.filter(listed);
            Ok::<_, Error>(Arc::new(Teams { teams, all, default }))
        };
        // Boxed, because three concurrent calls make a large future.
        let found = self.known.try_get_with(key, Box::pin(ask)).await;
        found.map_err(|error: Arc<Error>| match &*error {
            Error::Upstream {
                source: AzureError::NotFound,
                ..
            } => no_project(),
            _ => Error::Shared(error),
        })
    }

    /// Returns all teams, or only the caller's teams. The latter are read with the caller's own credential,
    /// or else found by the members of each team.
    async fn visible(&self, membership: &Membership, project: &str, all: bool) -> Result<Vec<Team>> {
        let organizacao = membership.organizacao();
        if all {
            let teams = for_caller(membership, |credential| async move {
                organizacao.teams(&credential, project, false).await
            });
            return teams.await;
        }
        if let Some(own) = membership.own_credential() {
            match organizacao.teams(own, project, true).await {
                Err(AzureError::InvalidCredential { .. }) => {}
                Err(AzureError::Forbidden) => return Err(forbidden()),
                answer => return Ok(answer?),
            }
        }
        let Some(person) = membership.identity().map(|identity| identity.id) else {
            return Ok(Vec::new());
        };
        let credential = membership.service_credential()?;
        let key = (
            organizacao.nome().clone(),
            credential.fingerprint(),
            project.to_owned(),
        );
        let ask = rosters(membership, credential, project);
        let rosters = self.rosters.try_get_with(key, ask).await;
        let rosters = rosters.map_err(|error: Arc<AzureError>| AzureError::clone(&error))?;
        let of_person = rosters.iter().filter(|(_, members)| members.contains(&person));
        Ok(of_person.map(|(team, _)| team.clone()).collect())
    }
}

/// Returns every team of a project with its members.
async fn rosters(
    membership: &Membership,
    credential: &Credential,
    project: &str,
) -> Result<Arc<Rosters>, AzureError> {
    let organizacao = membership.organizacao();
    let teams = organizacao.teams(credential, project, false).await?;
    let reads: Vec<_> = teams
        .into_iter()
        .map(|team| async move {
            let members = organizacao.team_members(credential, project, &team.id).await?;
            Ok::<_, AzureError>((team, members))
        })
        .collect();
    stream::iter(reads)
        .buffered(AT_ONCE)
        .try_collect()
        .await
        .map(Arc::new)
}
