//! `/iterations`: iterations of a team, and their work items.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::project_params::{ProjectParams, TeamParams};
use crate::auth::{CurrentUser, membership_of};
use crate::azure_devops::iterations::{Iteration, IterationAttributes};
use crate::edge::conditional::{IfNoneMatch, IfNoneMatchParam, Tagged};
use crate::edge::extract::{ApiPath, ApiQuery};
use crate::edge::openapi::ITERATIONS;
use crate::edge::openapi::problems::{InvalidInput, InvalidReference, NotFound, Problems, Protected};
use crate::error::Result;
use crate::services::iterations::IterationService;
use crate::state::AppState;

/// Returns the routes of iterations.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_iterations))
        .routes(routes!(list_iteration_work_items))
}

/// List iterations
///
/// Returns the iterations of a team, or of the project's default team. The answer is at most five minutes
/// old.
#[utoipa::path(get, path = "/iterations", tag = ITERATIONS, params(ProjectParams, TeamParams, IfNoneMatchParam),
    responses(
        (status = 200, body = IterationListResponse, description = "The iterations",
            headers(("ETag" = String, description = "Version of the answer"))),
        (status = 304, description = "The answer that `If-None-Match` names is still current"),
        Problems<(InvalidReference, NotFound, InvalidInput, Protected)>
    ))]
async fn list_iterations(
    user: CurrentUser,
    State(service): State<IterationService>,
    ApiQuery(project, team): ApiQuery<ProjectParams, TeamParams>,
    known: IfNoneMatch,
) -> Result<Response> {
    let membership = membership_of(&user, &project.organization_name)?;
    let team = team.team_id;
    let found = service
        .list(&user, membership, &project.project_id, team.as_deref())
        .await?;
    Ok(Tagged::view(IterationListResponse::new(&found)).unless(&known))
}

/// List the work items of an iteration
///
/// Returns the ids of the work items in the order of Azure DevOps. The answer is at most 20 seconds old.
#[utoipa::path(get, path = "/iterations/{iteration_id}/work-items", tag = ITERATIONS,
    params(IterationIdParam, ProjectParams, TeamParams, IfNoneMatchParam),
    responses(
        (status = 200, body = IterationWorkItemsResponse, description = "The work items",
            headers(("ETag" = String, description = "Version of the answer"))),
        (status = 304, description = "The answer that `If-None-Match` names is still current"),
        Problems<(InvalidReference, NotFound, InvalidInput, Protected)>
    ))]
async fn list_iteration_work_items(
    user: CurrentUser,
    State(service): State<IterationService>,
    ApiPath(id): ApiPath,
    ApiQuery(project, team): ApiQuery<ProjectParams, TeamParams>,
    known: IfNoneMatch,
) -> Result<Response> {
    let membership = membership_of(&user, &project.organization_name)?;
    let (id, team) = (id.to_string(), team.team_id);
    let planned = service
        .work_items(&user, membership, &project.project_id, team.as_deref(), &id)
        .await?;
    let answer = IterationWorkItemsResponse {
        iteration_id: id,
        iteration_name: planned.name,
        count: planned.ids.len(),
        work_item_ids: planned.ids,
    };
    Ok(Tagged::view(answer).unless(&known))
}

/// Path of one iteration.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that ApiPath reads")]
struct IterationIdParam {
    /// Id of the iteration.
    #[param(example = "a4a4a4a4-9999-4c3c-8d4d-707070707070")]
    iteration_id: uuid::Uuid,
}

/// Iterations of a team.
#[derive(Debug, Serialize, ToSchema)]
struct IterationListResponse {
    /// Number of iterations.
    #[schema(example = 1)]
    count: usize,
    /// Iterations in the order of Azure DevOps.
    iterations: Vec<IterationResponse>,
    /// Id of the current iteration.
    #[schema(required = true, example = "a4a4a4a4-9999-4c3c-8d4d-707070707070")]
    current_iteration_id: Option<String>,
}

/// An iteration.
#[derive(Debug, Serialize, ToSchema)]
struct IterationResponse {
    /// Id of the iteration.
    #[schema(example = "a4a4a4a4-9999-4c3c-8d4d-707070707070")]
    id: String,
    /// Name of the iteration.
    #[schema(example = "Sprint 3")]
    name: String,
    /// Path of the iteration.
    #[schema(required = true, example = "Portal\\Sprint 3")]
    path: Option<String>,
    /// Dates of the iteration, and whether it is past, current or future.
    attributes: AttributesResponse,
    /// REST address in Azure DevOps.
    #[schema(required = true)]
    url: Option<String>,
}

/// Dates of an iteration, and whether it is past, current or future, each under two names.
#[derive(Debug, Serialize, ToSchema)]
struct AttributesResponse {
    /// First day, as Azure DevOps has it; use `start_date`.
    #[serde(rename = "startDate")]
    #[schema(deprecated, required = true, example = "2026-01-19T00:00:00Z")]
    start_date_upstream: Option<String>,
    /// Last day, as Azure DevOps has it; use `finish_date`.
    #[serde(rename = "finishDate")]
    #[schema(deprecated, required = true, example = "2026-01-30T00:00:00Z")]
    finish_date_upstream: Option<String>,
    /// Equal to `time_frame`.
    #[serde(rename = "timeFrame")]
    #[schema(deprecated, required = true, example = "current")]
    time_frame_upstream: Option<String>,
    /// First day without a zone, which browsers read as a day of their own.
    #[schema(required = true, example = "2026-01-19T00:00:00")]
    start_date: Option<String>,
    /// Last day without a zone.
    #[schema(required = true, example = "2026-01-30T00:00:00")]
    finish_date: Option<String>,
    /// `past`, `current` or `future`.
    #[schema(required = true, example = "current")]
    time_frame: Option<String>,
}

impl From<&IterationAttributes> for AttributesResponse {
    fn from(attributes: &IterationAttributes) -> Self {
        let zoneless = |date: &Option<String>| {
            let date = date.as_ref()?;
            Some(date.strip_suffix('Z').unwrap_or(date).to_owned())
        };
        Self {
            start_date: zoneless(&attributes.start_date),
            finish_date: zoneless(&attributes.finish_date),
            time_frame: attributes.time_frame.clone(),
            start_date_upstream: attributes.start_date.clone(),
            finish_date_upstream: attributes.finish_date.clone(),
            time_frame_upstream: attributes.time_frame.clone(),
        }
    }
}

impl IterationListResponse {
    fn new(found: &[Iteration]) -> Self {
        let is_current = |iteration: &&Iteration| {
            let frame = iteration.attributes.time_frame.as_deref();
            frame.is_some_and(|frame| frame.eq_ignore_ascii_case("current"))
        };
        Self {
            count: found.len(),
            current_iteration_id: found
                .iter()
                .rfind(is_current)
                .map(|iteration| iteration.id.clone()),
            iterations: found
                .iter()
                .map(|iteration| IterationResponse {
                    id: iteration.id.clone(),
                    name: iteration.name.clone(),
                    path: iteration.path.clone(),
                    attributes: AttributesResponse::from(&iteration.attributes),
                    url: iteration.url.clone(),
                })
                .collect(),
        }
    }
}

/// Work items of an iteration.
#[derive(Debug, Serialize, ToSchema)]
struct IterationWorkItemsResponse {
    /// Id of the iteration.
    #[schema(example = "a4a4a4a4-9999-4c3c-8d4d-707070707070")]
    iteration_id: String,
    /// Name of the iteration; empty when the team does not list it.
    #[schema(example = "Sprint 3")]
    iteration_name: String,
    /// Ids in the order of Azure DevOps.
    #[schema(example = json!([4711, 4712]))]
    work_item_ids: Vec<i32>,
    /// Number of work items.
    #[schema(example = 2)]
    count: usize,
}
