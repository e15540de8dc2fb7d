//! `/auditoria`: the audit trail, for administrators.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Admin;
use crate::edge::extract::{ApiJson, ApiQuery};
use crate::edge::fields::{Int, Number, Optional, fields};
use crate::edge::instant::Instant;
use crate::edge::openapi::AUDITORIA;
use crate::edge::openapi::problems::{InvalidInput, Problems, Protected};
use crate::edge::pagination::{NextLink, PageQuery};
use crate::error::Result;
use crate::models::auditoria::{AuditoriaFilter, Registro};
use crate::models::organizacao::NomeOrganizacao;
use crate::services::auditoria::AuditoriaService;
use crate::state::AppState;

/// Returns the routes of the audit trail.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_auditoria))
}

fields! {
    /// Selects the entries to list.
    struct AuditoriaParams {
        /// Returns only entries from this instant on.
        desde: Optional<DateTime<Utc>> = "2026-01-12T00:00:00Z",
        /// Returns only entries before this instant.
        ate: Optional<DateTime<Utc>> = "2026-01-13T00:00:00Z",
        /// Returns only entries of this person (id).
        usuario_id: Optional<String> = "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d",
        /// Returns only entries of this organisation. Case does not matter.
        organization_name: Optional<NomeOrganizacao> = "contoso",
        /// Returns only entries of this action.
        acao: Optional<String> = "alterar",
        /// Returns only entries about objects of this kind.
        objeto_tipo: Optional<String> = "atividade",
        /// Returns only entries about this object (id).
        objeto_id: Optional<String> = "01932b5c-7c00-7000-8000-000000000001",
        /// `next_cursor` of the previous page.
        cursor: Optional<Int<1, { i64::MAX }>> = 4711,
        /// Maximum number of entries to return.
        limit: Number<1, 1000, 100> = 100,
    }
}

impl From<AuditoriaParams> for AuditoriaFilter {
    fn from(params: AuditoriaParams) -> Self {
        Self {
            desde: params.desde,
            ate: params.ate,
            usuario_id: params.usuario_id,
            organizacao: params.organization_name,
            acao: params.acao,
            objeto_tipo: params.objeto_tipo,
            objeto_id: params.objeto_id,
            before: params.cursor,
            limit: params.limit,
        }
    }
}

/// List the audit trail
///
/// Returns the entries of the caller's organisations, the newest first. Members of the default organisation
/// also see entries that belong to no organisation. Only administrators may call this operation.
#[utoipa::path(get, path = "/auditoria", tag = AUDITORIA, params(AuditoriaParams),
    responses(
        (status = 200, body = AuditoriaListResponse, description = "A page of entries"),
        Problems<(InvalidInput, Protected)>
    ))]
async fn list_auditoria(
    admin: Admin,
    State(service): State<AuditoriaService>,
    ApiQuery(params, _): ApiQuery<AuditoriaParams>,
    query: PageQuery,
) -> Result<(NextLink, ApiJson<AuditoriaListResponse>)> {
    let filter = AuditoriaFilter::from(params);
    let found = service.list(&admin, &filter).await?;
    let full = usize::try_from(filter.limit).is_ok_and(|limit| found.len() >= limit);
    let next_cursor = found.last().map(|last| last.id).filter(|_| full);
    let next = next_cursor.map(|cursor| cursor.to_string());
    let body = AuditoriaListResponse {
        items: found.into_iter().map(RegistroResponse::from).collect(),
        next_cursor,
    };
    Ok((query.after(next.as_deref()), ApiJson(body)))
}

/// A page of the audit trail.
#[derive(Debug, Serialize, ToSchema)]
struct AuditoriaListResponse {
    /// Entries of the page.
    items: Vec<RegistroResponse>,
    /// Value of `cursor` for the next page; null on the last page.
    #[schema(required = true, example = 4711)]
    next_cursor: Option<i64>,
}

/// An entry of the audit trail.
#[derive(Debug, Serialize, ToSchema)]
struct RegistroResponse {
    /// Id of the entry. Later entries have larger ids.
    #[schema(example = 4712)]
    id: i64,
    /// Instant of the action.
    em: Instant,
    /// Id of the person who acted, or `sistema`.
    #[schema(example = "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d")]
    usuario_id: String,
    /// Name of that person at the time.
    #[schema(example = "Ada Example")]
    usuario_nome: String,
    /// Organisation of the object; null if it belongs to no single one.
    #[schema(required = true, example = "contoso")]
    organizacao: Option<String>,
    /// Action: `criar`, `alterar`, `excluir`, `sincronizar` and others.
    #[schema(example = "alterar")]
    acao: String,
    /// Kind of the object: `atividade`, `organization_pat`, `projetos` and others.
    #[schema(example = "atividade")]
    objeto_tipo: String,
    /// Id of the object.
    #[schema(required = true, example = "01932b5c-7c00-7000-8000-000000000001")]
    objeto_id: Option<String>,
    /// The object before the action, without secrets.
    #[schema(value_type = Option<Object>, required = true, example = json!({"ativo": true}))]
    antes: Option<Value>,
    /// The object after the action, without secrets.
    #[schema(value_type = Option<Object>, required = true, example = json!({"ativo": false}))]
    depois: Option<Value>,
    /// Id of the request that caused the action.
    #[schema(required = true, example = "019aa3f0-7c1b-7d2e-8f4a-2f8f6f2f1a10")]
    request_id: Option<String>,
}

impl From<Registro> for RegistroResponse {
    fn from(registro: Registro) -> Self {
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        Self {
            id: registro.id,
            em: registro.em.into(),
            usuario_id: registro.usuario_id,
            usuario_nome: registro.usuario_nome,
            organizacao: registro.organizacao,
            acao: registro.acao,
            objeto_tipo: registro.objeto_tipo,
            objeto_id: registro.objeto_id,
            antes: json(registro.antes),
            depois: json(registro.depois),
            request_id: registro.request_id,
        }
    }
}
