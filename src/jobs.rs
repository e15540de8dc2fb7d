//! Background jobs: refresh of the vault, probes of Azure DevOps, the outbox, deletion of expired
//! Idempotency-Keys, and the optional project sync. [`crate::supervisor`] restarts a job that panics.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::config::AzureDevOpsConfig;
use crate::services::apontamentos::ApontamentoService;
use crate::services::gauges::GaugeService;
use crate::services::integracao::IntegracaoService;
use crate::services::organization_pats::OrganizationPatService;
use crate::services::outbox::OutboxService;
use crate::supervisor::{Job, Supervisor};
use crate::tenants::Tenants;

/// Interval between two reads of the vault, and so the maximum delay of another process's change.
const VAULT_INTERVAL: Duration = Duration::from_secs(10);

/// Interval between two verifications of organisations, so that a rename is known before its first caller.
const VERIFY_INTERVAL: Duration = Duration::from_secs(30);

/// Interval between two deletions of expired Idempotency-Keys.
const CLEANUP_INTERVAL: Duration = Duration::from_hours(1);

/// Interval for polling gauges that are not event-driven.
const GAUGE_INTERVAL: Duration = Duration::from_secs(15);

/// Jobs of one process, not yet running.
#[derive(Debug)]
pub struct Jobs {
    probe_interval: Option<Duration>,
    sync_interval: Option<Duration>,
    tenants: Tenants,
    integracao: IntegracaoService,
    vault: OrganizationPatService,
    apontamentos: ApontamentoService,
    outbox: OutboxService,
    gauges: GaugeService,
}

impl Jobs {
    /// Creates the jobs as configured.
    #[must_use]
    pub fn new(
        config: &AzureDevOpsConfig,
        tenants: Tenants,
        integracao: IntegracaoService,
        vault: OrganizationPatService,
        apontamentos: ApontamentoService,
        outbox: OutboxService,
        gauges: GaugeService,
    ) -> Self {
        Self {
            probe_interval: config.probe_interval,
            sync_interval: config.sync_interval,
            tenants,
            integracao,
            vault,
            apontamentos,
            outbox,
            gauges,
        }
    }

    /// Reads the names of the organisations and the vault before the first request. Background jobs retry
    /// after a failure.
    pub async fn prepare(&self) {
        if let Err(error) = self.tenants.refresh().await {
            tracing::warn!(%error, "cannot refresh organisations");
        }
        if let Err(error) = self.vault.refresh().await {
            tracing::warn!(%error, "vault: cannot refresh");
        }
    }

    /// Updates the gauges until `supervisor` stops. Called only if metrics are served.
    pub fn run_gauges(&self, supervisor: &Supervisor) {
        let gauges = self.gauges.clone();
        repeat(supervisor, Job::Gauges, GAUGE_INTERVAL, move || {
            let gauges = gauges.clone();
            async move { gauges.refresh().await }
        });
    }

    /// Runs the jobs until `stop`. The stop cancels runs in flight, except for the write-back, which ends by
    /// itself.
    pub async fn run(self, stop: CancellationToken) {
        let supervisor = Supervisor::until(stop.clone());
        let outbox = self.outbox.clone();
        supervisor.spawn_unbroken(Job::Outbox, move || outbox.clone().run(stop.clone()));
        self.delete_expired_keys(&supervisor);
        self.refresh_vault(&supervisor);
        self.probe_azure_devops(&supervisor);
        supervisor.stopped().await;
    }

    fn delete_expired_keys(&self, supervisor: &Supervisor) {
        let apontamentos = self.apontamentos.clone();
        repeat(supervisor, Job::IdempotencyCleanup, CLEANUP_INTERVAL, move || {
            let apontamentos = apontamentos.clone();
            async move {
                match apontamentos.delete_expired_keys().await {
                    Ok(forgotten) => tracing::debug!(forgotten, "expired idempotency keys deleted"),
                    Err(error) => tracing::warn!(%error, "cannot delete expired idempotency keys"),
                }
            }
        });
    }

    fn refresh_vault(&self, supervisor: &Supervisor) {
        let (tenants, vault) = (self.tenants.clone(), self.vault.clone());
        repeat(supervisor, Job::VaultRefresh, VAULT_INTERVAL, move || {
            let (tenants, vault) = (tenants.clone(), vault.clone());
            async move {
                if let Err(error) = tenants.refresh().await {
                    tracing::warn!(%error, "cannot refresh organisations");
                }
                if let Err(error) = vault.refresh().await {
                    tracing::warn!(%error, "vault: cannot refresh");
                }
            }
        });
    }

    fn probe_azure_devops(&self, supervisor: &Supervisor) {
        // A separate job: an organisation that does not answer must not delay the vault refresh.
        let tenants = self.tenants.clone();
        repeat(supervisor, Job::OrganizationCheck, VERIFY_INTERVAL, move || {
            let tenants = tenants.clone();
            async move { tenants.verify_all().await }
        });
        if let Some(period) = self.probe_interval {
            let tenants = self.tenants.clone();
            repeat(supervisor, Job::UpstreamProbe, period, move || {
                let azure = tenants.azure().clone();
                async move {
                    let tenants = azure.tenants();
                    let probes = tenants
                        .iter()
                        .map(|tenant| tenant.organizacao.probe(tenant.pat.as_ref()));
                    join_all(probes).await;
                }
            });
        }
        if let Some(period) = self.sync_interval {
            let integracao = self.integracao.clone();
            repeat(supervisor, Job::ProjectSync, period, move || {
                let integracao = integracao.clone();
                async move {
                    if let Err(error) = integracao.sincronizar_own().await {
                        tracing::warn!(%error, "project sync: failed");
                    }
                }
            });
        }
    }
}

/// Runs `work` at once and then each `period`, under supervision.
fn repeat<W>(
    supervisor: &Supervisor,
    job: Job,
    period: Duration,
    work: impl Fn() -> W + Send + Sync + 'static,
) where
    W: Future<Output = ()> + Send + 'static,
{
    let work = Arc::new(work);
    supervisor.spawn(job, move || every(period, Arc::clone(&work)));
}

/// Runs `work` at once and then each `period`; a run that takes longer than `period` delays the next one
/// instead of causing an extra run.
async fn every<W: Future<Output = ()>>(period: Duration, work: Arc<impl Fn() -> W>) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        work().await;
    }
}
