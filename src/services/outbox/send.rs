//! Sending of a patch, and recording of its outcome.

use super::attempt::{Attempt, Failure, Progress};
use crate::azure_devops::Error as AzureError;
use crate::azure_devops::work_items::{HoursPatch, REMAINING_WORK, WorkItem};
use crate::models::organizacao::Scope;
use crate::models::outbox::{PendingPatch, Share};

/// Outcome of a patch that was sent.
pub(super) enum Fate {
    /// Applied; with the work item after the patch.
    Applied(Box<WorkItem>),
    /// Not applied, because the work item has another revision.
    Stale,
    /// Not applied, because a rule of the process refuses the patch.
    Refused { type_key: String, fields: Vec<String> },
    /// Not applied for another reason.
    NotApplied(AzureError),
    /// The answer does not show the outcome; the next revision does.
    Unclear(AzureError),
}

impl Attempt<'_> {
    /// Renews the lease for a stored patch. If another credential may have sent the patch already, its author
    /// is cleared: a revision may name either author, so that only the figures decide whether the patch was
    /// applied.
    pub(super) async fn take_over(&mut self, old: PendingPatch) -> Result<PendingPatch, Failure> {
        let author = self.inner.authors.get(&self.access.author_key()).await;
        let patch = PendingPatch {
            author: old.author.filter(|known| Some(*known) == author),
            ..old
        };
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        self.store(&mut tx, &patch, None).await?;
        tx.commit().await?;
        Ok(patch)
    }

    /// Returns `true` if a refused patch may pass without `RemainingWork`: the rule names that field or no
    /// field.
    pub(super) fn may_go_without_remaining(&self, refused: &PendingPatch, fields: &[String]) -> bool {
        let concerns = fields.is_empty() || fields.iter().any(|field| field.starts_with(REMAINING_WORK));
        concerns && refused.remaining.is_some() && !self.leave_remaining
    }

    pub(super) async fn send(&self, patch: &PendingPatch) -> Fate {
        let hours = HoursPatch {
            rev: patch.rev,
            completed: patch.completed,
            remaining: patch.remaining,
        };
        let answer = self
            .access
            .organizacao
            .update_hours(&self.access.credential, self.target.work_item_id, &hours)
            .await;
        match answer {
            Ok(after) => Fate::Applied(Box::new(after)),
            Err(error) if error.is_stale() => Fate::Stale,
            Err(error) if error.is_broken_rule() => match error {
                AzureError::Rejected { type_key, fields, .. } => Fate::Refused { type_key, fields },
                error => Fate::NotApplied(error),
            },
            Err(error) if error.was_not_applied() => Fate::NotApplied(error),
            Err(error) => Fate::Unclear(error),
        }
    }

    /// Records a patch that was applied, and the author that its revision names.
    pub(super) async fn note_applied(
        &mut self,
        patch: &PendingPatch,
        after: &WorkItem,
    ) -> Result<Progress, Failure> {
        if let Some(author) = after.changed_by {
            self.inner.authors.insert(self.access.author_key(), author).await;
        }
        let nome = self.access.organizacao.nome();
        self.inner.work_items.note_written(nome, after).await;
        self.settle_write(patch, after, self.has_completed).await
    }

    /// Returns `true` if the work item was open when new hours were logged, and is closed in the revision
    /// that holds these hours. The hours stay, because they were worked; the entries report the closure to
    /// their owners.
    pub(super) async fn closed_before(&self, after: &WorkItem, share: Share) -> bool {
        if share.accounted <= self.claim.share.accounted {
            return false;
        }
        let work_items = &self.inner.work_items;
        let categoria = work_items
            .known_categoria(
                &self.access.organizacao,
                &self.access.credential,
                &after.project,
                after,
            )
            .await;
        categoria.is_ok_and(|known| known.is_some_and(|categoria| !categoria.is_open()))
    }
}
