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
use super::send::Fate;
use super::{Inner, motivo};
use crate::azure_devops::work_items::WorkItem;
use crate::azure_devops::{Credential, Error as AzureError, Organizacao};
use crate::db::DbError;
use crate::error::Error;
use crate::models::duracao::Total;
use crate::models::horas::Horas;
use crate::models::organizacao::Scope;
use crate::models::outbox::{Claim, Logged, Mode, PendingPatch, Share, Target};
use crate::models::work_item::Categoria;
use crate::repositories::outbox::{self as repo, Settled};

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
    pub(super) target: &'a Target,
    pub(super) organizacao: &'a Organizacao,
    pub(super) credential: &'a Credential,
    pub(super) mode: Mode,
    pub(super) lease: Uuid,
    pub(super) ours: Share,
    pub(super) rev_escrita: i32,
    pub(super) pending: Option<PendingPatch>,
    /// Whether `pending` was sent before with an outcome that is not known.
    pub(super) unclear: bool,
    /// Whether the type has `CompletedWork`, once that was looked at.
    pub(super) has_completed: Option<bool>,
    /// A process that refuses `RemainingWork` gets `CompletedWork` alone.
    pub(super) leave_remaining: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        inner: &'a Inner,
        target: &'a Target,
        organizacao: &'a Organizacao,
        credential: &'a Credential,
        claim: &Claim,
    ) -> Self {
        Self {
            inner,
            target,
            organizacao,
            credential,
            mode: inner.mode_in(&target.organizacao),
            lease: claim.lease,
            ours: claim.share,
            rev_escrita: claim.rev_escrita,
            pending: claim.pending,
            unclear: claim.pending.is_some(),
            has_completed: None,
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
            if let Some(old) = self.pending.filter(|old| old.rev < item.rev)
                && !self.decide(old).await?
            {
                return Ok(());
            }
            let pending = match self.pending {
                Some(old) => self.take_over(old).await?,
                None => match self.intend(&item).await? {
                    Some(new) => new,
                    None => return Ok(()),
                },
            };
            match self.send(&pending).await {
                Fate::Applied(after) => {
                    if !self.note_applied(&pending, &after).await? {
                        return Ok(());
                    }
                    seen = Some(*after);
                }
                // The next look tells whether an earlier send was first.
                Fate::Stale if self.unclear => {}
                Fate::Stale => self.forget().await?,
                Fate::Refused { type_key, fields } => {
                    self.forget().await?;
                    if !self.may_go_without_remaining(&pending, &fields) {
                        return Err(Failure::Final {
                            versao: pending.versao,
                            motivo: motivo::refused(&type_key, &fields),
                        });
                    }
                    self.leave_remaining = true;
                    seen = Some(item);
                }
                Fate::NotApplied(error) => {
                    // An earlier send of the same change may still have been applied.
                    if !self.unclear {
                        self.forget().await?;
                    }
                    return Err(match error {
                        AzureError::NotFound => self.vanished(pending.versao),
                        error => error.into(),
                    });
                }
                Fate::Unclear(error) => return Err(error.into()),
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
            .work_item(self.credential, self.target.work_item_id)
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
            motivo: motivo::vanished(self.target.work_item_id),
        }
    }

    /// Whether what was intended for a revision that is over made the next one. `false`: it did, and there is nothing more.
    async fn decide(&mut self, old: PendingPatch) -> Result<bool, Failure> {
        let next = old.rev + 1;
        let after = self
            .organizacao
            .revision(self.credential, self.target.work_item_id, next)
            .await?;
        let same = |wanted: Option<Horas>, found| wanted.is_none() || wanted == found;
        let figures = same(old.completed, after.scheduling.completed_work)
            && same(old.remaining, after.scheduling.remaining_work);
        let author = old.por.is_none() || after.changed_by.is_none() || old.por == after.changed_by;
        if figures && author {
            let closed_before = self.closed_before(&after, old.depois).await;
            let settled = Settled {
                versao: old.versao,
                share: old.depois,
                rev: next,
                closed_before,
                has_completed: old.completed.map(|_| true),
            };
            return self.settle(settled).await;
        }
        self.forget().await?;
        Ok(true)
    }

    /// Stores what is to be sent for `item`; `None` when nothing is, and that is noted.
    async fn intend(&mut self, item: &WorkItem) -> Result<Option<PendingPatch>, Failure> {
        loop {
            let Logged { versao, total } = self.apontado().await?;
            if item.completed_is_unreadable {
                return Err(Failure::Final {
                    versao,
                    motivo: motivo::UNREADABLE.to_owned(),
                });
            }
            let situation = self.situation(item, total).await?;
            self.has_completed = Some(situation.has_completed);
            let plan = situation.plan();
            if !plan.changes_something() {
                let settled = Settled {
                    versao,
                    share: plan.depois,
                    rev: self.rev_escrita,
                    closed_before: false,
                    has_completed: self.has_completed,
                };
                if self.settle(settled).await? {
                    continue;
                }
                return Ok(None);
            }
            let pending = PendingPatch {
                rev: item.rev,
                versao,
                depois: plan.depois,
                completed: plan.completed,
                remaining: plan.remaining,
                por: self.inner.authors.get(&self.author_key()).await,
            };
            self.store(&pending, item.project_id).await?;
            self.unclear = false;
            return Ok(Some(pending));
        }
    }

    async fn situation(&self, item: &WorkItem, total: Total) -> Result<Situation, Failure> {
        let work_items = &self.inner.work_items;
        let tipo = work_items
            .work_item_type(self.organizacao, self.credential, item)
            .await?;
        let categoria = work_items
            .known_categoria(self.organizacao, self.credential, &item.project, item)
            .await?;
        // A state that the process does not know may demand an empty `RemainingWork`, as closed ones do.
        let is_open = categoria.is_some_and(Categoria::is_open);
        Ok(Situation {
            mode: self.mode,
            total,
            ours: self.ours,
            upstream: item.scheduling,
            has_completed: tipo.has_completed,
            may_write_remaining: tipo.has_remaining && is_open && !self.leave_remaining,
        })
    }

    async fn apontado(&self) -> Result<Logged, Failure> {
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let apontado = repo::apontado(&mut tx, self.target).await?;
        tx.commit().await?;
        Ok(apontado)
    }

    /// Notes what Azure DevOps knows now; whether there is more to write.
    pub(super) async fn settle(&mut self, settled: Settled) -> Result<bool, Failure> {
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let more = repo::settle(&mut tx, self.target, self.lease, &settled).await?;
        tx.commit().await?;
        (self.pending, self.ours, self.rev_escrita) = (None, settled.share, settled.rev);
        self.unclear = false;
        more.ok_or(Failure::LeaseLost)
    }

    async fn forget(&mut self) -> Result<(), Failure> {
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let ours = repo::forget_intention(&mut tx, self.target, self.lease).await?;
        tx.commit().await?;
        (self.pending, self.unclear) = (None, false);
        if ours { Ok(()) } else { Err(Failure::LeaseLost) }
    }
}
