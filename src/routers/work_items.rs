//! `/work-items`: found by id or title, for whoever picks one to log hours on.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::parts;
use crate::auth::{CurrentUser, membership_of, not_configured};
use crate::edge::conditional::{IfNoneMatch, IfNoneMatchParam, Tagged};
use crate::edge::extract::ApiQuery;
use crate::edge::fields::{Blankable, Name, Number, Required, Trimmed, fields};
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

/// Routes of work items.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(search_work_items))
}

fields! {
    /// What to look for.
    struct SearchParams {
        /// An id, `#id`, or a part of a title. Whatever it holds is text.
        query: Required<Name<2, 255>> = "#4711",
        /// Only in this project: name, Azure DevOps GUID in any spelling, or `id`.
        project_id: Blankable<ProjetoNomeado> = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001",
        /// Organisation, in any case; the caller's default one without it.
        organization_name: Blankable<NomeOrganizacao> = "contoso",
        /// Only of these types, comma-separated.
        work_item_types: Blankable<Trimmed<1000>> = "Task,Bug",
        /// At the most so many.
        limit: Number<1, 50, 10> = 10,
    }
}

/// Find work items
///
/// By id, `#id` or a part of the title, the last changed first, the one of that very id before all; at the most 20 s old. With the
/// caller's own credential where it can read, else with the organisation's, since they belong.
#[utoipa::path(get, path = "/work-items/search", tag = WORK_ITEMS, params(SearchParams, IfNoneMatchParam),
    responses(
        (status = 200, body = SearchResponse, description = "What was found", headers(("ETag" = String, description = "Version of the answer"))),
        (status = 304, description = "The answer that `If-None-Match` names is still right"),
        Problems<(InvalidReference, NotFound, TooManyWorkItems, InvalidInput, Protected)>
    ))]
async fn search_work_items(
    user: CurrentUser,
    State(service): State<WorkItemService>,
    State(projetos): State<ProjetoService>,
    ApiQuery(params, _): ApiQuery<SearchParams>,
    known: IfNoneMatch,
) -> Result<Response> {
    let place = match params.organization_name {
        Some(nome) => membership_of(&user, &nome)?,
        None => match user.default_membership() {
            Err(_) if user.is_everybody() => return Err(not_configured()),
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
    let found = service.search(&user, place, &projetos, &search).await?;
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

/// Work items that were found.
#[derive(Debug, Serialize, ToSchema)]
struct SearchResponse {
    /// What was looked for.
    #[schema(example = "#4711")]
    query: String,
    /// Where, if in one project.
    #[schema(required = true, example = "Portal do Contribuinte")]
    project: Option<String>,
    /// How many there are in `results`.
    #[schema(example = 1)]
    count: usize,
    /// The last changed first.
    results: Vec<SearchResult>,
}

/// A work item.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SearchResult {
    /// Id.
    #[schema(example = 4711)]
    id: i32,
    /// Title.
    #[schema(example = "Fechar o balanço")]
    title: String,
    /// Name of the type.
    #[serde(rename = "type")]
    #[schema(example = "Task")]
    tipo: String,
    /// Name of the project.
    #[schema(example = "Portal do Contribuinte")]
    project: String,
    /// REST address in Azure DevOps.
    #[schema(example = "https://dev.azure.com/contoso/_apis/wit/workItems/4711")]
    url: String,
    /// Picture of the type, a `data:` URI.
    #[schema(example = "data:image/svg+xml;base64,PHN2Zy8+")]
    icon_url: String,
    /// Estimate in hours.
    #[schema(required = true, example = 8.0)]
    original_estimate: Option<f64>,
    /// Hours done.
    #[schema(required = true, example = 2.5)]
    completed_work: Option<f64>,
    /// Hours left.
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
