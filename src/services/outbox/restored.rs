//! Azure DevOps restored from a backup: a work item has a revision below the one of our last write, and some of our writes
//! never happened. The writes that we remember tell what of the restored figure is ours.

use std::time::Duration;

use super::attempt::{Attempt, Failure};
use super::motivo;
use crate::azure_devops::work_items::WorkItem;
use crate::models::organizacao::Scope;
use crate::models::outbox::{Share, Target, Write};
use crate::repositories::outbox::claims as repo;

/// A part of Azure DevOps that lags shows an old revision for seconds; after this time it was restored.
pub(super) const RESTORED_AFTER: Duration = Duration::from_secs(30);

impl Attempt<'_> {
    /// Returns `true` if the work item was restored, after which the attempt plans with the restored revision;
    /// `false` while a part of Azure DevOps may only lag.
    ///
    /// The next patch tests the restored revision: should Azure DevOps only lag after all, it is refused.
    ///
    /// # Errors
    /// [`Failure::Final`] when our part of the restored figure is not known.
    pub(super) async fn accept_restored(&mut self, item: &WorkItem) -> Result<bool, Failure> {
        if self.claim.behind_for.is_none_or(|since| since < RESTORED_AFTER) {
            return Ok(false);
        }
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
        let Target {
            organizacao,
            work_item_id,
        } = self.target;
        tracing::warn!(
            %organizacao, work_item = work_item_id, rev = item.rev, rev_written = self.claim.rev_written,
            "the work item was restored to an earlier revision; its hours are planned anew"
        );
        self.claim.share = share;
        self.claim.rev_written = item.rev;
        self.claim.pending = None;
        self.unclear = false;
        Ok(true)
    }

    /// Returns our share of the figures at the item's revision; `None` if the remembered writes do not tell.
    async fn share_at(
        &self,
        item: &WorkItem,
        writes: &[Write],
        truncated: bool,
    ) -> Result<Option<Share>, Failure> {
        let Some(write) = last_before(writes, item.rev) else {
            let first = writes.last().filter(|_| !truncated);
            return Ok(first
                .map(|first| first.share)
                .filter(|share| *share == Share::default()));
        };
        let Some(completed) = write.completed else {
            return Ok(Some(write.share));
        };
        let found = if write.rev == item.rev {
            item.scheduling.completed_work
        } else {
            let id = self.target.work_item_id;
            let revision = self
                .access
                .organizacao
                .revision(&self.access.credential, id, write.rev);
            revision.await?.scheduling.completed_work
        };
        Ok((found == Some(completed)).then_some(write.share))
    }
}

/// Returns the last write up to a revision.
fn last_before(writes: &[Write], rev: i32) -> Option<&Write> {
    writes.iter().find(|write| write.rev <= rev)
}
