//! The only format of errors: RFC 9457 problem details.
//!
//! A handler's [`Error`] becomes a [`Problem`] in the response's extensions. [`crate::edge::observe`] writes
//! the body, because only there the request id is known, and logs the cause once.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Code, Error, FieldError, Segment};

/// Content type of problem documents.
pub const CONTENT_TYPE_PROBLEM: &str = "application/problem+json";

/// An error response.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    /// Problem code.
    pub code: Code,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    /// `true` if the body has an encoding that is not accepted.
    is_encoding: bool,
    /// Cause, only for the log.
    pub cause: Option<Arc<Error>>,
}

impl Problem {
    /// Returns the problem with this code and its standard text.
    #[must_use]
    pub fn of(code: Code) -> Self {
        Self::new(code, code.sentence())
    }

    fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            is_encoding: false,
            cause: None,
        }
    }

    /// Returns the problem of a compressed body.
    #[must_use]
    pub fn encoded_body() -> Self {
        let detail = "O corpo não pode ser comprimido (Content-Encoding)";
        Self {
            is_encoding: true,
            ..Self::new(Code::TipoNaoSuportado, detail)
        }
    }

    /// Returns the problem of a bare status, for responses of layers that do not create problems.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => Code::RotaNaoEncontrada,
            StatusCode::METHOD_NOT_ALLOWED => Code::MetodoNaoPermitido,
            StatusCode::PAYLOAD_TOO_LARGE => Code::CorpoGrandeDemais,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::TipoNaoSuportado,
            StatusCode::TOO_MANY_REQUESTS => Code::MuitasRequisicoes,
            StatusCode::GATEWAY_TIMEOUT => Code::TempoEsgotado,
            s if s.is_client_error() => Code::RequisicaoInvalida,
            _ => Code::ErroInterno,
        };
        let detail = match code {
            Code::RequisicaoInvalida if status != StatusCode::BAD_REQUEST => {
                "A requisição não pôde ser atendida"
            }
            code => code.sentence(),
        };
        Self {
            status,
            ..Self::new(code, detail)
        }
    }

    /// Adds `Retry-After` (in whole seconds, at least one).
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Returns the serialized body with this request id.
    #[must_use]
    pub fn body(&self, request_id: &str) -> Vec<u8> {
        serde_json::to_vec(&self.document(request_id)).unwrap_or_default()
    }

    /// Returns an example body with this code, for the OpenAPI document.
    #[must_use]
    pub fn example(code: Code) -> serde_json::Value {
        let problem = Self {
            errors: vec![example_failure(code)],
            ..Self::of(code)
        };
        serde_json::to_value(problem.document("019aa3f0-7c1b-7d2e-8f4a-2f8f6f2f1a10")).unwrap_or_default()
    }

    fn document<'a>(&'a self, request_id: &'a str) -> ProblemBody<'a> {
        let errors = (self.status == StatusCode::UNPROCESSABLE_ENTITY)
            .then(|| self.errors.iter().map(FieldErrorBody::from).collect());
        ProblemBody {
            kind: format!("urn:aponta:erro:{}", self.code.as_str()),
            title: title(self.status),
            status: self.status.as_u16(),
            detail: &self.detail,
            instance: request_id,
            code: self.code.as_str(),
            message: &self.detail,
            errors,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let problem = Self::of_error(&error);
        Self {
            retry_after: error.retry_after(),
            cause: Some(Arc::new(error)),
            ..problem
        }
    }
}

impl Problem {
    /// Converts an error of the application, with the detail that the client may see.
    fn of_error(error: &Error) -> Self {
        let code = error.code();
        match error {
            Error::Unauthenticated(detail)
            | Error::Forbidden(detail)
            | Error::NotFound(detail)
            | Error::InvalidReference(detail)
            | Error::Conflict { detail, .. }
            | Error::Upstream { detail, .. } => Self::new(code, detail),
            Error::Invalid(errors) => Self {
                errors: errors.clone(),
                ..Self::new(code, summary(errors))
            },
            Error::Rule { detail, loc, .. } => {
                let failure = FieldError {
                    loc: loc.clone(),
                    kind: code.as_str(),
                    message: detail.clone(),
                };
                Self {
                    errors: vec![failure],
                    ..Self::new(code, detail)
                }
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
                Self::new(code, format!("Erro ao listar projetos do Azure DevOps: {parts}"))
            }
            Error::Shared(inner) => Self::of_error(inner),
            Error::TooManyProofs { .. }
            | Error::Stale
            | Error::DatabaseUnavailable(_)
            | Error::NotConfigured(_)
            | Error::Internal(_) => Self::of(code),
        }
    }
}

/// Returns an example of an input failure for `code`.
fn example_failure(code: Code) -> FieldError {
    match code {
        Code::DadosInvalidos => FieldError {
            loc: vec!["query".into(), "limit".into()],
            kind: "less_than_equal",
            message: "deve ser menor ou igual a 1000".to_owned(),
        },
        rule => FieldError {
            loc: vec!["body".into()],
            kind: rule.as_str(),
            message: rule.sentence().to_owned(),
        },
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
        if self.is_encoding {
            // RFC 9110, 12.5.3: the encodings that would do; a 415 for another reason must not have it.
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
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

/// Returns the seconds, rounded up and at least one: `Retry-After: 0` would make a client retry in a tight
/// loop.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Maximum number of failures in `detail`; `errors` contains all of them.
const SUMMARY_MOST: usize = 10;

/// Joins the failures into one sentence, because one of the clients displays only `detail`.
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
    #[schema(
        deprecated,
        example = "Atividade com ID 0190b5a0-0000-7000-8000-000000000000 não encontrada"
    )]
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
    fn summary_names_every_field() {
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
