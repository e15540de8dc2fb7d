//! Readiness of this process to receive traffic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::azure_devops::{ApiVersion, AzureDevOps, Tenant};
use crate::db::{Db, DbError};
use crate::lifecycle::Draining;
use crate::repositories::migrations;
use crate::schema::migrate;

/// Timeout of the database query. A slower database counts as unavailable.
const DEADLINE: Duration = Duration::from_secs(1);

/// Lifetime of a cached result of the database check.
const FRESH: Duration = Duration::from_millis(500);

/// State of one dependency of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The dependency works.
    Ok,
    /// The dependency does not answer.
    Unavailable,
    /// The dependency does not answer, or only in part; the service works without it.
    Degraded,
    /// The schema is older than this binary.
    Pending,
    /// The dependency could not be checked.
    Unknown,
    /// A server is older than the oldest supported version.
    Unsupported,
    /// The dependency is not part of this configuration.
    NotConfigured,
}

/// Report of `/ready`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// Database: `Ok` if the database answers.
    pub database: Check,
    /// Schema: `Ok` if the schema is at least as new as this binary.
    pub migrations: Check,
    /// Azure DevOps. Never decides readiness: an outage of Azure DevOps would take every replica out of
    /// service.
    pub azure_devops: Check,
    /// Lowest API version of the Azure DevOps servers; `None` if no server has reported a version.
    pub azure_devops_version: Option<ApiVersion>,
    /// `true` if the process is about to stop.
    pub draining: bool,
}

impl Readiness {
    /// Returns `true` if a load balancer should send requests to this process.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.draining && self.database == Check::Ok && self.migrations == Check::Ok
    }
}

/// Checks the dependencies of the service.
#[derive(Debug, Clone)]
pub struct HealthService {
    db: Db,
    azure: AzureDevOps,
    draining: Draining,
    /// Time and result of the last database check. Requests within `FRESH` share this result: no rate limit
    /// applies to probes, so that the database gets at most two queries per second.
    last: Arc<Mutex<Option<(Instant, DatabaseCheck)>>>,
}

/// Result of one database check.
#[derive(Debug, Clone, Copy)]
struct DatabaseCheck {
    database: Check,
    migrations: Check,
}

/// Returns the state of Azure DevOps that calls and probes have recorded. No organisation is called here.
fn azure_devops(tenants: &[Tenant]) -> Check {
    if tenants.is_empty() {
        Check::NotConfigured
    } else if tenants.iter().any(|tenant| tenant.organizacao.is_outdated()) {
        Check::Unsupported
    } else if tenants.iter().all(|tenant| tenant.organizacao.is_healthy()) {
        Check::Ok
    } else {
        Check::Degraded
    }
}

impl HealthService {
    /// Creates the service for `db` and the organisations of `azure`; `draining` is shared with the server.
    #[must_use]
    pub fn new(db: Db, azure: AzureDevOps, draining: Draining) -> Self {
        Self {
            db,
            azure,
            draining,
            last: Arc::default(),
        }
    }

    /// Returns the readiness. The database gets one cheap query with a timeout of one second, at most once
    /// per `FRESH`.
    pub async fn readiness(&self) -> Readiness {
        let mut last = self.last.lock().await;
        let checked = match *last {
            Some((at, checked)) if at.elapsed() < FRESH => checked,
            _ => {
                let checked = self.check().await;
                *last = Some((Instant::now(), checked));
                checked
            }
        };
        let DatabaseCheck { database, migrations } = checked;
        let tenants = self.azure.tenants();
        Readiness {
            database,
            migrations,
            azure_devops: azure_devops(&tenants),
            azure_devops_version: tenants
                .iter()
                .filter_map(|tenant| tenant.organizacao.api_version())
                .min(),
            draining: self.draining.is_set(),
        }
    }

    async fn check(&self) -> DatabaseCheck {
        let (database, migrations) = match tokio::time::timeout(DEADLINE, self.applied_version()).await {
            Ok(Ok(applied)) if applied >= migrate::expected_version() => (Check::Ok, Check::Ok),
            Ok(Ok(_)) => (Check::Ok, Check::Pending),
            Ok(Err(error)) => {
                tracing::warn!(%error, "readiness: database unavailable");
                (Check::Unavailable, Check::Unknown)
            }
            Err(_) => {
                tracing::warn!("readiness: database timed out");
                (Check::Unavailable, Check::Unknown)
            }
        };
        DatabaseCheck { database, migrations }
    }

    async fn applied_version(&self) -> Result<Option<i64>, DbError> {
        migrations::applied_version_for_readiness(&self.db).await
    }
}
