//! Gauges that are polled: the outbox, PATs, the database, circuit breakers of Azure DevOps.

use std::time::Duration;

use crate::azure_devops::{AzureDevOps, Organizacao};
use crate::db::{Db, DbError};
use crate::models::organizacao::Scope;
use crate::repositories::organization_pats;
use crate::repositories::outbox::overview::{self, Depth};
use crate::telemetry::metrics;

/// Updates the gauges. Every process reads the same database, so that gauges of several processes must be
/// compared and not added.
#[derive(Debug, Clone)]
pub struct GaugeService {
    db: Db,
    azure: AzureDevOps,
}

impl GaugeService {
    /// Reads `db` and the state of `azure`.
    #[must_use]
    pub fn new(db: Db, azure: AzureDevOps) -> Self {
        Self { db, azure }
    }

    /// Refreshes every gauge once. Without a database the last figures stay, and `database_up` is 0.
    pub async fn refresh(&self) {
        let tenants = self.azure.tenants();
        let sum = |count: fn(&Organizacao) -> usize| {
            let open = tenants
                .iter()
                .map(|tenant| count(&tenant.organizacao))
                .sum::<usize>();
            u32::try_from(open).unwrap_or(u32::MAX)
        };
        metrics::breakers_open(sum(Organizacao::open_breakers));
        metrics::lanes_open(sum(Organizacao::open_lanes));
        let outcome = self.read_database().await;
        metrics::database_up(outcome.is_ok());
        if let Err(error) = outcome {
            tracing::warn!(%error, "metrics: cannot read gauges from the database");
        }
    }

    async fn read_database(&self) -> Result<(), DbError> {
        let mut tx = self.db.begin_read(&Scope::Maintenance).await?;
        let depth = overview::depth(&mut tx).await?;
        let expires_in = organization_pats::first_expiry(&mut tx).await?;
        let Depth {
            pending,
            failed,
            oldest_seconds,
        } = depth;
        let oldest = Duration::try_from_secs_f64(oldest_seconds).unwrap_or_default();
        metrics::outbox(pending, failed, oldest);
        metrics::pat_expires_in(expires_in);
        Ok(())
    }
}
