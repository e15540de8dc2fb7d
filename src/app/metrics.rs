//! Listener for Prometheus; metrics are recorded once it is bound.

use std::time::Duration;

use crate::telemetry::metrics::PrometheusHandle;
use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::TelemetryConfig;
use crate::db::Db;
use crate::edge;
use crate::edge::metrics::Scrape;
use crate::lifecycle::Draining;
use crate::server::{self, ServerOptions};
use crate::state::VERSION;
use crate::supervisor::{Job, Supervisor};
use crate::telemetry::{self, metrics};

/// Interval between two aggregations of the measured durations.
const UPKEEP: Duration = Duration::from_secs(5);
/// Lifetime of a scraper's idle connection; longer than most scrape intervals.
const PATIENCE: Duration = Duration::from_secs(75);
/// Maximum number of concurrent scrapers.
const CONNECTIONS: usize = 16;

/// Listener of the metrics endpoint.
#[derive(Debug)]
pub struct MetricsListener {
    listener: TcpListener,
    handle: PrometheusHandle,
}

impl MetricsListener {
    /// Binds the listener and starts recording, if the configuration has a metrics address. Returns `None` if
    /// it has none, or if the default address is in use.
    ///
    /// # Errors
    /// When an explicitly configured address is in use, or this process already records metrics.
    pub async fn bind(config: &TelemetryConfig) -> anyhow::Result<Option<Self>> {
        let Some(address) = config.metrics else {
            return Ok(None);
        };
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) if config.metrics_chosen => {
                return Err(error).with_context(|| format!("cannot listen on {address} (METRICS_ADDR)"));
            }
            Err(error) => {
                tracing::warn!(%address, %error,
                    "metrics listener disabled (set METRICS_ADDR to a free address, or to off)");
                return Ok(None);
            }
        };
        let handle = metrics::install(VERSION)?;
        tracing::info!(address = %listener.local_addr()?, "metrics listener started");
        Ok(Some(Self { listener, handle }))
    }

    /// Serves until dropped.
    pub(super) async fn serve(self, db: Db, background: Supervisor) {
        let upkeep = self.handle.clone();
        background.spawn(Job::MetricsUpkeep, move || tidy(upkeep.clone()));
        let runtime = tokio::runtime::Handle::current();
        let refresh = move || {
            db.pool_states().for_each(metrics::pool_state);
            metrics::log_lines_lost(telemetry::lines_lost());
            metrics::tasks(runtime.metrics().num_alive_tasks());
        };
        let router = edge::metrics::router(Scrape::new(self.handle, refresh));
        let options = ServerOptions {
            header_read_timeout: PATIENCE,
            write_timeout: PATIENCE,
            max_connections: CONNECTIONS,
            max_connections_per_address: CONNECTIONS,
            trusted_proxies: Vec::new(),
            shutdown_delay: Duration::ZERO,
            shutdown_timeout: Duration::ZERO,
        };
        let never = CancellationToken::new();
        server::serve(self.listener, router, options, Draining::default(), never).await;
    }
}

/// Aggregates the measured durations periodically; until then each one is stored separately.
async fn tidy(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        handle.run_upkeep();
    }
}
