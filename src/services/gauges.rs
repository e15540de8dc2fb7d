//! What is measured by looking, not by counting: the hours on their way, PATs, the database, the ways to
//! Azure DevOps.

use std::time::Duration;

use crate::azure_devops::{AzureDevOps, Organizacao};
use crate::db::{Db, DbError};
use crate::models::organizacao::Scope;
use crate::repositories::organization_pats;
use crate::repositories::outbox::overview::{self, Depth};
use crate::telemetry::metrics;

/// Looks now and then. Every process sees the same database: their gauges are to be compared, not added.
#[derive(Debug, Clone)]
pub struct GaugeService {
    db: Db,
    azure: AzureDevOps,
}

impl GaugeService {
    /// Looks at `db` and at what `azure` knows.
    #[must_use]
    pub fn new(db: Db, azure: AzureDevOps) -> Self {
        Self { db, azure }
    }

    /// Looks once. Without a database the last figures stay, and that is noted.
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
        let looked = self.look_at_database().await;
        metrics::database_up(looked.is_ok());
        if let Err(error) = looked {
            tracing::warn!(%error, "metrics: cannot read gauges from the database");
        }
    }

    async fn look_at_database(&self) -> Result<(), DbError> {
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
