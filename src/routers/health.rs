//! `/`, `/health`, `/healthz`, `/ready` for probes, and `/api/v1` with information on the API. None needs a
//! credential.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::edge::extract::ApiJson;
use crate::edge::openapi::HEALTH;
use crate::edge::openapi::problems::{InvalidInput, Limited, Problems};
use crate::services::health::{Check, HealthService, Readiness};
use crate::state::{AppState, ServiceInfo};

/// Paths of the liveness probes.
pub const ALIVE: [&str; 3] = ["/", "/health", "/healthz"];
/// Path of the readiness probe.
pub const READY: &str = "/ready";

/// Returns the routes of liveness and readiness.
#[must_use]
pub fn probe_router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_root))
        .routes(routes!(get_health))
        .routes(routes!(get_healthz))
        .routes(routes!(get_ready))
}

/// Returns the route of the API's information.
#[must_use]
pub fn info_router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_api_info))
}

/// Tell whether the process is running
///
/// Asks no dependency: answers 200 as long as the process can answer.
#[utoipa::path(get, path = "/", tag = HEALTH, security(()),
    responses((status = 200, body = HealthResponse, description = "The process is running"), Problems<Limited>))]
async fn get_root(State(info): State<ServiceInfo>) -> ApiJson<HealthResponse> {
    health(info)
}

/// Tell whether the process is running (health)
///
/// Returns the same answer as `/`.
#[utoipa::path(get, path = "/health", tag = HEALTH, security(()),
    responses((status = 200, body = HealthResponse, description = "The process is running"), Problems<Limited>))]
async fn get_health(State(info): State<ServiceInfo>) -> ApiJson<HealthResponse> {
    health(info)
}

/// Tell whether the process is running (healthz)
///
/// Returns the same answer as `/`.
#[utoipa::path(get, path = "/healthz", tag = HEALTH, security(()),
    responses((status = 200, body = HealthResponse, description = "The process is running"), Problems<Limited>))]
async fn get_healthz(State(info): State<ServiceInfo>) -> ApiJson<HealthResponse> {
    health(info)
}

fn health(info: ServiceInfo) -> ApiJson<HealthResponse> {
    ApiJson(alive(info))
}

/// Returns the response of a running process.
#[must_use]
pub fn alive(info: ServiceInfo) -> HealthResponse {
    HealthResponse {
        status: "healthy",
        version: info.version,
        environment: info.environment.as_str(),
    }
}

/// Tell whether to send traffic to this replica
///
/// Asks the database with a short deadline. The service stays ready while Azure DevOps is away.
#[utoipa::path(get, path = "/ready", tag = HEALTH, security(()),
    responses(
        (status = 200, body = ReadyResponse, description = "Send traffic"),
        (status = 503, body = ReadyResponse, description = "Do not send traffic: the database or a migration is \
            missing, or the process is stopping",
            example = json!({"status": "unavailable",
                "checks": {"database": "unavailable", "migrations": "unknown", "azure_devops": "ok"}})),
        Problems<Limited>
    ))]
async fn get_ready(State(service): State<HealthService>) -> (StatusCode, ApiJson<ReadyResponse>) {
    let readiness = service.readiness().await;
    let status = if readiness.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, ApiJson(readiness.into()))
}

/// Get name and version of the API
///
/// Returns the paths of the documentation as well.
#[utoipa::path(get, path = "/api/v1", tag = HEALTH, security(()),
    responses((status = 200, body = ApiInfoResponse, description = "Name, version, documentation"),
        Problems<(InvalidInput, Limited)>))]
async fn get_api_info(State(info): State<ServiceInfo>) -> ApiJson<ApiInfoResponse> {
    ApiJson(ApiInfoResponse {
        name: "API Aponta",
        version: info.version,
        docs: info.docs_enabled.then_some("/docs"),
        redoc: info.docs_enabled.then_some("/redoc"),
    })
}

/// State of the process.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthResponse {
    /// Always `healthy`.
    #[schema(example = "healthy")]
    status: &'static str,
    /// Version of the service.
    #[schema(example = "0.2.0")]
    version: &'static str,
    /// `development`, `test`, `staging` or `production`.
    #[schema(example = "production")]
    environment: &'static str,
}

/// Readiness of the service, with the state of each dependency.
#[derive(Debug, Serialize, ToSchema)]
struct ReadyResponse {
    /// `ready`, `unavailable` or `draining`.
    #[schema(example = "ready")]
    status: &'static str,
    /// State of each dependency.
    checks: ReadyChecks,
}

/// State of each dependency.
#[derive(Debug, Serialize, ToSchema)]
struct ReadyChecks {
    /// `ok` or `unavailable`.
    #[schema(example = "ok")]
    database: &'static str,
    /// `ok`, `pending` or `unknown`.
    #[schema(example = "ok")]
    migrations: &'static str,
    /// `ok`, `degraded` (an organisation does not answer), `unsupported` (a server is older than Azure DevOps
    /// Server 2019.1) or `not_configured`.
    #[schema(example = "ok")]
    azure_devops: &'static str,
    /// Lowest API version of the Azure DevOps servers, at most `7.1`. Absent until one of them has told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, example = "7.1")]
    versao_api: Option<String>,
    /// Why `azure_devops` is `unsupported`; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        required = false,
        nullable = false,
        example = "Um servidor Azure DevOps é anterior à versão 2019.1 (API 5.1) e não é suportado"
    )]
    motivo: Option<&'static str>,
}

/// Reason for `unsupported`: the version of an Azure DevOps server.
const OUTDATED: &str = "Um servidor Azure DevOps é anterior à versão 2019.1 (API 5.1) e não é suportado";

impl From<Readiness> for ReadyResponse {
    fn from(readiness: Readiness) -> Self {
        let status = match (readiness.draining, readiness.is_ready()) {
            (true, _) => "draining",
            (false, true) => "ready",
            (false, false) => "unavailable",
        };
        let checks = ReadyChecks {
            database: word(readiness.database),
            migrations: word(readiness.migrations),
            azure_devops: word(readiness.azure_devops),
            versao_api: readiness.azure_devops_version.map(|version| version.to_string()),
            motivo: (readiness.azure_devops == Check::Unsupported).then_some(OUTDATED),
        };
        Self { status, checks }
    }
}

fn word(check: Check) -> &'static str {
    match check {
        Check::Ok => "ok",
        Check::Unavailable => "unavailable",
        Check::Degraded => "degraded",
        Check::Pending => "pending",
        Check::Unknown => "unknown",
        Check::Unsupported => "unsupported",
        Check::NotConfigured => "not_configured",
    }
}

/// Name, version and documentation of the API.
#[derive(Debug, Serialize, ToSchema)]
struct ApiInfoResponse {
    /// Name of the API.
    #[schema(example = "API Aponta")]
    name: &'static str,
    /// Version of the service.
    #[schema(example = "0.2.0")]
    version: &'static str,
    /// Path of Swagger UI; `null` where the service has it switched off.
    #[schema(required = true, example = "/docs")]
    docs: Option<&'static str>,
    /// Path of `ReDoc`; `null` where the service has it switched off.
    #[schema(required = true, example = "/redoc")]
    redoc: Option<&'static str>,
}
