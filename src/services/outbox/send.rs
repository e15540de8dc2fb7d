//! Sending a change: it is stored first, sent, and noted by what became of it.

use uuid::Uuid;

use super::attempt::{Attempt, Failure};
use crate::azure_devops::work_items::{HoursPatch, REMAINING_WORK, WorkItem};
use crate::azure_devops::{Error as AzureError, Fingerprint};
use crate::models::organizacao::{NomeOrganizacao, Scope};
use crate::models::outbox::{PendingPatch, Share};
use crate::repositories::outbox::{self as repo, Settled};

/// What became of a change that was sent.
pub(super) enum Fate {
    /// It was applied; the work item as it is now.
    Applied(Box<WorkItem>),
    /// It was not applied, because the work item has another revision.
    Stale,
    /// It was not applied, because a rule of the process refuses it.
    Refused { type_key: String, fields: Vec<String> },
    /// It was not applied for another reason.
    NotApplied(AzureError),
    /// Nothing tells; the next revision will.
    Unclear(AzureError),
}

impl Attempt<'_> {
    /// Stores a change before it is sent, and where the work item is.
    pub(super) async fn store(&mut self, pending: &PendingPatch, place: Option<Uuid>) -> Result<(), Failure> {
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let ours = repo::intend(&mut tx, self.target, self.lease, pending).await?;
        if let Some(guid) = place {
            repo::place_by_guid(&mut tx, self.target, guid).await?;
        }
        tx.commit().await?;
        if !ours {
            return Err(Failure::LeaseLost);
        }
        self.pending = Some(*pending);
        Ok(())
    }

    /// Takes over a stored change that another credential may have sent already: from now on it may turn up with
    /// either author, so the figures alone decide whether it was applied.
    pub(super) async fn take_over(&mut self, old: PendingPatch) -> Result<PendingPatch, Failure> {
        let author = self.inner.authors.get(&self.author_key()).await;
        if old.por.is_none() || old.por == author {
            return Ok(old);
        }
        let either = PendingPatch { por: None, ..old };
        self.store(&either, None).await?;
        Ok(either)
    }

    pub(super) fn author_key(&self) -> (NomeOrganizacao, Fingerprint) {
        (self.organizacao.nome().clone(), self.credential.fingerprint())
    }

    /// Whether a refused change may pass when `RemainingWork` is left alone: the rule names that field, or none.
    pub(super) fn may_go_without_remaining(&self, refused: &PendingPatch, fields: &[String]) -> bool {
        let concerns = fields.is_empty() || fields.iter().any(|field| field.starts_with(REMAINING_WORK));
        concerns && refused.remaining.is_some() && !self.leave_remaining
    }

    pub(super) async fn send(&self, pending: &PendingPatch) -> Fate {
        let patch = HoursPatch {
            rev: pending.rev,
            completed: pending.completed,
            remaining: pending.remaining,
        };
        let answer = self
            .organizacao
            .update_hours(self.credential, self.target.work_item_id, &patch)
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

    /// Notes a change that was applied, and how its author is told; whether there is more to write.
    pub(super) async fn note_applied(
        &mut self,
        pending: &PendingPatch,
        after: &WorkItem,
    ) -> Result<bool, Failure> {
        if let Some(author) = after.changed_by {
            self.inner.authors.insert(self.author_key(), author).await;
        }
        let nome = self.organizacao.nome();
        self.inner.work_items.note_written(nome, after).await;
        let settled = Settled {
            versao: pending.versao,
            share: pending.depois,
            rev: after.rev,
            closed_before: self.closed_before(after, pending.depois).await,
            has_completed: self.has_completed,
        };
        self.settle(settled).await
    }

    /// Whether the work item was open when new hours were logged, and is closed in the revision that has them. The
    /// hours stay, because they were worked; their owners are told.
    pub(super) async fn closed_before(&self, after: &WorkItem, depois: Share) -> bool {
        if depois.considerado <= self.ours.considerado {
            return false;
        }
        let work_items = &self.inner.work_items;
        let categoria = work_items
            .known_categoria(self.organizacao, self.credential, &after.project, after)
            .await;
        categoria.is_ok_and(|known| known.is_some_and(|categoria| !categoria.is_open()))
    }
}
