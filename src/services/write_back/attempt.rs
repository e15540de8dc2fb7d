//! One attempt to bring a work item's hours to Azure DevOps, under a lease.
//!
//! What is about to be sent is stored first, with the revision that it is for, and stays the same until its fate is known.
//! The revision decides: still the same, and the very same change is sent again (whichever of the two comes first, the
//! other one fails the test); over, and the revision after it tells whether it was ours. So an unclear outcome can neither
//! lose an hour nor count one twice.

use std::fmt;
use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use super::plan::Situation;
use super::{Inner, motivo};
use crate::azure_devops::work_items::{HoursPatch, WorkItem};
use crate::azure_devops::{Credential, Error as AzureError, Organizacao};
use crate::db::DbError;
use crate::error::Error;
use crate::models::duracao::Total;
use crate::models::horas::Horas;
use crate::models::organizacao::Scope;
use crate::models::write_back::{Alvo, Apontado, Intencao, Mode, Participacao, Tomado};
use crate::repositories::write_back::{self as repo, Settled};

/// Looks at one work item before giving up for now: each one that fails found it changed by somebody else.
const ROUNDS: u32 = 6;
/// Between two looks, up to.
const PAUSE: Duration = Duration::from_millis(50);

/// Why an attempt did not end well.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may go better later.
    Passing(AzureError),
    /// It will not, whatever the entries up to this state say; with a reason for people.
    Final { versao: i64, motivo: String },
    /// Somebody else holds the lease; they do it.
    LeaseLost,
    /// Nobody can write there.
    NoCredential,
    /// Our database.
    Own(Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passing(error) => error.fmt(f),
            Self::Final { motivo, .. } => f.write_str(motivo),
            Self::NoCredential => f.write_str("no credential to write with"),
            Self::LeaseLost => f.write_str("another process has the lease"),
            Self::Own(error) => error.fmt(f),
        }
    }
}

impl From<AzureError> for Failure {
    fn from(error: AzureError) -> Self {
        Self::Passing(error)
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::Own(error.into())
    }
}

/// A work item, taken, and the means to write it.
pub(super) struct Attempt<'a> {
    pub(super) inner: &'a Inner,
    pub(super) alvo: &'a Alvo,
    pub(super) organizacao: &'a Organizacao,
    pub(super) credential: &'a Credential,
    pub(super) mode: Mode,
    pub(super) lease: Uuid,
    pub(super) ours: Participacao,
    pub(super) rev_escrita: i32,
    pub(super) intencao: Option<Intencao>,
    /// A process that refuses `RemainingWork` gets `CompletedWork` alone.
    pub(super) leave_remaining: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        inner: &'a Inner,
        alvo: &'a Alvo,
        organizacao: &'a Organizacao,
        credential: &'a Credential,
        tomado: &Tomado,
    ) -> Self {
        Self {
            inner,
            alvo,
            organizacao,
            credential,
            mode: inner.mode_in(&alvo.organizacao),
            lease: tomado.lease,
            ours: tomado.participacao,
            rev_escrita: tomado.rev_escrita,
            intencao: tomado.intencao,
            leave_remaining: false,
        }
    }

    /// Writes until there is nothing more to write. `seen`: the work item, if it was just read.
    pub(super) async fn run(&mut self, mut seen: Option<WorkItem>) -> Result<(), Failure> {
        for round in 0..ROUNDS {
            if round > 0 && seen.is_none() {
                sleep(PAUSE.mul_f64(fastrand::f64())).await;
            }
            let item = match seen.take().filter(|item| item.rev >= self.rev_escrita) {
                Some(item) => item,
                None => self.read().await?,
            };
            if item.rev < self.rev_escrita {
                // A part of Azure DevOps that has not heard of our own change yet.
                continue;
            }
            if let Some(old) = self.intencao.filter(|old| old.rev < item.rev)
                && !self.decide(old).await?
            {
                return Ok(());
            }
            let intencao = match self.intencao {
                Some(old) => old,
                None => match self.intend(&item).await? {
                    Some(new) => new,
                    None => return Ok(()),
                },
            };
            match self.send(&intencao).await {
                Ok(after) => {
                    let nome = self.organizacao.nome();
                    self.inner.work_items.note_written(nome, &after).await;
                    let closed_before = self.closed_before(&after, intencao.depois).await;
                    let settled = Settled {
                        versao: intencao.versao,
                        participacao: intencao.depois,
                        rev: after.rev,
                        closed_before,
                    };
                    if !self.settle(settled).await? {
                        return Ok(());
                    }
                    seen = Some(after);
                }
                // The next look tells who was first.
                Err(error) if error.is_stale() => {}
                Err(AzureError::Rejected { type_key, fields, .. }) => {
                    self.forget().await?;
                    if intencao.remaining.is_none() || self.leave_remaining {
                        return Err(Failure::Final {
                            versao: intencao.versao,
                            motivo: motivo::refused(&type_key, &fields),
                        });
                    }
                    self.leave_remaining = true;
                    seen = Some(item);
                }
                Err(AzureError::NotFound) => return Err(self.vanished(intencao.versao)),
                Err(error) => return Err(error.into()),
            }
        }
        Err(AzureError::Rejected {
            status: 412,
            type_key: String::new(),
            fields: Vec::new(),
        }
        .into())
    }

    async fn read(&self) -> Result<WorkItem, Failure> {
        match self
            .organizacao
            .work_item(self.credential, self.alvo.work_item_id)
            .await
        {
            Ok(item) => Ok(item),
            Err(AzureError::NotFound) => Err(self.vanished(self.apontado().await?.versao)),
            Err(error) => Err(error.into()),
        }
    }

    fn vanished(&self, versao: i64) -> Failure {
        Failure::Final {
            versao,
            motivo: motivo::vanished(self.alvo.work_item_id),
        }
    }

    /// Whether what was intended for a revision that is over made the next one. `false`: it did, and there is nothing more.
    async fn decide(&mut self, old: Intencao) -> Result<bool, Failure> {
        let next = old.rev + 1;
        let after = self
            .organizacao
            .revision(self.credential, self.alvo.work_item_id, next)
            .await?;
        let same = |wanted: Option<Horas>, found| wanted.is_none() || wanted == found;
        let figures = same(old.completed, after.scheduling.completed_work)
            && same(old.remaining, after.scheduling.remaining_work);
        let author = old.por.is_none() || after.changed_by.is_none() || old.por == after.changed_by;
        if figures && author {
            let closed_before = self.closed_before(&after, old.depois).await;
            let settled = Settled {
                versao: old.versao,
                participacao: old.depois,
                rev: next,
                closed_before,
            };
            return self.settle(settled).await;
        }
        self.forget().await?;
        Ok(true)
    }

    /// Stores what is to be sent for `item`; `None` when nothing is, and that is noted.
    async fn intend(&mut self, item: &WorkItem) -> Result<Option<Intencao>, Failure> {
        loop {
            let Apontado { versao, total } = self.apontado().await?;
            let situation = self.situation(item, total).await?;
            let plan = situation.plan();
            if !plan.changes_something() {
                let settled = Settled {
                    versao,
                    participacao: plan.depois,
                    rev: self.rev_escrita,
                    closed_before: false,
                };
                if self.settle(settled).await? {
                    continue;
                }
                return Ok(None);
            }
            let intencao = Intencao {
                rev: item.rev,
                versao,
                depois: plan.depois,
                completed: plan.completed,
                remaining: plan.remaining,
                por: Some(self.inner.identity_of(self.organizacao, self.credential).await?),
            };
            let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
            let ours = repo::intend(&mut tx, self.alvo, self.lease, &intencao).await?;
            if let Some(guid) = item.project_id {
                repo::place_by_guid(&mut tx, self.alvo, guid).await?;
            }
            tx.commit().await?;
            if !ours {
                return Err(Failure::LeaseLost);
            }
            self.intencao = Some(intencao);
            return Ok(Some(intencao));
        }
    }

    async fn situation(&self, item: &WorkItem, total: Total) -> Result<Situation, Failure> {
        let work_items = &self.inner.work_items;
        let tipo = work_items
            .work_item_type(self.organizacao, self.credential, item)
            .await?;
        let categoria = work_items
            .categoria(self.organizacao, self.credential, &item.project, item)
            .await?;
        Ok(Situation {
            mode: self.mode,
            total,
            ours: self.ours,
            upstream: item.scheduling,
            has_completed: tipo.has_completed,
            may_write_remaining: tipo.has_remaining && categoria.is_open() && !self.leave_remaining,
        })
    }

    async fn send(&self, intencao: &Intencao) -> Result<WorkItem, AzureError> {
        let patch = HoursPatch {
            rev: intencao.rev,
            completed: intencao.completed,
            remaining: intencao.remaining,
        };
        self.organizacao
            .update_hours(self.credential, self.alvo.work_item_id, &patch)
            .await
    }

    async fn apontado(&self) -> Result<Apontado, Failure> {
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let apontado = repo::apontado(&mut tx, self.alvo).await?;
        tx.commit().await?;
        Ok(apontado)
    }

    /// Notes what Azure DevOps knows now; whether there is more to write.
    async fn settle(&mut self, settled: Settled) -> Result<bool, Failure> {
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let more = repo::settle(&mut tx, self.alvo, self.lease, &settled).await?;
        tx.commit().await?;
        (self.intencao, self.ours, self.rev_escrita) = (None, settled.participacao, settled.rev);
        more.ok_or(Failure::LeaseLost)
    }

    /// Whether the work item was open when new hours were logged, and is closed in the revision that has them. The
    /// hours stay, because they were worked; their owners are told.
    async fn closed_before(&self, after: &WorkItem, depois: Participacao) -> bool {
        if depois.considerado <= self.ours.considerado {
            return false;
        }
        let work_items = &self.inner.work_items;
        let categoria = work_items
            .categoria(self.organizacao, self.credential, &after.project, after)
            .await;
        categoria.is_ok_and(|categoria| !categoria.is_open())
    }

    async fn forget(&mut self) -> Result<(), Failure> {
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let ours = repo::forget_intention(&mut tx, self.alvo, self.lease).await?;
        tx.commit().await?;
        self.intencao = None;
        if ours { Ok(()) } else { Err(Failure::LeaseLost) }
    }
}
