//! Sending a patch, and noting what became of it.

use super::attempt::{Attempt, Failure, Progress};
use crate::azure_devops::Error as AzureError;
use crate::azure_devops::work_items::{HoursPatch, REMAINING_WORK, WorkItem};
use crate::models::organizacao::Scope;
use crate::models::outbox::{PendingPatch, Share};

/// What became of a patch that was sent.
pub(super) enum Fate {
    /// It was applied; the work item as it is now.
    Applied(Box<WorkItem>),
    /// It was not applied, because the work item has another revision.
    Stale,
    /// It was not applied, because a rule of the process refuses it.
    Refused { type_key: String, fields: Vec<String> },
    /// It was not applied for another reason.
    NotApplied(AzureError),
    /// The answer does not tell; the next revision will.
    Unclear(AzureError),
}

impl Attempt<'_> {
    /// Renews the lease for a stored patch. When another credential may have sent it already, its author is
    /// cleared: the patch may turn up with either name, so the figures alone decide whether it was applied.
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

    /// Returns `true` if a refused patch may pass when `RemainingWork` is left alone: the rule names that
    /// field, or none.
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

    /// Notes a patch that was applied, and the author that its revision names.
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
    /// that has them. The hours stay, because they were worked; their owners are told.
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
