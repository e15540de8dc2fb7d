//! What goes on beside requests: looking into the vault, looking whether Azure DevOps answers, writing hours back, forgetting old
//! answers, and the optional refresh of projects.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::config::AzureDevOpsConfig;
use crate::services::apontamentos::ApontamentoService;
use crate::services::gauges::GaugeService;
use crate::services::integracao::IntegracaoService;
use crate::services::organization_pats::OrganizationPatService;
use crate::services::write_back::WriteBackService;
use crate::tenants::Tenants;

/// How late a change of the vault by another process may be noticed.
const VAULT_INTERVAL: Duration = Duration::from_secs(10);

/// Interval for asking organisations who they are, so that a rename is known before its first caller comes.
const VERIFY_INTERVAL: Duration = Duration::from_secs(30);

/// Between two clearings of answers to repeated requests.
const FORGET_INTERVAL: Duration = Duration::from_hours(1);

/// Between two looks at what only looking tells.
const GAUGE_INTERVAL: Duration = Duration::from_secs(15);

/// Before the write-back begins anew after a defect of ours.
const RESTART: Duration = Duration::from_secs(1);

/// The jobs of one process, not yet running.
#[derive(Debug)]
pub struct Jobs {
    probe_interval: Option<Duration>,
    sync_interval: Option<Duration>,
    tenants: Tenants,
    integracao: IntegracaoService,
    vault: OrganizationPatService,
    apontamentos: ApontamentoService,
    write_back: WriteBackService,
    gauges: GaugeService,
}

impl Jobs {
    /// As configured.
    #[must_use]
    pub fn new(
        config: &AzureDevOpsConfig,
        tenants: Tenants,
        integracao: IntegracaoService,
        vault: OrganizationPatService,
        apontamentos: ApontamentoService,
        write_back: WriteBackService,
        gauges: GaugeService,
    ) -> Self {
        Self {
            probe_interval: config.probe_interval,
            sync_interval: config.sync_interval,
            tenants,
            integracao,
            vault,
            apontamentos,
            write_back,
            gauges,
        }
    }

    /// Reads what must be known before the first request: what organisations are called, and those of the vault. The
    /// background tries again.
    pub async fn prepare(&self) {
        if let Err(error) = self.tenants.refresh().await {
            tracing::warn!(%error, "the names of the organisations could not be read");
        }
        if let Err(error) = self.vault.refresh().await {
            tracing::warn!(%error, "the vault could not be read");
        }
    }

    /// Looks for the metrics until the task is dropped; for nobody if nobody reads them.
    pub fn look(&self) -> impl Future<Output = ()> + use<> {
        let gauges = self.gauges.clone();
        every(GAUGE_INTERVAL, move || {
            let gauges = gauges.clone();
            async move { gauges.refresh().await }
        })
    }

    /// Runs them until `stop`; a run that is under way is cut short, which no job minds but the write-back, which ends by
    /// itself.
    pub async fn run(self, stop: CancellationToken) {
        let write_back = tokio::spawn(keep_writing(self.write_back, stop.clone()));
        let mut running = JoinSet::new();
        running.spawn(every(FORGET_INTERVAL, move || {
            let apontamentos = self.apontamentos.clone();
            async move {
                match apontamentos.forget_answers().await {
                    Ok(forgotten) => tracing::debug!(forgotten, "old answers forgotten"),
                    Err(error) => tracing::warn!(%error, "old answers could not be forgotten"),
                }
            }
        }));
        let tenants = self.tenants.clone();
        running.spawn(every(VAULT_INTERVAL, move || {
            let (tenants, vault) = (tenants.clone(), self.vault.clone());
            async move {
                if let Err(error) = tenants.refresh().await {
                    tracing::warn!(%error, "the names of the organisations could not be read");
                }
                if let Err(error) = vault.refresh().await {
                    tracing::warn!(%error, "the vault could not be read");
                }
            }
        }));
        // A job of its own: an organisation that hangs must not keep the vault from being looked into.
        let tenants = self.tenants.clone();
        running.spawn(every(VERIFY_INTERVAL, move || {
            let tenants = tenants.clone();
            async move { tenants.verify_all().await }
        }));
        if let Some(period) = self.probe_interval {
            running.spawn(every(period, move || {
                let azure = self.tenants.azure().clone();
                async move {
                    let tenants = azure.tenants();
                    let probes = tenants
                        .iter()
                        .map(|tenant| tenant.organizacao.probe(tenant.pat.as_ref()));
                    join_all(probes).await;
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
        if let Err(error) = write_back.await {
            tracing::error!(%error, "the write-back panicked");
        }
    }
}

/// The write-back, begun anew should it panic.
async fn keep_writing(write_back: WriteBackService, stop: CancellationToken) {
    while let Err(error) = tokio::spawn(write_back.clone().run(stop.clone())).await {
        tracing::error!(%error, "the write-back panicked and begins anew");
        tokio::time::sleep(RESTART).await;
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
