//! The write-back of hours: hours logged here are written to `CompletedWork` and `RemainingWork` of their
//! work items.
//!
//! A row of the outbox is written in the transaction of the entry. After the commit the request itself tries
//! to write until its budget is used up; a background worker writes the rest. Each attempt holds a lease, so
//! that only one process writes a work item; `docs/write-back.md` has the details.

mod attempt;
mod credentials;
mod holds;
mod motivo;
mod plan;
mod planning;
mod reconcile;
mod restored;
mod send;
mod verify;
mod worker;
mod write;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use moka::future::Cache;
use tokio::sync::Semaphore;
use tokio::time::{timeout, timeout_at};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::auth::{Admin, CurrentUser};
use crate::azure_devops::work_items::WorkItem;
use crate::azure_devops::{Credential, Fingerprint, Tenant};
use crate::config::WriteBackConfig;
use crate::db::{Db, DbError, Tx};
use crate::error::Result;
use crate::models::auditoria::NewRegistro;
use crate::models::organizacao::{ChaveOrganizacao, NomeOrganizacao};
use crate::models::outbox::{Coverage, Falha, Mode, Resumo, Target};
use crate::repositories::outbox::{self as repo, ProjectSource, overview};
use crate::repositories::{auditoria, clock};
use crate::services::auditoria::actor;
use crate::services::projetos::ProjetoService;
use crate::services::work_items::WorkItemService;
use crate::telemetry::request;
use crate::tenants::Tenants;
use credentials::SeenCredentials;
use holds::Holds;
use write::LEASE;

pub use reconcile::{Diferenca, Reconciliacao, Selecao, SelectedWorkItems, switched_off};
pub use verify::pause_restored;

/// Time beyond the request's budget during which the background leaves a fresh change to the request that
/// made it.
const HEAD_START: Duration = Duration::from_millis(500);
/// Time that a request reserves for its response once its entry is committed.
const ANSWER_TIME: Duration = Duration::from_millis(500);
/// Maximum number of attempts that requests may have in flight in one organisation. Further changes are left
/// to the background immediately.
const MOST_IN_REQUESTS: usize = 32;
/// Lifetime of the cached author that a credential writes as.
const AUTHOR_TTL: Duration = Duration::from_hours(1);
/// Maximum number of failures listed.
const MOST_FAILURES: i64 = 200;

/// Use cases of the write-back. Clones share their state.
#[derive(Clone)]
pub struct OutboxService(Arc<Inner>);

struct Inner {
    db: Db,
    tenants: Tenants,
    work_items: WorkItemService,
    projetos: ProjetoService,
    config: WriteBackConfig,
    /// Authors that revisions name for changes of a credential, learned from the responses to such changes.
    authors: Cache<(NomeOrganizacao, Fingerprint), Uuid>,
    /// Locks of work items: requests of this process that change the same work item wait for each other
    /// instead of for the lease.
    turns: Cache<Target, Arc<tokio::sync::Mutex<()>>>,
    /// Permits for attempts in requests: an organisation that hangs does not block the requests of others.
    in_requests: Cache<ChaveOrganizacao, Arc<Semaphore>>,
    tasks: TaskTracker,
    holds: Holds,
    seen_credentials: SeenCredentials,
}

/// State of the write-back.
#[derive(Debug)]
pub struct Andamento {
    /// Time of the report.
    pub em: DateTime<Utc>,
    /// Organisations of the caller that have unwritten hours.
    pub organizacoes: Vec<Resumo>,
    /// Failures, at most 200.
    pub falhas: Vec<Falha>,
}

impl OutboxService {
    /// Creates the service, which writes the outbox in `db` to the organisations of `tenants`.
    #[must_use]
    pub fn new(
        db: Db,
        tenants: Tenants,
        work_items: WorkItemService,
        projetos: ProjetoService,
        config: &WriteBackConfig,
    ) -> Self {
        Self(Arc::new(Inner {
            db,
            tenants,
            work_items,
            projetos,
            config: config.clone(),
            authors: Cache::builder()
                .max_capacity(10_000)
                .time_to_live(AUTHOR_TTL)
                .build(),
            turns: Cache::builder().max_capacity(10_000).time_to_idle(LEASE).build(),
            in_requests: Cache::builder().max_capacity(10_000).build(),
            tasks: TaskTracker::new(),
            holds: Holds::default(),
            seen_credentials: SeenCredentials::default(),
        }))
    }

    /// Marks in the transaction of an entry that the hours of its work item change, and returns the new
    /// version. Returns `None` if nothing is written to this organisation: the write-back is switched off, or
    /// the organisation is not served.
    pub(super) async fn mark(
        &self,
        tx: &mut Tx,
        organizacao: &ChaveOrganizacao,
        work_item_id: i32,
        source: ProjectSource,
    ) -> Result<Option<i64>, DbError> {
        if self.0.mode_in(organizacao) == Mode::Off {
            return Ok(None);
        }
        let head_start = self.0.config.budget + HEAD_START;
        repo::mark(tx, organizacao, work_item_id, source, head_start)
            .await
            .map(Some)
    }

    /// Writes a marked and committed change immediately and waits within the budget; the attempt continues
    /// after that. `seen`: the work item, if it was just read; `own`: the caller's credential, for
    /// organisations without a PAT of the service. Returns the coverage of this attempt, if the attempt ended
    /// in time.
    pub(super) async fn write_now(
        &self,
        target: Target,
        seen: Option<WorkItem>,
        own: Option<Credential>,
    ) -> Option<Coverage> {
        let inner = Arc::clone(&self.0);
        let slots = async { Arc::new(Semaphore::new(MOST_IN_REQUESTS)) };
        let slots = inner
            .in_requests
            .get_with(target.organizacao.clone(), slots)
            .await;
        let Ok(slot) = slots.try_acquire_owned() else {
            return None;
        };
        // The entry is committed: a request that has no time left responds without waiting.
        let left = request::time_left().map(|left| left.saturating_sub(ANSWER_TIME));
        let budget = left.map_or(inner.config.budget, |left| left.min(inner.config.budget));
        let deadline = Instant::now() + budget;
        let attempt = self.0.tasks.spawn(async move {
            let turn = inner
                .turns
                .get_with(target.clone(), async { Arc::default() })
                .await;
            // A request that does not get the lock in time leaves the work item to the background.
            let written = match timeout_at(deadline.into(), turn.lock()).await {
                Ok(_turn) => inner.write(&target, seen, own, deadline).await,
                Err(_) => None,
            };
            drop(slot);
            written
        });
        // After the deadline the request responds with `pendente`.
        timeout_at(deadline.into(), attempt).await.ok()?.ok()?
    }

    /// Returns the state of the write-back in the caller's organisations.
    pub async fn status(&self, user: &CurrentUser) -> Result<Andamento> {
        let mut tx = self.0.db.begin_read(&user.scope()).await?;
        let em = clock::now(&mut tx).await?;
        let organizacoes = overview::resumo(&mut tx).await?;
        let falhas = overview::failures(&mut tx, MOST_FAILURES).await?;
        Ok(Andamento {
            em,
            organizacoes,
            falhas,
        })
    }

    /// Schedules failed work items for another attempt and returns their number. Covers all organisations
    /// that the caller belongs to and administers, or one organisation, or one work item.
    pub async fn retry(
        &self,
        admin: &Admin,
        nome: Option<&NomeOrganizacao>,
        work_item_id: Option<i32>,
    ) -> Result<usize> {
        let user = admin.user();
        let organizacao = nome.map(|nome| user.may_see(nome)).transpose()?;
        let organizacao = organizacao.as_ref();
        if let Some(chave) = organizacao {
            user.require_administrator_of(chave)?;
        }
        let mut tx = self.0.db.begin(&user.administered_scope()).await?;
        let revived = overview::retry(&mut tx, &self.0.written(), organizacao, work_item_id).await?;
        let concerned: BTreeSet<&ChaveOrganizacao> = revived.iter().collect();
        for organizacao in concerned {
            let new = NewRegistro {
                actor: &actor(user),
                organizacao: Some(organizacao),
                acao: "repetir",
                objeto_tipo: "sincronizacao_de_horas",
                objeto_id: work_item_id.map(|id| id.to_string()),
                antes: None,
                depois: None,
            };
            auditoria::insert(&mut tx, &new).await?;
        }
        tx.commit().await?;
        Ok(revived.len())
    }

    /// Waits at most `patience` for attempts in flight. Their leases and stored patches outlive the process.
    pub async fn finish(&self, patience: Duration) {
        self.0.tasks.close();
        if timeout(patience, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("outbox: writes still in flight at shutdown; resumed when their leases expire");
        }
    }
}

impl Inner {
    fn tenant(&self, chave: &ChaveOrganizacao) -> Option<Tenant> {
        self.tenants.tenant(chave)
    }

    /// Returns the write-back mode of an organisation; `Off` if the organisation is not served. The mode is
    /// configured under any name that the organisation has or had.
    fn mode_in(&self, chave: &ChaveOrganizacao) -> Mode {
        let Some(tenant) = self.tenant(chave) else {
            return Mode::Off;
        };
        let names = self.tenants.names();
        let known = names.organizacoes().iter().find(|known| known.chave == *chave);
        let former = known.into_iter().flat_map(|known| &known.anteriores);
        let called = std::iter::once(tenant.organizacao.nome())
            .chain(names.nome_of(chave))
            .chain(former.map(|anterior| &anterior.nome));
        self.config.mode_of_any(called)
    }

    /// Returns the keys of the organisations that hours are written to.
    fn written(&self) -> Vec<String> {
        let written = self.served().filter(|chave| self.mode_in(chave) != Mode::Off);
        written.map(|chave| chave.to_string()).collect()
    }

    /// Returns the keys of the organisations that are served.
    fn served(&self) -> impl Iterator<Item = ChaveOrganizacao> {
        self.tenants.served().into_iter().map(|(chave, _)| chave)
    }
}

impl std::fmt::Debug for OutboxService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboxService")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}
