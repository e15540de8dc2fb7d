//! One attempt to write the hours of a work item to Azure DevOps, under a lease.
//!
//! A patch is stored before it is sent, with the revision that it applies to, and stays the same until its
//! outcome is known. While the work item still has that revision, the very same patch is sent again, and only
//! one of the two passes the test of the revision. Once that revision is over, the revision after it shows
//! whether the patch was applied.

use std::fmt;
use std::time::Duration;

use tokio::time::sleep;

use super::send::Fate;
use super::{Inner, motivo};
use crate::azure_devops::work_items::WorkItem;
use crate::azure_devops::{Credential, Error as AzureError, Organizacao};
use crate::db::DbError;
use crate::error::Error;
use crate::models::horas::Horas;
use crate::models::organizacao::Scope;
use crate::models::outbox::{Claim, Coverage, Mode, PendingPatch, Target, Write};
use crate::repositories::outbox::claims::{self as repo, Settled, Settlement};

/// Maximum number of rounds of an attempt. Each further round means that the work item had changed meanwhile.
const ROUNDS: u32 = 6;
/// Maximum time within which a request without an answer may still arrive, while Azure DevOps or a proxy
/// before it holds the request.
pub(super) const ARRIVES_WITHIN: Duration = Duration::from_mins(10);
/// Maximum pause between two rounds.
const PAUSE: Duration = Duration::from_millis(50);

/// Reason why an attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// A later attempt may succeed.
    Retryable(AzureError),
    /// Azure DevOps shows a revision below the one of our last write, because of replica lag or a restore.
    Behind,
    /// A rule of the process refuses a patch, of which an earlier send may still arrive; with a reason for
    /// people.
    Refused(String),
    /// No later attempt can succeed with the entries up to this version; with a reason for people.
    Final { versao: i64, motivo: String },
    /// Another attempt holds the lease.
    LeaseLost,
    /// No credential is available for writing.
    NoCredential,
    /// Our database failed.
    Own(Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retryable(error) => error.fmt(f),
            Self::Behind => f.write_str("Azure DevOps shows a revision below the one of our last write"),
            Self::Refused(motivo) | Self::Final { motivo, .. } => f.write_str(motivo),
            Self::NoCredential => f.write_str("no credential to write with"),
            Self::LeaseLost => f.write_str("another process has the lease"),
            Self::Own(error) => error.fmt(f),
        }
    }
}

impl From<AzureError> for Failure {
    fn from(error: AzureError) -> Self {
        Self::Retryable(error)
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::Own(error.into())
    }
}

/// Progress of an attempt after an outcome was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Everything is written.
    Done(Coverage),
    /// More hours are to be written.
    More,
}

/// Next step of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Sends this patch, which is stored.
    Send(PendingPatch),
    /// Ends the attempt: everything is written.
    Done(Coverage),
}

/// Result of checking the revisions up to our last write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum History {
    /// The revisions were not checked.
    Unchecked,
    /// The revisions are those that our last write was made on.
    Ours,
    /// The work item was restored, and no applied patch has confirmed this yet.
    Restored,
}

/// Organisation and credential for writing a work item.
pub(super) struct Access {
    pub(super) organizacao: Organizacao,
    pub(super) credential: Credential,
}

/// A leased work item and the means to write it.
pub(super) struct Attempt<'a> {
    pub(super) inner: &'a Inner,
    pub(super) target: &'a Target,
    pub(super) access: &'a Access,
    pub(super) mode: Mode,
    /// Lease, and the row as far as this attempt knows it.
    pub(super) claim: Claim,
    /// `true` if the pending patch was sent before with an unknown outcome.
    pub(super) unclear: bool,
    /// `true` if the type has `CompletedWork`; `None` until this is checked.
    pub(super) has_completed: Option<bool>,
    /// `CompletedWork` as read before the patch.
    pub(super) completed_before: Option<Horas>,
    pub(super) history: History,
    /// `true` if `RemainingWork` is not written, because a rule of the process refuses it.
    pub(super) leave_remaining: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(inner: &'a Inner, target: &'a Target, access: &'a Access, claim: Claim) -> Self {
        Self {
            inner,
            target,
            access,
            mode: inner.mode_in(&target.organizacao),
            unclear: claim.pending.is_some(),
            claim,
            has_completed: None,
            completed_before: None,
            history: History::Unchecked,
            leave_remaining: false,
        }
    }

    /// Writes until nothing is left to write. `seen`: the work item, if it was just read; `first`: the step
    /// that was planned together with the claim.
    pub(super) async fn run(
        &mut self,
        mut seen: Option<WorkItem>,
        mut first: Option<Step>,
    ) -> Result<Coverage, Failure> {
        for round in 0..ROUNDS {
            if round > 0 && seen.is_none() {
                sleep(PAUSE.mul_f64(fastrand::f64())).await;
            }
            let step = match first.take() {
                Some(step) => step,
                None => match self.next_step(seen.take()).await? {
                    Some(step) => step,
                    None if round + 1 == ROUNDS => return Err(Failure::Behind),
                    None => continue,
                },
            };
            let patch = match step {
                Step::Done(coverage) => return Ok(coverage),
                Step::Send(patch) => patch,
            };
            match self.send(&patch).await {
                Fate::Applied(after) => match self.note_applied(&patch, &after).await? {
                    Progress::Done(coverage) => return Ok(coverage),
                    Progress::More => seen = Some(*after),
                },
                // The next round finds out whether an earlier send was applied.
                Fate::Stale if self.unclear => {}
                Fate::Stale => self.forget().await?,
                // If this patch were forgotten, its late arrival would count hours that the next patch counts
                // as well.
                Fate::Refused { type_key, fields } if self.may_still_arrive() => {
                    return Err(Failure::Refused(motivo::refused(&type_key, &fields)));
                }
                Fate::Refused { type_key, fields } => {
                    self.forget().await?;
                    if !self.may_go_without_remaining(&patch, &fields) {
                        return Err(Failure::Final {
                            versao: patch.versao,
                            motivo: motivo::refused(&type_key, &fields),
                        });
                    }
                    self.leave_remaining = true;
                }
                Fate::NotApplied(error) => {
                    // An earlier send of the same patch may still have been applied.
                    if !self.unclear {
                        self.forget().await?;
                    }
                    return Err(match error {
                        AzureError::NotFound => self.vanished(patch.versao),
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

    /// Returns the next step; `None` while Azure DevOps shows a revision below the newest one that we know.
    async fn next_step(&mut self, seen: Option<WorkItem>) -> Result<Option<Step>, Failure> {
        let newest = self.claim.newest_rev();
        let item = match seen.filter(|item| item.rev >= newest) {
            Some(item) => item,
            None => self.read().await?,
        };
        // Decided first: a patch that was sent after a restore belongs to the history that the restore began.
        if let Some(old) = self.claim.pending.filter(|old| old.rev < item.rev)
            && let Progress::Done(coverage) = self.decide(old).await?
        {
            return Ok(Some(Step::Done(coverage)));
        }
        if item.rev < self.claim.newest_rev() {
            if !self.accept_restored(&item).await? {
                return Ok(None);
            }
        } else if !self.is_our_history(&item).await? {
            self.plan_from_restored(&item).await?;
        }
        self.planned_step(&item).await.map(Some)
    }

    /// Returns `true` while an earlier send of the pending patch may still arrive at Azure DevOps.
    pub(super) fn may_still_arrive(&self) -> bool {
        self.unclear && self.claim.sent_ago.is_none_or(|ago| ago < ARRIVES_WITHIN)
    }

    async fn read(&self) -> Result<WorkItem, Failure> {
        match self
            .access
            .organizacao
            .work_item(&self.access.credential, self.target.work_item_id)
            .await
        {
            Ok(item) => Ok(item),
            Err(AzureError::NotFound) => {
                let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
                let versao = repo::logged(&mut tx, self.target).await?.versao;
                tx.commit().await?;
                Err(self.vanished(versao))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn vanished(&self, versao: i64) -> Failure {
        Failure::Final {
            versao,
            motivo: motivo::vanished(self.target.work_item_id),
        }
    }

    /// Returns the step that sends the pending patch again, or else plans a new patch.
    async fn planned_step(&mut self, item: &WorkItem) -> Result<Step, Failure> {
        if let Some(old) = self.claim.pending {
            return self.take_over(old).await.map(Step::Send);
        }
        let facts = self.inner.gather(self.access, item).await?;
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let planned = self.plan(&mut tx, item, &facts).await;
        tx.commit().await?;
        planned
    }

    /// Checks whether our earlier patch produced revision `rev + 1`, and records the result.
    async fn decide(&mut self, old: PendingPatch) -> Result<Progress, Failure> {
        let next = old.rev + 1;
        let after = self
            .access
            .organizacao
            .revision(&self.access.credential, self.target.work_item_id, next)
            .await?;
        let same = |wanted: Option<Horas>, found| wanted.is_none() || wanted == found;
        let figures = same(old.completed, after.scheduling.completed_work)
            && same(old.remaining, after.scheduling.remaining_work);
        let author = old.author.is_none() || after.changed_by.is_none() || old.author == after.changed_by;
        if figures && author {
            return self.settle_write(&old, &after, old.completed.map(|_| true)).await;
        }
        self.forget().await?;
        Ok(Progress::More)
    }

    /// Records the write that made the revision `after`.
    pub(super) async fn settle_write(
        &mut self,
        patch: &PendingPatch,
        after: &WorkItem,
        has_completed: Option<bool>,
    ) -> Result<Progress, Failure> {
        let write = Write {
            rev: after.rev,
            completed: after.scheduling.completed_work,
            share: patch.after,
        };
        let before = Write {
            rev: patch.rev,
            completed: self.completed_before,
            share: self.claim.share,
        };
        let settlement = Settlement {
            versao: patch.versao,
            share: patch.after,
            rev: after.rev,
            write: Some((write, before)),
            closed_before: self.closed_before(after, patch.after).await,
            has_completed,
        };
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let settled = repo::settle(&mut tx, self.target, self.claim.lease, &settlement).await?;
        tx.commit().await?;
        self.note_settled(&settlement, settled)
    }

    /// Updates the attempt after a settlement and returns its progress.
    pub(super) fn note_settled(
        &mut self,
        settlement: &Settlement,
        settled: Settled,
    ) -> Result<Progress, Failure> {
        (self.claim.pending, self.claim.sent_ago) = (None, None);
        self.claim.share = settlement.share;
        self.claim.rev_written = settlement.rev;
        (self.unclear, self.history) = (false, History::Ours);
        match settled {
            Settled::LeaseLost => Err(Failure::LeaseLost),
            Settled::Done(coverage) => Ok(Progress::Done(coverage)),
            Settled::More => Ok(Progress::More),
        }
    }

    async fn forget(&mut self) -> Result<(), Failure> {
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let ours = repo::forget_pending(&mut tx, self.target, self.claim.lease).await?;
        tx.commit().await?;
        (self.claim.pending, self.claim.sent_ago, self.unclear) = (None, None, false);
        if ours { Ok(()) } else { Err(Failure::LeaseLost) }
    }
}
