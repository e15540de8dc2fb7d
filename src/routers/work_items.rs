//! `/work-items`: search by id or title, to choose a work item for a time entry.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::project_params::parts;
use crate::auth::{CurrentUser, membership_of, not_configured};
use crate::edge::conditional::{IfNoneMatch, IfNoneMatchParam, Tagged};
use crate::edge::extract::ApiQuery;
use crate::edge::fields::{Blankable, Number, Required, SearchText, Trimmed, fields};
use crate::edge::openapi::WORK_ITEMS;
use crate::edge::openapi::problems::{
    InvalidInput, InvalidReference, NotFound, Problems, Protected, TooManyWorkItems,
};
use crate::error::Result;
use crate::models::apontamento::ProjetoNomeado;
use crate::models::horas::Horas;
use crate::models::organizacao::NomeOrganizacao;
use crate::services::projetos::ProjetoService;
use crate::services::work_items::{Found, Search, WorkItemService};
use crate::state::AppState;

/// Returns the routes of work items.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(search_work_items))
}

fields! {
    /// Selects the work items to find.
    struct SearchParams {
        /// Id, `#id` or a part of the title of at least two characters. Every character is taken literally.
        query: Required<SearchText<255>> = "#4711",
        /// Searches only in this project: its name, its Azure DevOps GUID in any spelling, or its `id`.
        project_id: Blankable<ProjetoNomeado> = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001",
        /// Name of the organisation, in any case; without it the caller's default one.
        organization_name: Blankable<NomeOrganizacao> = "contoso",
        /// Searches only work items of these types, separated by commas.
        work_item_types: Blankable<Trimmed<1000>> = "Task,Bug",
        /// Maximum number of work items to return.
        limit: Number<1, 50, 10> = 10,
    }
}

/// Find work items
///
/// Searches by id, by `#id` or by a part of the title. A work item with exactly that id comes first, then the
/// most recently changed ones. The caller's own credential is used where Azure DevOps accepts it, else that
/// of the organisation. The answer is at most 20 seconds old.
#[utoipa::path(get, path = "/work-items/search", tag = WORK_ITEMS, params(SearchParams, IfNoneMatchParam),
    responses(
        (status = 200, body = SearchResponse, description = "Work items that were found",
            headers(("ETag" = String, description = "Version of the answer"))),
        (status = 304, description = "The answer that `If-None-Match` names is still current"),
        Problems<(InvalidReference, NotFound, TooManyWorkItems, InvalidInput, Protected)>
    ))]
async fn search_work_items(
    user: CurrentUser,
    State(service): State<WorkItemService>,
    State(projetos): State<ProjetoService>,
    ApiQuery(params, _): ApiQuery<SearchParams>,
    known: IfNoneMatch,
) -> Result<Response> {
    let project = match params.organization_name {
        Some(nome) => membership_of(&user, &nome)?,
        None => match user.default_membership() {
            Err(_) if user.is_mock() => return Err(not_configured()),
            found => found?,
        },
    };
    let types = params.work_item_types.unwrap_or_default();
    let search = Search {
        text: params.query,
        projeto: params.project_id,
        types: parts(&types).map(str::to_owned).collect(),
        limit: usize::try_from(params.limit).unwrap_or_default(),
    };
    let found = service.search(&user, project, &projetos, &search).await?;
    let project = search.projeto.as_ref().map(|projeto| match projeto {
        ProjetoNomeado::Id(id) => id.to_string(),
        ProjetoNomeado::Nome(nome) => nome.clone(),
    });
    let results: Vec<SearchResult> = found.into_iter().map(SearchResult::from).collect();
    let answer = SearchResponse {
        query: search.text,
        project,
        count: results.len(),
        results,
    };
    Ok(Tagged::view(answer).unless(&known))
}

/// Result of a search.
#[derive(Debug, Serialize, ToSchema)]
struct SearchResponse {
    /// Text that was searched for.
    #[schema(example = "#4711")]
    query: String,
    /// Project that was searched; null if all were.
    #[schema(required = true, example = "Portal do Contribuinte")]
    project: Option<String>,
    /// Number of work items in `results`.
    #[schema(example = 1)]
    count: usize,
    /// Work items, the most recently changed first.
    results: Vec<SearchResult>,
}

/// A work item.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SearchResult {
    /// Id of the work item.
    #[schema(example = 4711)]
    id: i32,
    /// Title of the work item.
    #[schema(example = "Fechar o balanço")]
    title: String,
    /// Name of the work item type.
    #[serde(rename = "type")]
    #[schema(example = "Task")]
    tipo: String,
    /// Name of the project.
    #[schema(example = "Portal do Contribuinte")]
    project: String,
    /// REST address in Azure DevOps.
    #[schema(example = "https://dev.azure.com/contoso/_apis/wit/workItems/4711")]
    url: String,
    /// Icon of the type as a `data:` URI.
    #[schema(example = "data:image/svg+xml;base64,PHN2Zy8+")]
    icon_url: String,
    /// Estimate in hours.
    #[schema(required = true, example = 8.0)]
    original_estimate: Option<f64>,
    /// Completed work in hours.
    #[schema(required = true, example = 2.5)]
    completed_work: Option<f64>,
    /// Remaining work in hours.
    #[schema(required = true, example = 5.5)]
    remaining_work: Option<f64>,
    /// Name of the state.
    #[schema(example = "Doing")]
    state: String,
}

impl From<Found> for SearchResult {
    fn from(found: Found) -> Self {
        let item = found.item;
        Self {
            id: item.id,
            title: item.title,
            tipo: item.tipo,
            project: item.project,
            url: item.url,
            icon_url: found.icon.to_string(),
            original_estimate: item.scheduling.original_estimate.map(Horas::to_f64),
            completed_work: item.scheduling.completed_work.map(Horas::to_f64),
            remaining_work: item.scheduling.remaining_work.map(Horas::to_f64),
            state: item.state,
        }
    }
}
