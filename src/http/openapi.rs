//! The base of the OpenAPI document: what is true of the API as a whole. Operations describe themselves.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::problem::ProblemBody;

/// Name of the security scheme for PATs, access tokens and app tokens.
pub const BEARER: &str = "bearer";
/// Name of the security scheme for PATs as password.
pub const BASIC: &str = "basic";

/// Tag of activities.
pub const ATIVIDADES: &str = "Atividades";
/// Tag of projects.
pub const PROJETOS: &str = "Projetos";
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
    modifiers(&SecuritySchemes),
    security(("bearer" = []), ("basic" = [])),
    tags(
        (name = ATIVIDADES, description = "Kinds of work that hours are logged on"),
        (name = PROJETOS, description = "Projects mirrored from Azure DevOps"),
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
        headers(("WWW-Authenticate" = String, description = "Always `Bearer`"))
    )]
    Unauthenticated(#[to_schema] ProblemBody<'a>),
    /// The caller's rate limit is exceeded
    #[response(
        status = 429,
        content_type = "application/problem+json",
        headers(
            ("Retry-After" = u64, description = "Seconds to wait before the next try"),
            ("RateLimit" = String, description = "Requests left and seconds until the quota is full again"),
            ("RateLimit-Policy" = String, description = "Quota and its window in seconds")
        )
    )]
    TooManyRequests(#[to_schema] ProblemBody<'a>),
    /// Internal error; the log has the cause under the request id
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(#[to_schema] ProblemBody<'a>),
    /// The database is unavailable
    #[response(
        status = 503,
        content_type = "application/problem+json",
        headers(("Retry-After" = u64, description = "Seconds to wait before the next try"))
    )]
    Unavailable(#[to_schema] ProblemBody<'a>),
    /// The request took too long
    #[response(status = 504, content_type = "application/problem+json")]
    Timeout(#[to_schema] ProblemBody<'a>),
}

/// What an operation with query or path parameters may answer besides.
#[derive(Debug, IntoResponses)]
pub enum InvalidInput<'a> {
    /// Invalid input; `errors` lists every failure
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(#[to_schema] ProblemBody<'a>),
}

/// What an operation with a JSON body may answer besides.
#[derive(Debug, IntoResponses)]
pub enum InvalidBody<'a> {
    /// The body is too large
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] ProblemBody<'a>),
    /// The body is not JSON
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedType(#[to_schema] ProblemBody<'a>),
    /// Invalid input; `errors` lists every failure
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(#[to_schema] ProblemBody<'a>),
}
