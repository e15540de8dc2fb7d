//! The write-back of hours: what people log here gets into `CompletedWork` and `RemainingWork` of their work items.
//!
//! A row of the outbox is written in the transaction of the entry. After the commit the request itself tries to write, for as
//! long as its budget lasts; what is left, a worker does. Each attempt holds a lease, so of any number of
//! processes one writes. `docs/write-back.md` tells the whole of it.

mod attempt;
mod motivo;
mod plan;
mod reconcile;
mod worker;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use moka::future::Cache;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout, timeout_at};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::auth::{Admin, CurrentUser};
use crate::azure_devops::work_items::WorkItem;
use crate::azure_devops::{AzureDevOps, Credential, Error as AzureError, Fingerprint, Organizacao, Tenant};
use crate::config::WriteBackConfig;
use crate::db::{Db, DbError, Tx};
use crate::error::Result;
use crate::models::auditoria::NewRegistro;
use crate::models::ids::ProjetoId;
use crate::models::organizacao::{NomeOrganizacao, Scope};
use crate::models::write_back::{Alvo, Falha, Mode, Resumo, Tomado};
use crate::repositories::write_back::{self as repo, overview};
use crate::repositories::{auditoria, clock};
use crate::services::auditoria::actor;
use crate::services::projetos::ProjetoService;
use crate::services::work_items::WorkItemService;
use crate::telemetry::metrics;
use attempt::{Attempt, Failure};

pub use reconcile::{Diferenca, Reconciliacao, Selecao, SelecaoAlvo, switched_off};

/// How long a work item is one attempt's alone. An attempt ends before, so that nobody writes under a lease that is over.
const LEASE: Duration = Duration::from_mins(1);
const LONGEST_ATTEMPT: Duration = Duration::from_secs(45);
/// The background leaves a fresh change to the request that made it for so much longer than the request's budget.
const HEAD_START: Duration = Duration::from_millis(500);
/// Attempts that requests may have under way in one organisation; further changes are left to the background at once.
const MOST_IN_REQUESTS: usize = 32;
/// Between two looks whether another process has given a work item back.
const POLL: Duration = Duration::from_millis(50);
/// First pause after a failure, doubled with each up to the longest; half of it is chance.
const BACKOFF: Duration = Duration::from_secs(2);
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);
/// Longest `Retry-After` that counts; Azure DevOps counts over five minutes.
const LONGEST_ASKED: Duration = Duration::from_mins(10);
/// How long an organisation is left alone that throttles without saying for how long, or refuses our PAT.
const HOLD: Duration = Duration::from_secs(2);
/// How long it is remembered who a credential is.
const IDENTITY_TTL: Duration = Duration::from_hours(1);
/// Failures listed at the most.
const MOST_FAILURES: i64 = 200;

/// Use cases of the write-back. Clones share what is under way.
#[derive(Clone)]
pub struct WriteBackService(Arc<Inner>);

struct Inner {
    db: Db,
    azure: AzureDevOps,
    work_items: WorkItemService,
    projetos: ProjetoService,
    config: WriteBackConfig,
    identities: Cache<(NomeOrganizacao, Fingerprint), Uuid>,
    /// Requests of this process that change one work item wait for each other instead of for the lease.
    turns: Cache<Alvo, Arc<tokio::sync::Mutex<()>>>,
    /// An organisation that hangs keeps the requests of others from nothing.
    in_requests: Cache<NomeOrganizacao, Arc<Semaphore>>,
    tasks: TaskTracker,
    /// Organisations to be left alone, and until when.
    held: Mutex<HashMap<NomeOrganizacao, Instant>>,
}

/// How the write-back stands.
#[derive(Debug)]
pub struct Andamento {
    /// When this was so.
    pub em: DateTime<Utc>,
    /// Each organisation of the caller that has something unwritten.
    pub organizacoes: Vec<Resumo>,
    /// What failed, at the most 200.
    pub falhas: Vec<Falha>,
}

impl WriteBackService {
    /// Writes what `db` holds into `azure`.
    #[must_use]
    pub fn new(
        db: Db,
        azure: AzureDevOps,
        work_items: WorkItemService,
        projetos: ProjetoService,
        config: &WriteBackConfig,
    ) -> Self {
        Self(Arc::new(Inner {
            db,
            azure,
            work_items,
            projetos,
            config: config.clone(),
            identities: Cache::builder()
                .max_capacity(10_000)
                .time_to_live(IDENTITY_TTL)
                .build(),
            turns: Cache::builder().max_capacity(10_000).time_to_idle(LEASE).build(),
            in_requests: Cache::builder().max_capacity(10_000).build(),
            tasks: TaskTracker::new(),
            held: Mutex::default(),
        }))
    }

    /// Notes in the transaction of an entry that its work item's hours change. `None` when nothing is written to this
    /// organisation: switched off, or not served.
    pub(super) async fn mark(
        &self,
        tx: &mut Tx,
        organizacao: &NomeOrganizacao,
        work_item_id: i32,
        projeto: ProjetoId,
    ) -> Result<Option<i64>, DbError> {
        if self.0.config.mode_of(organizacao) == Mode::Off || self.0.tenant(organizacao).is_none() {
            return Ok(None);
        }
        let head_start = self.0.config.budget + HEAD_START;
        repo::mark(tx, organizacao, work_item_id, projeto, head_start)
            .await
            .map(Some)
    }

    /// How long a request waits for its hours to be written.
    pub(super) fn budget(&self) -> Duration {
        self.0.config.budget
    }

    /// Writes at once what was marked and committed, and waits for it as long as the budget lasts; the attempt goes on
    /// after that. `seen`: the work item, if it was just read. `own`: the caller's credential, for organisations without a
    /// PAT of ours.
    pub(super) async fn write_now(&self, alvo: Alvo, seen: Option<WorkItem>, own: Option<Credential>) {
        let inner = Arc::clone(&self.0);
        let places = async { Arc::new(Semaphore::new(MOST_IN_REQUESTS)) };
        let places = inner.in_requests.get_with(alvo.organizacao.clone(), places).await;
        let Ok(place) = places.try_acquire_owned() else {
            return;
        };
        let deadline = Instant::now() + inner.config.budget;
        let attempt = self.0.tasks.spawn(async move {
            let turn = inner.turns.get_with(alvo.clone(), async { Arc::default() }).await;
            // Whoever waits in vain leaves it to the background.
            if let Ok(_turn) = timeout_at(deadline.into(), turn.lock()).await {
                inner.write(&alvo, seen, own, deadline).await;
            }
            drop(place);
        });
        // Whoever waits longer than this gets `pendente`.
        let _ = timeout_at(deadline.into(), attempt).await;
    }

    /// How the write-back stands in the caller's organisations.
    pub async fn status(&self, user: &CurrentUser) -> Result<Andamento> {
        let mut tx = self.0.db.begin(&user.scope()).await?;
        let em = clock::now(&mut tx).await?;
        let organizacoes = overview::resumo(&mut tx).await?;
        let falhas = overview::failures(&mut tx, MOST_FAILURES).await?;
        tx.end_read();
        Ok(Andamento {
            em,
            organizacoes,
            falhas,
        })
    }

    /// Brings failures back to life; returns how many. All of the caller's organisations, or one, or one work item.
    pub async fn retry(
        &self,
        admin: &Admin,
        organizacao: Option<&NomeOrganizacao>,
        work_item_id: Option<i32>,
    ) -> Result<usize> {
        let user = admin.user();
        if let Some(nome) = organizacao {
            user.may_see(nome)?;
        }
        let mut tx = self.0.db.begin(&user.scope()).await?;
        let revived = overview::retry(&mut tx, &self.0.written(), organizacao, work_item_id).await?;
        let concerned: BTreeSet<&String> = revived.iter().collect();
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

    /// Waits for attempts that are under way, but not for long: their leases and intentions outlive the process.
    pub async fn finish(&self, patience: Duration) {
        self.0.tasks.close();
        if timeout(patience, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("some hours were still being written; the next process goes on with them");
        }
    }
}

impl Inner {
    fn tenant(&self, nome: &NomeOrganizacao) -> Option<Tenant> {
        let tenants = self.azure.tenants();
        tenants
            .iter()
            .find(|tenant| tenant.organizacao.nome() == nome)
            .cloned()
    }

    /// Names of the organisations that hours are written to.
    fn written(&self) -> Vec<String> {
        let tenants = self.azure.tenants();
        let nomes = tenants.iter().map(|tenant| tenant.organizacao.nome());
        nomes
            .filter(|nome| self.config.mode_of(nome) != Mode::Off)
            .map(NomeOrganizacao::to_string)
            .collect()
    }

    /// Takes the work item and writes it; while another process has it, waits for it until `deadline`.
    async fn write(&self, alvo: &Alvo, seen: Option<WorkItem>, own: Option<Credential>, deadline: Instant) {
        if self.held_for(&alvo.organizacao).is_some() {
            return;
        }
        loop {
            match self.take(alvo).await {
                Ok(Some(tomado)) => return self.write_taken(alvo, &tomado, seen, own).await,
                Ok(None) if Instant::now() + POLL < deadline => {}
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "the write-back cannot take a work item");
                    return;
                }
            }
            if !self.is_pending(alvo).await.unwrap_or_default() {
                return;
            }
            sleep(POLL).await;
        }
    }

    async fn take(&self, alvo: &Alvo) -> Result<Option<Tomado>, DbError> {
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        let taken = repo::take(&mut tx, alvo, LEASE).await?;
        tx.commit().await?;
        Ok(taken)
    }

    async fn is_pending(&self, alvo: &Alvo) -> Result<bool, DbError> {
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        let pending = repo::is_pending(&mut tx, alvo).await?;
        tx.end_read();
        Ok(pending)
    }

    /// Writes a work item that was taken and gives it back, whatever comes of it.
    async fn write_taken(
        &self,
        alvo: &Alvo,
        tomado: &Tomado,
        seen: Option<WorkItem>,
        own: Option<Credential>,
    ) {
        let outcome = timeout(LONGEST_ATTEMPT, self.attempt(alvo, tomado, seen, own)).await;
        let outcome = outcome.unwrap_or(Err(Failure::Passing(AzureError::Timeout)));
        metrics::outbox_attempt(match &outcome {
            Ok(()) => "written",
            Err(Failure::LeaseLost) => "lease_lost",
            Err(Failure::Final { .. }) => "failed",
            Err(_) => "postponed",
        });
        if let Err(failure) = &outcome {
            tracing::info!(organizacao = %alvo.organizacao, work_item = alvo.work_item_id, %failure, "hours not written");
        }
        if let Err(error) = self.give_back(alvo, tomado, outcome).await {
            tracing::warn!(%error, "the write-back cannot note an outcome; its lease runs out");
        }
    }

    async fn attempt(
        &self,
        alvo: &Alvo,
        tomado: &Tomado,
        seen: Option<WorkItem>,
        own: Option<Credential>,
    ) -> Result<(), Failure> {
        let tenant = self.tenant(&alvo.organizacao);
        let organizacao = tenant.as_ref().map(|tenant| tenant.organizacao.clone());
        let credential = tenant.and_then(|tenant| tenant.pat).or(own);
        let (Some(organizacao), Some(credential)) = (organizacao, credential) else {
            return Err(Failure::NoCredential);
        };
        Attempt::new(self, alvo, &organizacao, &credential, tomado)
            .run(seen)
            .await
    }

    async fn give_back(
        &self,
        alvo: &Alvo,
        tomado: &Tomado,
        outcome: Result<(), Failure>,
    ) -> Result<(), DbError> {
        let (wait, motivo, counts) = match outcome {
            Ok(()) | Err(Failure::LeaseLost) => return Ok(()),
            Err(Failure::Final { versao, motivo }) => {
                let mut tx = self.db.begin(&Scope::Maintenance).await?;
                repo::fail(&mut tx, alvo, tomado.lease, versao, &motivo).await?;
                return tx.commit().await;
            }
            Err(Failure::NoCredential) => (None, motivo::NO_CREDENTIAL.to_owned(), true),
            Err(Failure::Own(_)) => (None, motivo::OWN.to_owned(), true),
            Err(Failure::Passing(error)) => {
                let asked = error.retry_after().map(|wait| wait.min(LONGEST_ASKED));
                self.hold_after(&alvo.organizacao, &error, asked);
                (asked, motivo::passing(&error), error.was_sent())
            }
        };
        let setback = repo::Setback {
            wait: pause(tomado.tentativas, wait),
            motivo: &motivo,
            counts,
            give_up: self.config.give_up,
        };
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        repo::postpone(&mut tx, alvo, tomado.lease, setback).await?;
        tx.commit().await
    }

    /// Who a credential is there: to recognise what we wrote ourselves.
    async fn identity_of(
        &self,
        organizacao: &Organizacao,
        credential: &Credential,
    ) -> Result<Uuid, AzureError> {
        let key = (organizacao.nome().clone(), credential.fingerprint());
        let ask = async {
            organizacao
                .known_user(credential)
                .await
                .map(|identity| identity.id)
        };
        let found = self.identities.try_get_with(key, ask).await;
        found.map_err(|error: Arc<AzureError>| AzureError::clone(&error))
    }

    /// Leaves an organisation alone that said so, or whose trouble is not that of one work item.
    fn hold_after(&self, nome: &NomeOrganizacao, error: &AzureError, asked: Option<Duration>) {
        match error {
            AzureError::Throttled { .. } => self.hold(nome, asked.unwrap_or(HOLD)),
            AzureError::Unavailable { .. } => asked.into_iter().for_each(|wait| self.hold(nome, wait)),
            // A caller's own credential that is refused is no reason to let others wait.
            AzureError::InvalidCredential { .. }
                if self.tenant(nome).is_some_and(|tenant| tenant.pat.is_some()) =>
            {
                self.hold(nome, HOLD);
            }
            _ => {}
        }
    }

    /// Leaves an organisation alone for a while.
    fn hold(&self, nome: &NomeOrganizacao, wait: Duration) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let until = held.entry(nome.clone()).or_insert_with(Instant::now);
        *until = (*until).max(Instant::now() + wait);
    }

    /// How long an organisation is still left alone.
    fn held_for(&self, nome: &NomeOrganizacao) -> Option<Duration> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let until = held.get(nome)?;
        until
            .checked_duration_since(Instant::now())
            .filter(|wait| !wait.is_zero())
    }
}

impl std::fmt::Debug for WriteBackService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteBackService")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}

/// How long to wait after a failure; those that failed together do not come back together.
fn pause(failures_before: i32, retry_after: Option<Duration>) -> Duration {
    let doublings = u32::try_from(failures_before).unwrap_or_default().min(16);
    let longest = BACKOFF.saturating_mul(1 << doublings).min(LONGEST_BACKOFF);
    let chance = longest.mul_f64(0.5 + fastrand::f64() / 2.0);
    retry_after.map_or(chance, |asked| asked + BACKOFF.mul_f64(fastrand::f64() / 4.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit_and_what_is_asked_for_is_kept() {
        for _ in 0..100 {
            assert!((1.0..=2.0).contains(&pause(0, None).as_secs_f64()));
            assert!((4.0..=8.0).contains(&pause(2, None).as_secs_f64()));
            for many in [8, 1_000, i32::MAX] {
                assert!((150.0..=300.0).contains(&pause(many, None).as_secs_f64()));
            }
            let asked = pause(5, Some(Duration::from_secs(2))).as_secs_f64();
            assert!((2.0..=2.5).contains(&asked));
        }
    }
}
