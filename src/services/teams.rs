//! Teams of a project: all of them for administrators, else the caller's own. At the most five minutes old,
//! for each caller their own.

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
/// Lifetime of team memberships, which change seldom and cost a call a team.
const ROSTERS_TTL: Duration = Duration::from_mins(15);
const MOST_ROSTERS: u64 = 500;
/// Teams whose members are asked for at once, for callers whose own credential is of no use.
const AT_ONCE: usize = 6;

/// Organisation, caller, project, whether the caller administers the organisation.
type Key = (NomeOrganizacao, String, String, bool);
/// Teams and their members.
type Rosters = Vec<(Team, Vec<Uuid>)>;

/// Use cases of `teams`.
#[derive(Debug, Clone)]
pub struct TeamService {
    projetos: ProjetoService,
    known: Cache<Key, Arc<Teams>>,
    /// For callers whose own credential is of no use: asked once for all of them.
    rosters: Cache<(NomeOrganizacao, Fingerprint, String), Arc<Rosters>>,
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
        Self {
            projetos,
            known: Cache::builder().max_capacity(MOST).time_to_live(TTL).build(),
            rosters: Cache::builder()
                .max_capacity(MOST_ROSTERS)
                .time_to_live(ROSTERS_TTL)
                .build(),
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
        let chave = membership.chave();
        let located = self.projetos.find_or_fetch(user, chave, projeto).await?;
        let project = located.external_id.to_string();
        // While another organisation cannot tell whether the caller is an administrator, they see their own
        // teams.
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
        // On the heap: three calls at once make a large future.
        let found = self.known.try_get_with(key, Box::pin(ask)).await;
        found.map_err(|error: Arc<Error>| match &*error {
            Error::Upstream {
                source: AzureError::NotFound,
                ..
            } => no_project(),
            _ => Error::Shared(error),
        })
    }

    /// Returns all teams, or those of the caller: by their own credential, else by the members of each team.
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
