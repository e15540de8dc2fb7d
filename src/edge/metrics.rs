//! `/metrics` for Prometheus, at a listener of its own: it needs no credential, so it must not be where
//! clients call.

use crate::telemetry::metrics::PrometheusHandle;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_process::Collector;

/// What a scrape reads.
#[derive(Clone)]
pub struct Scrape {
    handle: PrometheusHandle,
    process: Collector,
    /// Brings gauges up to date that are cheap to look at.
    refresh: std::sync::Arc<dyn Fn() + Send + Sync>,
}

impl Scrape {
    /// Reads `handle`, after `refresh` and after a look at the process.
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

/// The only page of the listener.
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
