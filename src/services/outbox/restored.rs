//! Azure DevOps restored from a backup: a work item has a revision below the one of our last write, and some
//! of our writes never happened. The writes that we remember tell what of the restored figure is ours.

use std::time::Duration;

use super::attempt::{Access, Attempt, Failure, History};
use super::motivo;
use crate::azure_devops::work_items::WorkItem;
use crate::azure_devops::{Credential, Error as AzureError, Organizacao};
use crate::models::organizacao::Scope;
use crate::models::outbox::{PendingPatch, Share, Target, Write};
use crate::repositories::outbox::claims as repo;

/// A part of Azure DevOps that lags shows an old revision for seconds; after this time it was restored.
pub(super) const RESTORED_AFTER: Duration = Duration::from_secs(30);

impl Attempt<'_> {
    /// Returns `true` if the work item was restored, after which the attempt plans with the restored
    /// revision; `false` while a part of Azure DevOps may only lag.
    ///
    /// The next patch tests the restored revision: should Azure DevOps only lag after all, it is refused. So
    /// there is one even if the figure needs no change.
    ///
    /// # Errors
    /// [`Failure::Behind`] while another patch may still arrive; [`Failure::Final`] when our part of the
    /// restored figure is not known.
    pub(super) async fn accept_restored(&mut self, item: &WorkItem) -> Result<bool, Failure> {
        if self.claim.behind_for.is_none_or(|since| since < RESTORED_AFTER) {
            return Ok(false);
        }
        self.plan_from_restored(item).await?;
        Ok(true)
    }

    /// Returns `true` unless the revision of our last write holds another figure than we wrote: the work item
    /// was restored, and people have edited it since. No part of Azure DevOps that lags shows such a
    /// revision.
    pub(super) async fn is_our_history(&mut self, item: &WorkItem) -> Result<bool, Failure> {
        if self.history != History::Unchecked || self.claim.rev_written == 0 {
            return Ok(true);
        }
        self.history = History::Ours;
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let (writes, _) = repo::writes(&mut tx, self.target).await?;
        tx.commit().await?;
        match writes.first() {
            Some(last) => self.holds_written_figure(item, last).await,
            None => Ok(true),
        }
    }

    /// Plans with a restored revision: our share is that of the last write which stands there.
    pub(super) async fn plan_from_restored(&mut self, item: &WorkItem) -> Result<(), Failure> {
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let (writes, truncated) = repo::writes(&mut tx, self.target).await?;
        let logged = repo::logged(&mut tx, self.target).await?;
        tx.commit().await?;
        let Some(share) = self.share_at(item, &writes, truncated).await? else {
            return Err(Failure::Final {
                versao: logged.versao,
                motivo: motivo::RESTORED.to_owned(),
            });
        };
        // A patch that was planned like this before, and whose fate is unclear, is sent again.
        let figure = item.scheduling.completed_work.unwrap_or_default();
        let is_planned_anew = |patch: &PendingPatch| {
            let people = patch.completed.map(|new| new - patch.after.contributed);
            patch.rev == item.rev && people == Some(figure - share.contributed)
        };
        let pending = self.claim.pending.filter(is_planned_anew);
        // Any other one is not forgotten while it may still arrive, or a part of Azure DevOps may only lag.
        if pending.is_none() && self.may_still_arrive() {
            return Err(Failure::Behind);
        }
        let Target {
            organizacao,
            work_item_id,
        } = self.target;
        tracing::warn!(
            %organizacao, work_item = work_item_id, rev = item.rev, rev_written = self.claim.rev_written,
            "outbox: work item restored to an earlier revision; hours recomputed"
        );
        self.claim.share = share;
        self.claim.rev_written = item.rev;
        self.claim.pending = pending;
        self.unclear = pending.is_some();
        self.history = History::Restored;
        Ok(())
    }

    async fn holds_written_figure(&self, item: &WorkItem, write: &Write) -> Result<bool, Failure> {
        let Access {
            organizacao,
            credential,
        } = self.access;
        Ok(holds_written_figure(organizacao, credential, item, write).await?)
    }

    /// Returns our share of the figures at the item's revision; `None` if the remembered writes do not tell.
    async fn share_at(
        &self,
        item: &WorkItem,
        writes: &[Write],
        truncated: bool,
    ) -> Result<Option<Share>, Failure> {
        for write in writes.iter().filter(|write| write.rev <= item.rev) {
            if self.holds_written_figure(item, write).await? {
                return Ok(Some(write.share));
            }
        }
        let first = writes.last().filter(|_| !truncated);
        let before_us = first.filter(|first| first.share == Share::default());
        Ok(before_us.map(|first| first.share))
    }
}

/// Returns `true` if the revision of a write, which `item` has reached, holds the figure that was written.
///
/// # Errors
/// When Azure DevOps cannot tell the revision.
pub(super) async fn holds_written_figure(
    organizacao: &Organizacao,
    credential: &Credential,
    item: &WorkItem,
    write: &Write,
) -> Result<bool, AzureError> {
    let Some(completed) = write.completed else {
        return Ok(true);
    };
    if write.rev == item.rev {
        return Ok(item.scheduling.completed_work == Some(completed));
    }
    let revision = organizacao.revision(credential, item.id, write.rev).await?;
    Ok(revision.scheduling.completed_work == Some(completed))
}

/// Returns `true` if a plan may rely on `item` without a look at its revisions: it has none after our last
/// write.
pub(super) fn is_last_write(last: Option<&Write>, item: &WorkItem) -> bool {
    last.is_none_or(|last| {
        last.rev == item.rev && (last.completed.is_none() || last.completed == item.scheduling.completed_work)
    })
}
