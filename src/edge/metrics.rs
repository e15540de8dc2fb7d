//! `/metrics` for Prometheus, on a listener of its own: it needs no credential and must not be reachable for
//! clients of the API.

use crate::telemetry::metrics::PrometheusHandle;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_process::Collector;

/// State of the metrics endpoint.
#[derive(Clone)]
pub struct Scrape {
    handle: PrometheusHandle,
    process: Collector,
    /// Updates gauges that are cheap to read.
    refresh: std::sync::Arc<dyn Fn() + Send + Sync>,
}

impl Scrape {
    /// Creates the state; every scrape first runs `refresh` and collects the process metrics.
    pub fn new(handle: PrometheusHandle, refresh: impl Fn() + Send + Sync + 'static) -> Self {
        let process = Collector::default();
        process.describe();
        Self {
            handle,
            process,
            refresh: std::sync::Arc::new(refresh),
        }
    }
}

/// Returns the router of the listener, with its only route.
pub fn router(scrape: Scrape) -> Router {
    Router::new()
        .route("/metrics", get(get_metrics))
        .with_state(scrape)
}

async fn get_metrics(State(scrape): State<Scrape>) -> impl IntoResponse {
    (scrape.refresh)();
    scrape.process.collect();
    // Exposition format 0.0.4 of Prometheus.
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], scrape.handle.render())
}
