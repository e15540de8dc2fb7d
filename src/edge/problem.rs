//! The one shape of every error: RFC 9457 problem details.
//!
//! A handler's [`Error`] becomes a [`Problem`] that rides in the response's extensions; [`crate::edge::observe`]
//! writes the body, because only it knows the request id, and logs the cause once.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use crate::azure_devops::{self, Unavailability};
use crate::error::{Error, FieldError, Segment};

/// Content type of problem documents.
pub const CONTENT_TYPE_PROBLEM: &str = "application/problem+json";

/// An error on its way to the client.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    /// Stable machine-readable code.
    pub code: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    /// For the log only.
    pub cause: Option<Arc<Error>>,
}

impl Problem {
    /// A problem without more to say than its code and sentence.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            cause: None,
        }
    }

    /// What a bare status means; for answers of layers that know nothing of problems.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::BAD_REQUEST => ("requisicao_invalida", "A requisição não pôde ser entendida"),
            StatusCode::NOT_FOUND => ("rota_nao_encontrada", "Este endereço não existe"),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("metodo_nao_permitido", "Método não permitido para este endereço")
            }
            StatusCode::PAYLOAD_TOO_LARGE => ("corpo_grande_demais", "O corpo da requisição é grande demais"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("tipo_nao_suportado", "O corpo deve ser JSON (application/json)")
            }
            StatusCode::TOO_MANY_REQUESTS => {
                ("muitas_requisicoes", "Muitas requisições; aguarde um instante")
            }
            StatusCode::GATEWAY_TIMEOUT => {
                ("tempo_esgotado", "A requisição demorou demais e foi interrompida")
            }
            s if s.is_client_error() => ("requisicao_invalida", "A requisição não pôde ser atendida"),
            _ => ("erro_interno", "Erro interno do servidor"),
        };
        Self::new(status, code, detail)
    }

    /// The database is away or too busy.
    #[must_use]
    pub fn database_unavailable() -> Self {
        let detail = "O banco de dados está indisponível no momento; tente novamente";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "banco_indisponivel", detail)
    }

    /// The same, to be tried again after `wait` (told in whole seconds, at least one).
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The body, once the request id is known.
    #[must_use]
    pub fn body(&self, request_id: &str) -> Vec<u8> {
        serde_json::to_vec(&self.document(request_id)).unwrap_or_default()
    }

    /// The body for the OpenAPI document.
    #[must_use]
    pub fn example(&self) -> serde_json::Value {
        serde_json::to_value(self.document("019aa3f0-7c1b-7d2e-8f4a-2f8f6f2f1a10")).unwrap_or_default()
    }

    fn document<'a>(&'a self, request_id: &'a str) -> ProblemBody<'a> {
        let errors = (self.status == StatusCode::UNPROCESSABLE_ENTITY)
            .then(|| self.errors.iter().map(FieldErrorBody::from).collect());
        ProblemBody {
            kind: format!("urn:aponta:erro:{}", self.code),
            title: title(self.status),
            status: self.status.as_u16(),
            detail: &self.detail,
            instance: request_id,
            code: self.code,
            message: &self.detail,
            errors,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let problem = Self::told(&error);
        Self {
            retry_after: error.retry_after(),
            cause: Some(Arc::new(error)),
            ..problem
        }
    }
}

impl Problem {
    /// What the client is told of `error`.
    fn told(error: &Error) -> Self {
        match error {
            Error::Unauthenticated(detail) => Self::new(StatusCode::UNAUTHORIZED, "nao_autenticado", detail),
            Error::TooManyProofs { .. } => Self::of_status(StatusCode::TOO_MANY_REQUESTS),
            Error::Forbidden(detail) => Self::new(StatusCode::FORBIDDEN, "acesso_negado", detail),
            Error::NotFound(detail) => Self::new(StatusCode::NOT_FOUND, "nao_encontrado", detail),
            Error::InvalidReference(detail) => {
                Self::new(StatusCode::BAD_REQUEST, "referencia_invalida", detail)
            }
            Error::Invalid(errors) => {
                let problem = Self::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "dados_invalidos",
                    summary(errors),
                );
                Self {
                    errors: errors.clone(),
                    ..problem
                }
            }
            Error::Rule { code, detail, loc } => {
                let failure = FieldError {
                    loc: loc.clone(),
                    kind: code,
                    message: detail.clone(),
                };
                Self {
                    errors: vec![failure],
                    ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
                }
            }
            Error::Stale => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "versao_desatualizada",
                "O registro foi alterado por outra pessoa desde a última leitura; leia-o novamente",
            ),
            Error::Conflict { code, detail } => Self::new(StatusCode::CONFLICT, code, detail),
            Error::DatabaseUnavailable(_) => Self::database_unavailable(),
            Error::NotConfigured { code, detail } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, code, *detail)
            }
            Error::Upstream { detail, source } => {
                let (status, code) = upstream(source);
                Self::new(status, code, detail)
            }
            Error::AllUpstreamsFailed { failures, .. } => {
                let parts: Vec<String> = failures
                    .iter()
                    .map(|(nome, why)| format!("{nome}: {why}"))
                    .collect();
                let parts = if parts.is_empty() {
                    "nenhuma organização respondeu".to_owned()
                } else {
                    parts.join("; ")
                };
                let detail = format!("Erro ao listar projetos do Azure DevOps: {parts}");
                Self::new(StatusCode::BAD_GATEWAY, "azure_devops_resposta_invalida", detail)
            }
            Error::Shared(inner) => Self::told(inner),
            Error::Internal(_) => Self::of_status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

/// 502: it answered, but not what we need. 503: it may work again soon. 504: it said nothing in time.
fn upstream(error: &azure_devops::Error) -> (StatusCode, &'static str) {
    match error {
        azure_devops::Error::Timeout => (StatusCode::GATEWAY_TIMEOUT, "azure_devops_tempo_esgotado"),
        azure_devops::Error::Replaced => (StatusCode::SERVICE_UNAVAILABLE, "organizacao_trocada"),
        azure_devops::Error::OutdatedServer | azure_devops::Error::NotOffered => {
            (StatusCode::SERVICE_UNAVAILABLE, "azure_devops_nao_suportado")
        }
        azure_devops::Error::Unavailable {
            reason: Unavailability::Status(500),
            ..
        } => (StatusCode::BAD_GATEWAY, "azure_devops_resposta_invalida"),
        azure_devops::Error::Throttled { .. } | azure_devops::Error::Unavailable { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "azure_devops_indisponivel")
        }
        _ => (StatusCode::BAD_GATEWAY, "azure_devops_resposta_invalida"),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_PROBLEM));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response<Body> {
        Problem::from(self).into_response()
    }
}

/// Rounded up, at least one: `Retry-After: 0` invites a client to hammer.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Most failures that a sentence can hold; `errors` has the rest.
const SUMMARY_MOST: usize = 10;

/// All failures in one sentence, because one of the clients shows nothing but `detail`.
fn summary(errors: &[FieldError]) -> String {
    let parts = errors.iter().take(SUMMARY_MOST).map(|error| {
        let place: Vec<String> = error.loc.iter().skip(1).map(ToString::to_string).collect();
        let place = if place.is_empty() {
            "corpo".to_owned()
        } else {
            place.join(".")
        };
        format!("{place}: {}", error.message)
    });
    let parts = parts.collect::<Vec<_>>().join("; ");
    match errors.len().saturating_sub(SUMMARY_MOST) {
        0 => format!("Dados inválidos: {parts}"),
        more => format!("Dados inválidos: {parts}; e mais {more}"),
    }
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "Requisição inválida",
        StatusCode::UNAUTHORIZED => "Não autenticado",
        StatusCode::FORBIDDEN => "Acesso negado",
        StatusCode::NOT_FOUND => "Não encontrado",
        StatusCode::METHOD_NOT_ALLOWED => "Método não permitido",
        StatusCode::CONFLICT => "Conflito",
        StatusCode::PAYLOAD_TOO_LARGE => "Corpo grande demais",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "Tipo de conteúdo não suportado",
        StatusCode::UNPROCESSABLE_ENTITY => "Dados inválidos",
        StatusCode::TOO_MANY_REQUESTS => "Muitas requisições",
        StatusCode::BAD_GATEWAY => "Falha no Azure DevOps",
        StatusCode::SERVICE_UNAVAILABLE => "Serviço indisponível",
        StatusCode::GATEWAY_TIMEOUT => "Tempo esgotado",
        s if s.is_client_error() => "Requisição recusada",
        _ => "Erro interno",
    }
}

/// Problem details (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Identifies the kind of problem.
    #[serde(rename = "type")]
    #[schema(rename = "type", example = "urn:aponta:erro:nao_encontrado")]
    kind: String,
    /// The kind in words.
    #[schema(example = "Não encontrado")]
    title: &'static str,
    /// The HTTP status again.
    #[schema(example = 404)]
    status: u16,
    /// What happened this time, fit to show to a person.
    #[schema(example = "Atividade com ID 0190b5a0-0000-7000-8000-000000000000 não encontrada")]
    detail: &'a str,
    /// The request id, under which the log tells more.
    #[schema(example = "019aa3f0-7c1b-7d2e-8f4a-2f8f6f2f1a10")]
    instance: &'a str,
    /// Stable code for programs.
    #[schema(example = "nao_encontrado")]
    code: &'static str,
    /// Equal to `detail`.
    #[schema(example = "Atividade com ID 0190b5a0-0000-7000-8000-000000000000 não encontrada")]
    message: &'a str,
    /// Every failure of the input; with status 422 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    errors: Option<Vec<FieldErrorBody<'a>>>,
}

/// One failure of the input.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldError)]
pub struct FieldErrorBody<'a> {
    /// Path to the value: `body`, `query` or `path`, then keys and positions.
    #[schema(value_type = Vec<serde_json::Value>, example = json!(["body", "nome"]))]
    loc: &'a [Segment],
    /// What is wrong.
    #[schema(example = "deve ter pelo menos 1 caractere")]
    msg: &'a str,
    /// Stable code of the rule.
    #[serde(rename = "type")]
    #[schema(rename = "type", example = "string_too_short")]
    kind: &'static str,
}

impl<'a> From<&'a FieldError> for FieldErrorBody<'a> {
    fn from(error: &'a FieldError) -> Self {
        Self {
            loc: &error.loc,
            msg: &error.message,
            kind: error.kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_never_zero() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1_001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(7)), 7);
    }

    #[test]
    fn the_summary_names_every_field() {
        let error = |loc: &[&str], message: &str| FieldError {
            loc: loc.iter().map(|s| Segment::from(*s)).collect(),
            kind: "missing",
            message: message.to_owned(),
        };
        let text = summary(&[
            error(&["body", "nome"], "campo obrigatório"),
            error(&["body"], "JSON inválido"),
        ]);
        assert_eq!(
            text,
            "Dados inválidos: nome: campo obrigatório; corpo: JSON inválido"
        );
    }
}
