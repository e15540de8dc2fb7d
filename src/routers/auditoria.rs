//! `/auditoria`: who did what, for administrators.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use validator::Validate;

use crate::auth::Admin;
use crate::edge::extract::{ApiJson, ApiQuery};
use crate::edge::fields::Field;
use crate::edge::instant::Instant;
use crate::edge::openapi::AUDITORIA;
use crate::edge::openapi::problems::{InvalidInput, Problems, Protected};
use crate::error::Result;
use crate::fields;
use crate::models::auditoria::{AuditoriaFilter, Registro};
use crate::models::organizacao::NomeOrganizacao;
use crate::services::auditoria::AuditoriaService;
use crate::state::AppState;

/// Entries of a page when the caller does not say.
const DEFAULT_LIMIT: i64 = 100;

/// Routes of the audit trail.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_auditoria))
}

/// Which entries.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditoriaParams {
    /// Not before this instant.
    #[param(value_type = Option<DateTime<Utc>>, nullable = false, example = "2026-01-12T00:00:00Z")]
    #[serde(default)]
    desde: Field<DateTime<Utc>>,
    /// Before this instant.
    #[param(value_type = Option<DateTime<Utc>>, nullable = false, example = "2026-01-13T00:00:00Z")]
    #[serde(default)]
    ate: Field<DateTime<Utc>>,
    /// By this user (id).
    #[param(value_type = Option<String>, nullable = false, pattern = r"^[^\u0000]*$", example = "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d")]
    #[serde(default)]
    usuario_id: Field<String>,
    /// In this organisation.
    #[param(value_type = Option<String>, nullable = false, min_length = 1, max_length = 64, pattern = r"^[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]]([A-Za-z0-9À-ÖØ-öø-ÿ()\[\]_. -]*[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]])?$", example = "contoso")]
    #[serde(default)]
    organization_name: Field<NomeOrganizacao>,
    /// This action.
    #[param(value_type = Option<String>, nullable = false, pattern = r"^[^\u0000]*$", example = "alterar")]
    #[serde(default)]
    acao: Field<String>,
    /// This kind of object.
    #[param(value_type = Option<String>, nullable = false, pattern = r"^[^\u0000]*$", example = "atividade")]
    #[serde(default)]
    objeto_tipo: Field<String>,
    /// This object (id).
    #[param(value_type = Option<String>, nullable = false, pattern = r"^[^\u0000]*$", example = "01932b5c-7c00-7000-8000-000000000001")]
    #[serde(default)]
    objeto_id: Field<String>,
    /// `next_cursor` of the page before.
    #[validate(range(min = 1))]
    #[param(value_type = Option<i64>, nullable = false, minimum = 1, example = 4711)]
    #[serde(default)]
    cursor: Field<i64>,
    /// Entries to return at the most.
    #[validate(range(min = 1, max = 1000))]
    #[param(value_type = Option<i64>, nullable = false, minimum = 1, maximum = 1000, default = 100, example = 100)]
    #[serde(default)]
    limit: Field<i64>,
}
fields!(AuditoriaParams {
    desde,
    ate,
    usuario_id,
    organization_name,
    acao,
    objeto_tipo,
    objeto_id,
    cursor,
    limit
});

impl From<AuditoriaParams> for AuditoriaFilter {
    fn from(params: AuditoriaParams) -> Self {
        Self {
            desde: params.desde.value(),
            ate: params.ate.value(),
            usuario_id: params.usuario_id.value(),
            organizacao: params.organization_name.value(),
            acao: params.acao.value(),
            objeto_tipo: params.objeto_tipo.value(),
            objeto_id: params.objeto_id.value(),
            before: params.cursor.value(),
            limit: params.limit.value().unwrap_or(DEFAULT_LIMIT),
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
