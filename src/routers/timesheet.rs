//! `/timesheet`: the caller's week on the work items of a project, and permissions by state.

mod response;
mod states;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use serde_json::Value;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub use self::response::FolhaResponse;
use self::states::{CurrentStateResponse, ProcessStatesResponse, RevisionsResponse, StateCategoryResponse};
use super::project_params::{ProjectParams, WorkItemIdParam, parts};
use crate::auth::CurrentUser;
use crate::edge::conditional::{IfNoneMatch, IfNoneMatchParam, Tagged};
use crate::edge::extract::{ApiJson, ApiQuery, ApiWorkItemPath};
use crate::edge::fields::{AnyTrimmed, Blankable, Failure, FieldType, Flag, Name, Required, Trimmed, fields};
use crate::edge::openapi::TIMESHEET;
use crate::edge::openapi::problems::{
    InvalidInput, InvalidReference, NotFound, Problems, Protected, TooManyWorkItems,
};
use crate::error::{Error, Result};
use crate::models::timesheet::Semana;
use crate::services::timesheet::{FolhaPedida, TimesheetService};
use crate::state::AppState;

/// Maximum number of ids per request.
const MOST_IDS: usize = 2_000;

/// Returns the routes of the timesheet.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_timesheet))
        .routes(routes!(get_state_category))
        .routes(routes!(list_revisions))
        .routes(routes!(get_process_states))
        .routes(routes!(get_current_state))
}

fields! {
    /// Selects the week and the work items.
    struct FolhaParams {
        /// Any day of the week to return; without it the current week.
        week_start: Blankable<Semana> = "2026-01-12",
        /// Returns only work items of this iteration.
        iteration_id: Blankable<Uuid> = "a4a4a4a4-9999-4c3c-8d4d-707070707070",
        /// Returns only work items of this team, by id or name.
        team_id: Blankable<Trimmed<255>> = "8d8d8d8d-8888-4b2b-9c3c-606060606060",
        /// Returns only work items that are assigned to the caller, with their parents.
        only_my_items: Flag<true> = true,
    }
}

/// Get a week
///
/// Returns the caller's entries of a week, arranged on the work items of an iteration, or on the work items
/// that are open or changed since the week began. Work items with entries are always included. A parent
/// carries the sum of its children; the totals count each entry once.
#[utoipa::path(get, path = "/timesheet", tag = TIMESHEET, params(ProjectParams, FolhaParams, IfNoneMatchParam),
    responses(
        (status = 200, body = FolhaResponse, description = "The week",
            headers(("ETag" = String, description = "Version of the answer"))),
        (status = 304, description = "The answer that `If-None-Match` names is still current"),
        Problems<(InvalidReference, NotFound, TooManyWorkItems, InvalidInput, Protected)>
    ))]
async fn get_timesheet(
    user: CurrentUser,
    State(service): State<TimesheetService>,
    ApiQuery(project, params): ApiQuery<ProjectParams, FolhaParams>,
    known: IfNoneMatch,
) -> Result<Response> {
    let pedida = FolhaPedida {
        organizacao: project.organization_name,
        projeto: project.project_id,
        semana: params.week_start,
        iteration: params.iteration_id,
        team: params.team_id,
        only_mine: params.only_my_items,
    };
    let folha = service.folha(&user, &pedida).await?;
    Ok(Tagged::view(FolhaResponse::from(folha)).unless(&known))
}

/// Get what the state of a work item allows
///
/// Returns the category that the process gives to the state, and whether hours can be logged, changed and
/// deleted in it. The answer is at most 20 seconds old.
#[utoipa::path(get, path = "/timesheet/work-item/{work_item_id}/state-category", tag = TIMESHEET,
    params(WorkItemIdParam, ProjectParams),
    responses(
        (status = 200, body = StateCategoryResponse, description = "The state"),
        Problems<(InvalidReference, NotFound, InvalidInput, Protected)>
    ))]
async fn get_state_category(
    user: CurrentUser,
    State(service): State<TimesheetService>,
    ApiWorkItemPath(id): ApiWorkItemPath,
    ApiQuery(project, _): ApiQuery<ProjectParams>,
) -> Result<ApiJson<StateCategoryResponse>> {
    let (organizacao, projeto) = (project.organization_name, project.project_id);
    let estado = service.estado(&user, &organizacao, &projeto, id).await?;
    Ok(ApiJson(estado.into()))
}

/// List the revisions of a work item
///
/// Returns the state and the assignment of each revision, the oldest first. At most 12,000 revisions are
/// returned; `truncado` is true when later ones are missing.
#[utoipa::path(get, path = "/timesheet/work-item/{work_item_id}/revisions", tag = TIMESHEET,
    params(WorkItemIdParam, ProjectParams),
    responses(
        (status = 200, body = RevisionsResponse, description = "The revisions"),
        Problems<(InvalidReference, NotFound, InvalidInput, Protected)>
    ))]
async fn list_revisions(
    user: CurrentUser,
    State(service): State<TimesheetService>,
    ApiWorkItemPath(id): ApiWorkItemPath,
    ApiQuery(project, _): ApiQuery<ProjectParams>,
) -> Result<ApiJson<RevisionsResponse>> {
    let (organizacao, projeto) = (project.organization_name, project.project_id);
    let found = service.revisions(&user, &organizacao, &projeto, id).await?;
    Ok(ApiJson(RevisionsResponse::new(id, found)))
}

fields! {
    /// Selects the states to return.
    struct ProcessStatesParams {
        /// Id of the process; without it the project's own.
        process_id: Blankable<Trimmed<255>> = "adcc42ab-9882-485e-a3ed-7678f01f66bc",
        /// Reference name of the work item type.
        work_item_type: Required<Name<1, 255>> = "Microsoft.VSTS.WorkItemTypes.Task",
    }
}

/// Get the states of a work item type
///
/// Returns the name of each state of the type and its category in the process.
#[utoipa::path(get, path = "/timesheet/process-states", tag = TIMESHEET, params(ProjectParams, ProcessStatesParams),
    responses(
        (status = 200, body = ProcessStatesResponse, description = "The states"),
        Problems<(InvalidReference, NotFound, InvalidInput, Protected)>
    ))]
async fn get_process_states(
    user: CurrentUser,
    State(service): State<TimesheetService>,
    ApiQuery(project, params): ApiQuery<ProjectParams, ProcessStatesParams>,
) -> Result<ApiJson<ProcessStatesResponse>> {
    let (organizacao, projeto) = (project.organization_name, project.project_id);
    let process = params.process_id;
    let states = service
        .process_states(
            &user,
            &organizacao,
            &projeto,
            process.as_deref(),
            &params.work_item_type,
        )
        .await?;
    let state_map: BTreeMap<String, &'static str> = states
        .into_iter()
        .map(|(name, categoria)| (name, categoria.as_str()))
        .collect();
    Ok(ApiJson(ProcessStatesResponse { state_map }))
}

fields! {
    /// Selects the work items to return.
    struct CurrentStateParams {
        /// Ids separated by commas, at most 2,000.
        work_item_ids: Required<Ids> = "4711,4712",
    }
}

/// Ids as one text, which [`read_ids`] parses.
#[derive(Debug)]
struct Ids;

impl FieldType for Ids {
    type Value = String;

    fn read(value: &Value) -> std::result::Result<String, Vec<Failure>> {
        AnyTrimmed::read(value)
    }

    fn schema() -> Schema {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[0-9, ]*$"))
            .into()
    }
}

/// Get the current state of work items
///
/// Accepts up to 2,000 ids. Work items that do not exist in the project are left out. The answer is at most
/// 20 seconds old.
#[utoipa::path(get, path = "/timesheet/work-items/current-state", tag = TIMESHEET,
    params(ProjectParams, CurrentStateParams),
    responses(
        (status = 200, body = CurrentStateResponse, description = "The states, by id"),
        Problems<(InvalidReference, NotFound, InvalidInput, Protected)>
    ))]
async fn get_current_state(
    user: CurrentUser,
    State(service): State<TimesheetService>,
    ApiQuery(project, params): ApiQuery<ProjectParams, CurrentStateParams>,
) -> Result<ApiJson<CurrentStateResponse>> {
    let (organizacao, projeto) = (project.organization_name, project.project_id);
    let ids = read_ids(&params.work_item_ids)?;
    let found = service.current(&user, &organizacao, &projeto, &ids).await?;
    Ok(ApiJson(CurrentStateResponse::from(found)))
}

/// Parses ids of Azure DevOps; other texts are refused with 400, as in the FastAPI service.
fn read_ids(text: &str) -> Result<Vec<i32>> {
    let refuse = |detail: &str| Error::InvalidReference(detail.to_owned());
    let numbers = "work_item_ids deve conter apenas números separados por vírgula";
    let ids: Vec<i32> = parts(text)
        .map(|part| {
            let digits = part.bytes().all(|b| b.is_ascii_digit());
            part.parse().ok().filter(|_| digits)
        })
        .collect::<Option<_>>()
        .ok_or_else(|| refuse(numbers))?;
    if ids.len() > MOST_IDS {
        return Err(refuse("work_item_ids pode conter no máximo 2000 números"));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    proptest! {
        #[test]
        fn accepted_ids_are_the_written_ones(text in prop_oneof![arbitrary::text(), "([0-9]{1,11}[, ]{0,3}){0,6}"]) {
            if let Ok(ids) = read_ids(&text) {
                let written: Vec<i64> = parts(&text).map(|part| part.parse().unwrap()).collect();
                prop_assert_eq!(ids.into_iter().map(i64::from).collect::<Vec<_>>(), written);
                prop_assert!(text.chars().all(|c| c.is_ascii_digit() || c == ',' || c.is_whitespace()));
            }
        }

        #[test]
        fn up_to_2000_ids_are_taken(ids in prop::collection::vec(0..=i32::MAX, 0..2_100)) {
            let text = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ,");
            match read_ids(&text) {
                Ok(found) => prop_assert_eq!(found, ids),
                Err(_) => prop_assert!(ids.len() > MOST_IDS),
            }
        }
    }
}
