//! What goes on beside requests: looking whether Azure DevOps answers, and the optional refresh of projects.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::azure_devops::AzureDevOps;
use crate::config::AzureDevOpsConfig;
use crate::services::integracao::IntegracaoService;

/// The jobs of one process, not yet running.
#[derive(Debug)]
pub struct Jobs {
    probe_interval: Option<Duration>,
    sync_interval: Option<Duration>,
    azure: AzureDevOps,
    integracao: IntegracaoService,
}

impl Jobs {
    /// As configured; none without an organisation.
    #[must_use]
    pub fn new(config: &AzureDevOpsConfig, azure: AzureDevOps, integracao: IntegracaoService) -> Self {
        let any = !azure.tenants().is_empty();
        Self {
            probe_interval: config.probe_interval.filter(|_| any),
            sync_interval: config.sync_interval.filter(|_| any),
            azure,
            integracao,
        }
    }

    /// Runs them until `stop`; a run that is under way is cut short, which no job minds.
    pub async fn run(self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        if let Some(period) = self.probe_interval {
            running.spawn(every(period, move || {
                let azure = self.azure.clone();
                async move {
                    join_all(azure.tenants().iter().map(|tenant| tenant.organizacao.probe())).await;
                }
            }));
        }
        if let Some(period) = self.sync_interval {
            running.spawn(every(period, move || {
                let integracao = self.integracao.clone();
                async move {
                    if let Err(error) = integracao.sincronizar_own().await {
                        tracing::warn!(%error, "the projects could not be synchronised");
                    }
                }
            }));
        }
        stop.cancelled().await;
        running.shutdown().await;
    }
}

/// Works at once, then each `period`; a turn that took longer delays the next instead of doubling it.
async fn every<W: Future<Output = ()>>(period: Duration, work: impl Fn() -> W) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        work().await;
    }
}
