//! Planning of a patch: first all data is gathered from Azure DevOps, then one transaction reads the sum of
//! the entries and stores the patch, or records that there is nothing to write.

use std::sync::Arc;

use uuid::Uuid;

use super::attempt::{Access, Attempt, Failure, History, Progress, Step};
use super::plan::Situation;
use super::write::LEASE;
use super::{Inner, motivo};
use crate::azure_devops::Fingerprint;
use crate::azure_devops::work_items::WorkItem;
use crate::db::Tx;
use crate::models::organizacao::NomeOrganizacao;
use crate::models::outbox::PendingPatch;
use crate::models::work_item::Categoria;
use crate::repositories::outbox as rows;
use crate::repositories::outbox::claims::{self as repo, Settlement};
use crate::services::work_items::WorkItemType;

/// Data of Azure DevOps about a work item beside its fields.
pub(super) struct Facts {
    tipo: Arc<WorkItemType>,
    is_open: bool,
    /// Identity that revisions name for our credential, if known.
    author: Option<Uuid>,
}

impl Inner {
    /// Reads the data about the work item's type and state that a plan needs.
    pub(super) async fn gather(&self, access: &Access, item: &WorkItem) -> Result<Facts, Failure> {
        let Access {
            organizacao,
            credential,
        } = access;
        let tipo = self
            .work_items
            .work_item_type(organizacao, credential, item)
            .await?;
        let categoria = self
            .work_items
            .known_categoria(organizacao, credential, &item.project, item)
            .await?;
        Ok(Facts {
            tipo,
            // A state that the process does not know may demand an empty `RemainingWork`, as closed states
            // do.
            is_open: categoria.is_some_and(Categoria::is_open),
            author: self.authors.get(&access.author_key()).await,
        })
    }
}

impl Access {
    /// Returns the cache key of the author of this credential's revisions.
    pub(super) fn author_key(&self) -> (NomeOrganizacao, Fingerprint) {
        (self.organizacao.nome().clone(), self.credential.fingerprint())
    }
}

impl Attempt<'_> {
    /// Stores the patch that brings `item` up to date, or records that nothing is to be written. The
    /// transaction may be committed after every outcome except [`Failure::Own`].
    pub(super) async fn plan(
        &mut self,
        tx: &mut Tx,
        item: &WorkItem,
        facts: &Facts,
    ) -> Result<Step, Failure> {
        loop {
            let logged = repo::logged(tx, self.target).await?;
            if item.completed_is_unreadable {
                return Err(Failure::Final {
                    versao: logged.versao,
                    motivo: motivo::UNREADABLE.to_owned(),
                });
            }
            let situation = Situation {
                mode: self.mode,
                total: logged.total,
                ours: self.claim.share,
                upstream: item.scheduling,
                has_completed: facts.tipo.has_completed,
                may_write_remaining: facts.tipo.has_remaining && facts.is_open && !self.leave_remaining,
            };
            self.has_completed = Some(situation.has_completed);
            self.completed_before = item.scheduling.completed_work;
            let mut plan = situation.plan();
            let unproved = self.history == History::Restored;
            if unproved && plan.completed.is_none() && situation.has_completed {
                plan.completed = Some(item.scheduling.completed_work.unwrap_or_default());
            }
            if plan.changes_something() {
                let patch = PendingPatch {
                    rev: item.rev,
                    versao: logged.versao,
                    after: plan.after,
                    completed: plan.completed,
                    remaining: plan.remaining,
                    author: facts.author,
                };
                self.store(tx, &patch, item.project_id).await?;
                self.unclear = false;
                return Ok(Step::Send(patch));
            }
            let settlement = Settlement {
                versao: logged.versao,
                share: plan.after,
                rev: self.claim.rev_written,
                write: None,
                closed_before: false,
                has_completed: self.has_completed,
            };
            let settled = repo::settle(tx, self.target, self.claim.lease, &settlement).await?;
            if let Progress::Done(coverage) = self.note_settled(&settlement, settled)? {
                return Ok(Step::Done(coverage));
            }
        }
    }

    /// Stores a patch before it is sent, and the present project of the work item.
    pub(super) async fn store(
        &mut self,
        tx: &mut Tx,
        patch: &PendingPatch,
        projeto_guid: Option<Uuid>,
    ) -> Result<(), Failure> {
        if !repo::store_pending(tx, self.target, self.claim.lease, patch, LEASE).await? {
            return Err(Failure::LeaseLost);
        }
        if let Some(guid) = projeto_guid {
            rows::set_projeto_by_guid(tx, self.target, guid).await?;
        }
        self.claim.pending = Some(*patch);
        Ok(())
    }
}
