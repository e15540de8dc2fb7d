//! Assembles the application. [`build`] makes the whole router for the server and the tests; [`openapi()`]
//! describes the same routes, so that the OpenAPI document cannot differ from the router.

mod metrics;

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::StatusCode;
use axum::middleware;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::{Layer, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::normalize_path::NormalizePathLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use crate::azure_devops::{self, AzureDevOps};
use crate::config::{Config, HttpConfig};
use crate::db::{Db, DbError};
use crate::edge::observe::{Observer, observe, panic_response};
use crate::edge::openapi::{self, BaseDocument};
use crate::edge::preference::{self, KnownParameters};
use crate::edge::problem::Problem;
use crate::edge::rate_limit::{self, AddressBudgets};
use crate::edge::{cors, framing, headers, partial, request_id, stale};
use crate::jobs::Jobs;
use crate::lifecycle::Draining;
use crate::routers;
use crate::routers::health::{ALIVE, READY};
use crate::server::{self, ServerOptions};
use crate::services::apontamentos::ApontamentoService;
use crate::services::gauges::GaugeService;
use crate::services::integracao::IntegracaoService;
use crate::services::organization_pats::OrganizationPatService;
use crate::services::outbox::OutboxService;
use crate::state::AppState;
use crate::supervisor::Supervisor;
use crate::tenants::Tenants;

pub use metrics::MetricsListener;

/// Minimum size of a response that is compressed, in bytes; smaller ones are not worth the time. A response
/// of unknown size is compressed, too.
const COMPRESS_ABOVE: u64 = 4_096;

/// Maximum time that the end of the process waits for write-backs in flight. Another process resumes the rest
/// when their leases expire.
const WRITE_BACK_PATIENCE: Duration = Duration::from_secs(5);

/// All routes, and the OpenAPI document that describes them. The document takes megabytes and milliseconds to
/// build, so it is built once.
struct Described {
    /// Routes with a rate limit per caller.
    limited: Router<AppState>,
    /// Probes, without a limit per caller.
    unlimited: Router<AppState>,
    known: KnownParameters,
    document: OpenApi,
}

impl Described {
    /// Builds the routes and the complete document.
    fn new() -> Self {
        let (limited, of_limited) = routers::limited().split_for_parts();
        let (unlimited, of_unlimited) = routers::unlimited().split_for_parts();
        let mut document = [of_limited, of_unlimited]
            .into_iter()
            .fold(BaseDocument::openapi(), OpenApi::merge_from);
        partial::describe(&mut document);
        stale::describe(&mut document);
        let known = KnownParameters::of(&document);
        openapi::complete(&mut document);
        Self {
            limited,
            unlimited,
            known,
            document,
        }
    }
}

/// Returns the OpenAPI document of all routes.
#[must_use]
pub fn openapi() -> OpenApi {
    Described::new().document
}

/// Returns the OpenAPI document in the format of `docs/openapi.json`.
///
/// # Errors
/// When the document cannot be serialized, which is a defect.
pub fn openapi_text() -> serde_json::Result<String> {
    openapi::to_text(&openapi())
}

/// Returns the OpenAPI document as one of version 3.0.3, in the same format.
///
/// # Errors
/// When the document cannot be serialized, which is a defect.
pub fn openapi_3_0_text() -> serde_json::Result<String> {
    let document = serde_json::to_value(openapi())?;
    openapi::to_text(&openapi_downgrade::to_3_0(&document))
}

/// Builds the whole application: routes, limits, CORS, error bodies. Paths without a route count against the
/// limit per caller, documents and probes against a separate limit per address. Requires a Tokio runtime, in
/// which the removal of unused budgets runs.
///
/// # Errors
/// When the documentation pages are enabled and cannot be prepared.
pub fn build(config: &HttpConfig, state: AppState, draining: &Draining) -> io::Result<Router> {
    let routes = Described::new();
    let mut limited = routes
        .limited
        .fallback(async || Problem::of_status(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(method_not_allowed);
    // Refused parameters count against the budget of the caller.
    limited = limited.layer(middleware::from_fn_with_state(routes.known, preference::honour));
    if let Some(rate) = config.rate_limit {
        limited = rate_limit::apply(limited, rate);
    }
    let mut unlimited = routes.unlimited;
    if config.docs_enabled {
        unlimited = unlimited.merge(routers::docs::router(&routes.document)?);
    }
    let mut unlimited = unlimited.method_not_allowed_fallback(method_not_allowed);
    let budgets = config.rate_limit.and_then(AddressBudgets::new);
    if let Some(budgets) = &budgets {
        unlimited = rate_limit::apply_to_open(unlimited, budgets);
    }
    let routes = limited.merge(unlimited).with_state(state);
    Ok(with_edge(routes, config, draining))
}

/// Returns the response to a method that the path does not have.
async fn method_not_allowed() -> Problem {
    Problem::of_status(StatusCode::METHOD_NOT_ALLOWED)
}

/// Adds the layers that all routes share, the outermost first. The request id comes before `observe`, which
/// requires it; `observe` completes and logs the responses of all layers below. The layers are one stack,
/// because a router clones everything below each of its layers with every request.
pub fn with_edge(routes: Router, config: &HttpConfig, draining: &Draining) -> Router {
    let probes = [&ALIVE[..], &[READY]].concat();
    let observer = Observer::new(config, draining.clone(), probes);
    let compress = SizeAbove::new(COMPRESS_ABOVE).and(NotForContentType::IMAGES);
    let edge = ServiceBuilder::new()
        .layer(request_id::layers())
        .layer(headers::layers())
        .layer(middleware::from_fn_with_state(observer, observe))
        .layer(middleware::from_fn(framing::refuse_ambiguous))
        .layer(cors::layer(&config.cors_origins))
        .layer(
            CompressionLayer::new()
                .quality(CompressionLevel::Fastest)
                .compress_when(compress),
        )
        .layer(CatchPanicLayer::custom(panic_response))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            config.request_timeout,
        ))
        .layer(RequestBodyLimitLayer::new(config.max_body_bytes))
        // The limit of axum itself (2 MB) would apply in addition to the configured one.
        .layer(DefaultBodyLimit::disable());
    // A layer of a router runs after routing; a layer that changes the path, as this one, must be outside.
    let outside = NormalizePathLayer::trim_trailing_slash();
    Router::new().fallback_service(outside.layer(routes.layer(edge)))
}

/// Reason why the application could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The URL of the database or of its read replica is malformed.
    #[error("malformed database address")]
    Database(#[from] DbError),
    /// The client of Azure DevOps cannot be built: the machine has no certificates to trust.
    #[error("cannot create the Azure DevOps client")]
    AzureDevOps(#[from] azure_devops::BuildError),
    /// The documentation pages cannot be prepared.
    #[error("cannot prepare the documentation pages")]
    Documentation(#[from] io::Error),
}

/// Parts of a server that is built and not yet running; [`run`](Self::run) starts it.
#[derive(Debug)]
pub struct App {
    /// Handler of requests.
    pub service: Router,
    /// Connection pools of the database, closed at the end.
    pub db: Db,
    /// Set when the server begins to stop; readiness fails from then on.
    pub draining: Draining,
    /// Background jobs, not yet running.
    pub jobs: Jobs,
    /// Served organisations.
    pub tenants: Tenants,
    /// Write-back of hours to Azure DevOps, whose attempts in flight the end waits for.
    pub outbox: OutboxService,
    /// Service of time entries.
    pub apontamentos: ApontamentoService,
}

impl App {
    /// Builds the application. The pools connect on first use, so the database may still be down. Requires a
    /// Tokio runtime.
    ///
    /// # Errors
    /// When the machine has no certificates to trust, when the documentation pages cannot be prepared, or
    /// when a database URL is malformed, which a loaded configuration excludes.
    pub fn new(config: &Config) -> Result<Self, BuildError> {
        let db = Db::connect_lazy(&config.database)?;
        let draining = Draining::default();
        let azure = AzureDevOps::new(&config.azure_devops.client)?;
        let tenants = Tenants::new(db.clone(), azure.clone());
        let state = AppState::new(config, &db, &tenants, &draining);
        let gauges = GaugeService::new(db.clone(), azure.clone());
        let jobs = Jobs::new(
            &config.azure_devops,
            tenants.clone(),
            IntegracaoService::from_ref(&state),
            OrganizationPatService::from_ref(&state),
            ApontamentoService::from_ref(&state),
            OutboxService::from_ref(&state),
            gauges,
        );
        let (outbox, apontamentos) = (
            OutboxService::from_ref(&state),
            ApontamentoService::from_ref(&state),
        );
        let service = build(&config.http, state, &draining)?;
        Ok(Self {
            service,
            db,
            draining,
            jobs,
            tenants,
            outbox,
            apontamentos,
        })
    }

    /// Serves requests and runs the background jobs until `stop` is cancelled; then drains, waits for the
    /// write-backs in flight and closes the pools. Without `metrics` no gauges are measured. Returns the
    /// number of connections that had to be cut.
    pub async fn run(
        self,
        listener: TcpListener,
        metrics: Option<MetricsListener>,
        options: ServerOptions,
        stop: CancellationToken,
    ) -> usize {
        self.jobs.prepare().await;
        let gauge_supervisor = Supervisor::default();
        let measuring = metrics.map(|metrics| {
            self.jobs.run_gauges(&gauge_supervisor);
            tokio::spawn(metrics.serve(self.db.clone(), gauge_supervisor.clone()))
        });
        let jobs = tokio::spawn(self.jobs.run(stop.clone()));
        let cut = server::serve(listener, self.service, options, self.draining, stop).await;
        if let Err(error) = jobs.await {
            tracing::error!(%error, "background job panicked");
        }
        self.outbox.finish(WRITE_BACK_PATIENCE).await;
        if let Some(measuring) = measuring {
            // Stopped after the drain and the write-backs, because metrics of their end are useful.
            measuring.abort();
        }
        gauge_supervisor.stop();
        self.db.close().await;
        cut
    }
}
