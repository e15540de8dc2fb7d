//! Whether this process should get traffic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::azure_devops::{ApiVersion, AzureDevOps, Tenant};
use crate::db::{Db, DbError};
use crate::lifecycle::Draining;
use crate::repositories::migrations;
use crate::schema::migrate;

/// Longest wait for the database; a slower one is as good as none.
const DEADLINE: Duration = Duration::from_secs(1);

/// How long what was seen stays true enough.
const FRESH: Duration = Duration::from_millis(500);

/// State of one thing that the service depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Works.
    Ok,
    /// Does not answer.
    Unavailable,
    /// Does not answer, or only in part; the service goes on without.
    Degraded,
    /// The schema is older than this binary.
    Pending,
    /// Could not be looked at.
    Unknown,
    /// A server is too old to be served.
    Unsupported,
    /// Not part of this configuration.
    NotConfigured,
}

/// What `/ready` reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// The database answers.
    pub database: Check,
    /// The schema is at least as new as this binary.
    pub migrations: Check,
    /// Azure DevOps; never decides readiness, or an outage there would take every replica away.
    pub azure_devops: Check,
    /// Lowest API version of the servers of Azure DevOps; `None`: none has told it.
    pub azure_devops_version: Option<ApiVersion>,
    /// The process is about to stop.
    pub draining: bool,
}

impl Readiness {
    /// Whether a balancer should send requests.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.draining && self.database == Check::Ok && self.migrations == Check::Ok
    }
}

/// Looks at the dependencies.
#[derive(Debug, Clone)]
pub struct HealthService {
    db: Db,
    azure: AzureDevOps,
    draining: Draining,
    /// What was seen last, and when. Requests in between get the same answer, so that probes, which no rate
    /// limit holds back, ask the database twice a second at the most.
    last: Arc<Mutex<Option<(Instant, DatabaseCheck)>>>,
}

/// What one look at the database found.
#[derive(Debug, Clone, Copy)]
struct DatabaseCheck {
    database: Check,
    migrations: Check,
}

/// What calls and probes have seen; no organisation is asked here.
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
    /// Looks at `db` and at what `azure` knows; `draining` is shared with the server.
    #[must_use]
    pub fn new(db: Db, azure: AzureDevOps, draining: Draining) -> Self {
        Self {
            db,
            azure,
            draining,
            last: Arc::default(),
        }
    }

    /// One cheap query with a short deadline, at most one in `FRESH`.
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
