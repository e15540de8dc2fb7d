//! The listener that Prometheus reads: measuring begins with it.

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

/// Between two sums over the durations measured.
const UPKEEP: Duration = Duration::from_secs(5);
/// Life of an idle connection of a scraper; longer than most scrape intervals.
const PATIENCE: Duration = Duration::from_secs(75);
/// Scrapers at once.
const CONNECTIONS: usize = 16;

/// Where metrics can be read.
#[derive(Debug)]
pub struct MetricsListener {
    listener: TcpListener,
    handle: PrometheusHandle,
}

impl MetricsListener {
    /// Begins to measure, if this configuration wants it.
    ///
    /// # Errors
    /// When the configured address is taken, or this process measures already.
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
                tracing::warn!(%address, %error, "metrics listener disabled (set METRICS_ADDR to a free address, or to off)");
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

/// Durations are kept one by one until they are added up.
async fn tidy(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        handle.run_upkeep();
    }
}
