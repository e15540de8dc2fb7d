//! The base of the OpenAPI document: what is true of the API as a whole. Operations describe themselves.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::problem::{FieldErrorBody, ProblemBody};

/// Name of the security scheme for PATs, access tokens and app tokens.
pub const BEARER: &str = "bearer";
/// Name of the security scheme for PATs as password.
pub const BASIC: &str = "basic";

/// Tag of time entries.
pub const APONTAMENTOS: &str = "Apontamentos";
/// Tag of activities.
pub const ATIVIDADES: &str = "Atividades";
/// Tag of projects.
pub const PROJETOS: &str = "Projetos";
/// Tag of what is exchanged with Azure DevOps.
pub const INTEGRACAO: &str = "Integração";
/// Tag of the vault.
pub const ORGANIZATION_PATS: &str = "Organization PATs";
/// Tag of the audit trail.
pub const AUDITORIA: &str = "Auditoria";
/// Tag of the caller.
pub const USER: &str = "User";
/// Tag of work items.
pub const WORK_ITEMS: &str = "Work Items";
/// Tag of the weekly timesheet.
pub const TIMESHEET: &str = "Timesheet";
/// Tag of iterations.
pub const ITERATIONS: &str = "Iterations";
/// Tag of teams.
pub const TEAMS: &str = "Teams";
/// Tag of health and service information.
pub const HEALTH: &str = "Health";

/// The document without operations.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "API Aponta",
        description = "Working hours on Azure DevOps work items: activities, projects, time entries and the weekly \
                       timesheet.\n\nErrors are problem details (RFC 9457); `detail` is a Portuguese sentence to show \
                       to a person, `code` is stable for programs.",
        license(name = "MIT", identifier = "MIT")
    ),
    components(schemas(ProblemBody, FieldErrorBody)),
    modifiers(&SecuritySchemes),
    security(("bearer" = []), ("basic" = [])),
    tags(
        (name = APONTAMENTOS, description = "Hours that people logged"),
        (name = TIMESHEET, description = "The week of a person"),
        (name = WORK_ITEMS, description = "Work items of Azure DevOps, found"),
        (name = ITERATIONS, description = "Iterations of Azure DevOps"),
        (name = TEAMS, description = "Teams of Azure DevOps"),
        (name = ATIVIDADES, description = "Kinds of work that hours are logged on"),
        (name = PROJETOS, description = "Projects mirrored from Azure DevOps"),
        (name = INTEGRACAO, description = "Exchange with Azure DevOps"),
        (name = ORGANIZATION_PATS, description = "PATs that the service uses, for administrators"),
        (name = AUDITORIA, description = "Who did what"),
        (name = USER, description = "Who is calling"),
        (name = HEALTH, description = "State of the service")
    )
)]
pub struct BaseDocument;

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description =
            Some("A PAT, an Azure DevOps access token or a token of the extension".to_owned());
        components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
        let mut basic = Http::new(HttpAuthScheme::Basic);
        basic.description = Some("A PAT as password; the user may be empty".to_owned());
        components.add_security_scheme(BASIC, SecurityScheme::Http(basic));
    }
}

/// What every protected operation may answer beside its own statuses.
#[derive(Debug, IntoResponses)]
pub enum ProtectedResponses<'a> {
    /// No credential, or one that proves nobody
    #[response(
        status = 401,
        content_type = "application/problem+json",
        headers(("WWW-Authenticate" = String, description = "Always `Bearer`")),
        example = json!(examples::unauthenticated())
    )]
    Unauthenticated(ProblemBody<'a>),
    /// The caller is known, but may not do this
    #[response(status = 403, content_type = "application/problem+json", example = json!(examples::forbidden()))]
    Forbidden(ProblemBody<'a>),
    /// The caller's rate limit is exceeded
    #[response(
        status = 429,
        content_type = "application/problem+json",
        headers(
            ("Retry-After" = u64, description = "Seconds to wait before the next try"),
            ("RateLimit" = String, description = "Requests left and seconds until the quota is full again"),
            ("RateLimit-Policy" = String, description = "Quota and its window in seconds")
        ),
        example = json!(examples::too_many_requests())
    )]
    TooManyRequests(ProblemBody<'a>),
    /// Internal error; the log has the cause under the request id
    #[response(status = 500, content_type = "application/problem+json", example = json!(examples::internal()))]
    Internal(ProblemBody<'a>),
    /// Azure DevOps, which must vouch for the caller, gave an answer that cannot be used
    #[response(status = 502, content_type = "application/problem+json", example = json!(examples::bad_gateway()))]
    BadGateway(ProblemBody<'a>),
    /// The database or Azure DevOps is unavailable
    #[response(
        status = 503,
        content_type = "application/problem+json",
        headers(("Retry-After" = u64, description = "Seconds to wait before the next try")),
        example = json!(examples::unavailable())
    )]
    Unavailable(ProblemBody<'a>),
    /// The request took too long, or Azure DevOps did
    #[response(status = 504, content_type = "application/problem+json", example = json!(examples::timeout()))]
    Timeout(ProblemBody<'a>),
}

/// What an open operation under the rate limit may answer besides.
#[derive(Debug, IntoResponses)]
pub enum LimitedResponses<'a> {
    /// The caller's rate limit is exceeded
    #[response(
        status = 429,
        content_type = "application/problem+json",
        headers(("Retry-After" = u64, description = "Seconds to wait before the next try")),
        example = json!(examples::too_many_requests())
    )]
    TooManyRequests(ProblemBody<'a>),
}

/// What an operation with query or path parameters may answer besides.
#[derive(Debug, IntoResponses)]
pub enum InvalidInput<'a> {
    /// Invalid input; `errors` lists every failure
    #[response(status = 422, content_type = "application/problem+json", example = json!(examples::invalid()))]
    Invalid(ProblemBody<'a>),
}

/// What an operation that names a project may answer besides.
#[derive(Debug, IntoResponses)]
pub enum UnknownProjeto<'a> {
    /// The project does not exist, or what is named cannot be read
    #[response(status = 400, content_type = "application/problem+json", example = json!(examples::unknown_projeto()))]
    Unknown(ProblemBody<'a>),
}

/// What an operation that reads Azure DevOps may answer besides.
#[derive(Debug, IntoResponses)]
pub enum NotInAzure<'a> {
    /// Azure DevOps has no such work item, iteration, team or type
    #[response(status = 404, content_type = "application/problem+json", example = json!(examples::not_in_azure()))]
    NotFound(ProblemBody<'a>),
}

/// What a change of an object that has an `ETag` may answer besides.
#[derive(Debug, IntoResponses)]
pub enum Outdated<'a> {
    /// Somebody changed the object since the version that `If-Match` names
    #[response(status = 412, content_type = "application/problem+json", example = json!(examples::outdated()))]
    Outdated(ProblemBody<'a>),
}

/// What an operation with a JSON body may answer besides.
#[derive(Debug, IntoResponses)]
pub enum InvalidBody<'a> {
    /// The body is too large
    #[response(status = 413, content_type = "application/problem+json", example = json!(examples::too_large()))]
    TooLarge(ProblemBody<'a>),
    /// The body is not JSON
    #[response(status = 415, content_type = "application/problem+json", example = json!(examples::unsupported_type()))]
    UnsupportedType(ProblemBody<'a>),
    /// Invalid input; `errors` lists every failure
    #[response(status = 422, content_type = "application/problem+json", example = json!(examples::invalid()))]
    Invalid(ProblemBody<'a>),
}

/// Examples made by the code that makes the answers.
mod examples {
    use std::time::Duration;

    use axum::http::StatusCode;
    use serde_json::Value;

    use crate::azure_devops;
    use crate::edge::problem::Problem;
    use crate::error::{Error, FieldError};

    pub(super) fn unauthenticated() -> Value {
        Problem::from(Error::Unauthenticated(
            "Token de autenticação não fornecido".to_owned(),
        ))
        .example()
    }

    pub(super) fn forbidden() -> Value {
        let detail = "O usuário não pertence a nenhuma organização atendida por este servidor";
        Problem::from(Error::Forbidden(detail.to_owned())).example()
    }

    pub(super) fn bad_gateway() -> Value {
        Problem::from(Error::from(azure_devops::Error::NotFound)).example()
    }

    pub(super) fn too_many_requests() -> Value {
        Problem::of_status(StatusCode::TOO_MANY_REQUESTS)
            .retry_after(Duration::from_secs(1))
            .example()
    }

    pub(super) fn internal() -> Value {
        Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).example()
    }

    pub(super) fn unavailable() -> Value {
        Problem::database_unavailable().example()
    }

    pub(super) fn timeout() -> Value {
        Problem::of_status(StatusCode::GATEWAY_TIMEOUT).example()
    }

    pub(super) fn unknown_projeto() -> Value {
        let detail = "Projeto não encontrado: Portal";
        Problem::from(Error::InvalidReference(detail.to_owned())).example()
    }

    pub(super) fn not_in_azure() -> Value {
        Problem::from(Error::NotFound("Work Item 4711 não encontrado".to_owned())).example()
    }

    pub(super) fn outdated() -> Value {
        Problem::from(Error::Stale).example()
    }

    pub(super) fn too_large() -> Value {
        Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE).example()
    }

    pub(super) fn unsupported_type() -> Value {
        Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE).example()
    }

    pub(super) fn invalid() -> Value {
        let failure = FieldError {
            loc: vec!["query".into(), "limit".into()],
            kind: "less_than_equal",
            message: "deve ser menor ou igual a 1000".to_owned(),
        };
        Problem::from(Error::Invalid(vec![failure])).example()
    }
}
