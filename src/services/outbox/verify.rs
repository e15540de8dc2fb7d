//! Comparison after our database was restored from a backup: it does not hold the later writes to Azure
//! DevOps. The revisions of a work item show these writes by the identity that made them. Also used where
//! Azure DevOps was restored and the stored writes do not determine our share.

use uuid::Uuid;

use super::reconcile::Mismatch;
use super::{OutboxService, motivo};
use crate::auth::Membership;
use crate::azure_devops::Credential;
use crate::azure_devops::work_items::{Revision, WorkItem};
use crate::db::Db;
use crate::error::Result;
use crate::models::horas::Horas;
use crate::models::organizacao::Scope;
use crate::models::outbox::Share;
use crate::repositories::outbox::overview::{self as repo, OutboxRow};

/// Returns `true` if the row does not determine our share of the work item's figures.
pub(super) fn is_out_of_date(row: &OutboxRow) -> bool {
    row.unverified || (!row.settled && row.motivo.as_deref() == Some(motivo::RESTORED))
}

/// Pauses the write-back of every work item until it is compared, and returns the number of work items. This
/// is the first step after our database was restored, before the service starts.
///
/// # Errors
/// When the database cannot be written.
pub async fn pause_restored(db: &Db) -> Result<u64> {
    let mut tx = db.begin(&Scope::Maintenance).await?;
    let paused = repo::pause_restored(&mut tx, motivo::UNVERIFIED).await?;
    tx.commit().await?;
    Ok(paused)
}

impl OutboxService {
    /// Compares a work item whose row is out of date by its revisions.
    pub(super) async fn compare_by_revisions(
        &self,
        membership: &Membership,
        row: OutboxRow,
        item: WorkItem,
        has_completed: bool,
    ) -> Result<Option<Mismatch>> {
        let mut mismatch = Mismatch {
            ours: row.share.contributed,
            row,
            item: Some(item),
            rebase: None,
            has_completed,
        };
        // Changes that callers made with their own credentials look like hours that people entered.
        let Some(pat) = membership.pat() else {
            return Ok(Some(mismatch));
        };
        let organizacao = membership.organizacao();
        let history = organizacao.revisions(pat, mismatch.row.work_item_id).await?;
        let Some(last) = history.revisions.last().filter(|_| !history.truncado) else {
            return Ok(Some(mismatch));
        };
        let (after, start) = if mismatch.row.unverified {
            (mismatch.row.rev_written, mismatch.row.share)
        } else {
            (0, Share::default())
        };
        let authors = self.authors_of(membership, pat).await?;
        let share = share_of(&history.revisions, &authors, after, start);
        mismatch.ours = share.contributed;
        mismatch.rebase = Some((last.rev, share));
        Ok(Some(mismatch))
    }

    /// Returns the identities that revisions name for changes of our PAT.
    async fn authors_of(&self, membership: &Membership, pat: &Credential) -> Result<Vec<Uuid>> {
        let organizacao = membership.organizacao();
        let key = (organizacao.nome().clone(), pat.fingerprint());
        let learned = self.0.authors.get(&key).await;
        let current = organizacao.known_user(pat).await?.identity.id;
        Ok(learned.into_iter().chain([current]).collect())
    }
}

/// Adds up the changes that our identities made in the revisions above `after`, starting from our share
/// `start`.
fn share_of(revisions: &[Revision], authors: &[Uuid], after: i32, start: Share) -> Share {
    let mut share = start;
    let mut before: Option<&Revision> = None;
    for revision in revisions {
        let ours = revision.changed_by.is_some_and(|by| authors.contains(&by));
        if let Some(before) = before
            && ours
            && revision.rev > after
        {
            let change =
                |new: Option<Horas>, old: Option<Horas>| new.unwrap_or_default() - old.unwrap_or_default();
            let logged = change(revision.completed, before.completed);
            share.contributed = (share.contributed + logged).at_least_zero();
            share.accounted = (share.accounted + logged).at_least_zero();
            // An empty field that a write filled from the estimate was not lowered.
            if before.remaining.is_some() {
                let taken = change(before.remaining, revision.remaining);
                share.deducted = (share.deducted + taken).at_least_zero();
            }
        }
        before = Some(revision);
    }
    share
}
