//! `/teams`: teams of a project.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::project_params::ProjectParams;
use crate::auth::{CurrentUser, membership_of};
use crate::azure_devops::teams::Team;
use crate::edge::conditional::{IfNoneMatch, IfNoneMatchParam, Tagged};
use crate::edge::extract::ApiQuery;
use crate::edge::openapi::TEAMS;
use crate::edge::openapi::problems::{InvalidInput, InvalidReference, NotFound, Problems, Protected};
use crate::error::Result;
use crate::services::teams::TeamService;
use crate::state::AppState;

/// Returns the routes of teams.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_teams))
}

/// List teams
///
/// Returns the caller's own teams by name; administrators get all teams of the project. The answer is at most
/// five minutes old.
#[utoipa::path(get, path = "/teams", tag = TEAMS, params(ProjectParams, IfNoneMatchParam),
    responses(
        (status = 200, body = TeamListResponse, description = "The teams",
            headers(("ETag" = String, description = "Version of the answer"))),
        (status = 304, description = "The answer that `If-None-Match` names is still current"),
        Problems<(InvalidReference, NotFound, InvalidInput, Protected)>
    ))]
async fn list_teams(
    user: CurrentUser,
    State(service): State<TeamService>,
    ApiQuery(project, _): ApiQuery<ProjectParams>,
    known: IfNoneMatch,
) -> Result<Response> {
    let membership = membership_of(&user, &project.organization_name)?;
    let found = service.list(&user, membership, &project.project_id).await?;
    let answer = TeamListResponse {
        count: found.teams.len(),
        teams: found.teams.iter().map(TeamResponse::from).collect(),
        mine_only: !found.all,
        is_admin: user.administers(membership.chave()),
        default_team_id: found.default.clone(),
    };
    Ok(Tagged::view(answer).unless(&known))
}

/// Teams of a project.
#[derive(Debug, Serialize, ToSchema)]
struct TeamListResponse {
    /// Number of teams in `teams`.
    #[schema(example = 1)]
    count: usize,
    /// Teams by name.
    teams: Vec<TeamResponse>,
    /// `true` if only the caller's teams are listed.
    mine_only: bool,
    /// `true` if the caller administers the organisation in this service.
    is_admin: bool,
    /// Id of the project's default team, if it is listed.
    #[schema(required = true, example = "8d8d8d8d-8888-4b2b-9c3c-606060606060")]
    default_team_id: Option<String>,
}

/// A team.
#[derive(Debug, Serialize, ToSchema)]
struct TeamResponse {
    /// Id of the team.
    #[schema(example = "8d8d8d8d-8888-4b2b-9c3c-606060606060")]
    id: String,
    /// Name of the team.
    #[schema(example = "Time do Portal")]
    name: String,
    /// Description of the team.
    #[schema(required = true)]
    description: Option<String>,
    /// REST address in Azure DevOps.
    #[schema(required = true)]
    url: Option<String>,
    /// REST address of the team's identity.
    #[schema(required = true)]
    identity_url: Option<String>,
    /// Azure DevOps GUID of the project.
    #[schema(example = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001")]
    project_id: String,
    /// Name of the project.
    #[schema(example = "Portal do Contribuinte")]
    project_name: String,
}

impl From<&Team> for TeamResponse {
    fn from(team: &Team) -> Self {
        Self {
            id: team.id.clone(),
            name: team.name.clone(),
            description: team.description.clone(),
            url: team.url.clone(),
            identity_url: team.identity_url.clone(),
            project_id: team.project_id.clone().unwrap_or_default(),
            project_name: team.project_name.clone().unwrap_or_default(),
        }
    }
}
