//! `/auditoria`: who did what, for administrators.

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
use crate::error::Result;
use crate::models::auditoria::{AuditoriaFilter, Registro};
use crate::models::organizacao::NomeOrganizacao;
use crate::services::auditoria::AuditoriaService;
use crate::state::AppState;

/// Routes of the audit trail.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_auditoria))
}

fields! {
    /// Which entries.
    struct AuditoriaParams {
        /// Not before this instant.
        desde: Optional<DateTime<Utc>> = "2026-01-12T00:00:00Z",
        /// Before this instant.
        ate: Optional<DateTime<Utc>> = "2026-01-13T00:00:00Z",
        /// By this user (id).
        usuario_id: Optional<String> = "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d",
        /// In this organisation.
        organization_name: Optional<NomeOrganizacao> = "contoso",
        /// This action.
        acao: Optional<String> = "alterar",
        /// This kind of object.
        objeto_tipo: Optional<String> = "atividade",
        /// This object (id).
        objeto_id: Optional<String> = "01932b5c-7c00-7000-8000-000000000001",
        /// `next_cursor` of the page before.
        cursor: Optional<Int<1, { i64::MAX }>> = 4711,
        /// Entries to return at the most.
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
/// The newest first; those of the caller's organisations, and for members of the default one those of none. For
/// administrators.
#[utoipa::path(get, path = "/auditoria", tag = AUDITORIA, params(AuditoriaParams),
    responses(
        (status = 200, body = AuditoriaListResponse, description = "A page of entries"),
        Problems<(InvalidInput, Protected)>
    ))]
async fn list_auditoria(
    admin: Admin,
    State(service): State<AuditoriaService>,
    ApiQuery(params, _): ApiQuery<AuditoriaParams>,
) -> Result<ApiJson<AuditoriaListResponse>> {
    let filter = AuditoriaFilter::from(params);
    let found = service.list(&admin, &filter).await?;
    let full = usize::try_from(filter.limit).is_ok_and(|limit| found.len() >= limit);
    let next_cursor = found.last().map(|last| last.id).filter(|_| full);
    Ok(ApiJson(AuditoriaListResponse {
        items: found.into_iter().map(RegistroResponse::from).collect(),
        next_cursor,
    }))
}

/// A page of the audit trail.
#[derive(Debug, Serialize, ToSchema)]
struct AuditoriaListResponse {
    /// The entries.
    items: Vec<RegistroResponse>,
    /// What to pass as `cursor` for the next page; `null` on the last.
    #[schema(required = true, example = 4711)]
    next_cursor: Option<i64>,
}

/// Something that was done.
#[derive(Debug, Serialize, ToSchema)]
struct RegistroResponse {
    /// Key; later entries have larger ones.
    #[schema(example = 4712)]
    id: i64,
    /// When.
    em: Instant,
    /// By whom: an id, or `sistema`.
    #[schema(example = "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d")]
    usuario_id: String,
    /// Their name then.
    #[schema(example = "Ada Example")]
    usuario_nome: String,
    /// In which organisation; `null` if in no single one.
    #[schema(required = true, example = "contoso")]
    organizacao: Option<String>,
    /// `criar`, `alterar`, `excluir`, `sincronizar`, ...
    #[schema(example = "alterar")]
    acao: String,
    /// `atividade`, `organization_pat`, `projetos`, ...
    #[schema(example = "atividade")]
    objeto_tipo: String,
    /// Which one.
    #[schema(required = true, example = "01932b5c-7c00-7000-8000-000000000001")]
    objeto_id: Option<String>,
    /// The object before, without secrets.
    #[schema(value_type = Option<Object>, required = true, example = json!({"ativo": true}))]
    antes: Option<Value>,
    /// The object after, without secrets.
    #[schema(value_type = Option<Object>, required = true, example = json!({"ativo": false}))]
    depois: Option<Value>,
    /// The request that caused it.
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
