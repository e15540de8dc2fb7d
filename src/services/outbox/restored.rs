//! Recovery after Azure DevOps was restored from a backup: a work item has a revision below the one of our
//! last write, and some of our writes are undone. The stored writes determine our share of the restored
//! figure.

use std::time::Duration;

use super::attempt::{Access, Attempt, Failure, History};
use super::motivo;
use crate::azure_devops::work_items::WorkItem;
use crate::azure_devops::{Credential, Error as AzureError, Organizacao};
use crate::models::organizacao::Scope;
use crate::models::outbox::{PendingPatch, Share, Target, Write};
use crate::repositories::outbox::claims as repo;

/// Time after which an old revision means a restore; replica lag of Azure DevOps lasts only seconds.
pub(super) const RESTORED_AFTER: Duration = Duration::from_secs(30);

impl Attempt<'_> {
    /// Returns `true` if the work item was restored; the attempt then plans with the restored revision.
    /// Returns `false` while replica lag is still possible.
    ///
    /// The next patch tests the restored revision, so that Azure DevOps refuses it after mere replica lag.
    /// Therefore a patch is sent even if the figure needs no change.
    ///
    /// # Errors
    /// [`Failure::Behind`] while another patch may still arrive; [`Failure::Final`] when our share of the
    /// restored figure is not known.
    pub(super) async fn accept_restored(&mut self, item: &WorkItem) -> Result<bool, Failure> {
        if self.claim.behind_for.is_none_or(|since| since < RESTORED_AFTER) {
            return Ok(false);
        }
        self.plan_from_restored(item).await?;
        Ok(true)
    }

    /// Returns `true` unless the revision of our last write holds another figure than the one that we wrote.
    /// Another figure means that the work item was restored and that people have edited it since: replica lag
    /// never shows such a revision.
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

    /// Plans with a restored revision. Our share is that of the last write that the restored history still
    /// holds.
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
        // A patch that was planned like this before, and whose outcome is unknown, is sent again.
        let figure = item.scheduling.completed_work.unwrap_or_default();
        let is_planned_anew = |patch: &PendingPatch| {
            let people = patch.completed.map(|new| new - patch.after.contributed);
            patch.rev == item.rev && people == Some(figure - share.contributed)
        };
        let pending = self.claim.pending.filter(is_planned_anew);
        // Any other patch is not forgotten while it may still arrive, or while replica lag is possible.
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

    /// Returns our share of the figures at the item's revision; `None` if the stored writes do not determine
    /// it.
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

/// Returns `true` if the revision of `write`, which `item` has reached, holds the figure that was written.
///
/// # Errors
/// When Azure DevOps cannot return the revision.
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

/// Returns `true` if a plan may rely on `item` without checking its revisions: it has none after our last
/// write.
pub(super) fn is_last_write(last: Option<&Write>, item: &WorkItem) -> bool {
    last.is_none_or(|last| {
        last.rev == item.rev && (last.completed.is_none() || last.completed == item.scheduling.completed_work)
    })
}
