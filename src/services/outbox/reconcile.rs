//! Comparison of the hours logged here with the figures in Azure DevOps; differences are written.
//!
//! In `delta` mode people may have entered hours of their own, so that a figure above ours is no difference;
//! a figure below ours means that it was overwritten. In `absolute` mode any figure other than ours is a
//! difference.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use tokio::time::timeout;

use super::attempt::ARRIVES_WITHIN;
use super::restored::holds_written_figure;
use super::verify::is_out_of_date;
use super::{OutboxService, motivo};
use crate::auth::{Admin, Membership};
use crate::azure_devops::work_items::WorkItem;
use crate::error::{Code, Error, Result};
use crate::models::apontamento::ProjetoNomeado;
use crate::models::auditoria::NewRegistro;
use crate::models::duracao::Total;
use crate::models::horas::Horas;
use crate::models::organizacao::{ChaveOrganizacao, NomeOrganizacao, Scope};
use crate::models::outbox::{Mode, Share, Target};
use crate::repositories::outbox::overview::{self as repo, OutboxRow};
use crate::repositories::{apontamentos, auditoria};
use crate::services::auditoria::actor;
use crate::services::projetos::unknown_projeto;

/// Maximum number of work items per request; the next request continues after the last one.
const MOST: i64 = 200;
/// Number of work items that are read or repaired concurrently.
const AT_ONCE: usize = 4;
/// Maximum wait of a request for repairs.
const PATIENCE: Duration = Duration::from_secs(15);

/// Selection of the work items to compare.
#[derive(Debug, Clone)]
pub struct Selecao {
    /// Organisation.
    pub organizacao: NomeOrganizacao,
    /// One work item, or the work items of a project.
    pub target: SelectedWorkItems,
}

/// One work item, or the work items of a project.
#[derive(Debug, Clone)]
pub enum SelectedWorkItems {
    /// Work item with this id.
    WorkItem(i32),
    /// Work items of the project that have entries, with ids above this one.
    Projeto(ProjetoNomeado, i32),
}

/// Outcome of a reconciliation.
#[derive(Debug)]
pub struct Reconciliacao {
    /// Number of compared work items.
    pub verificados: usize,
    /// Work items that differ.
    pub diferencas: Vec<Diferenca>,
    /// Id after which the next request continues; `None` if there are no more work items.
    pub proximo: Option<i32>,
}

/// A work item that differs.
#[derive(Debug)]
pub struct Diferenca {
    /// Id of the work item.
    pub work_item_id: i32,
    /// Hours logged here.
    pub apontado: Total,
    /// `CompletedWork` before the repair, if the work item can be read.
    pub completed_before: Option<Horas>,
    /// `CompletedWork` after the repair.
    pub completed_after: Option<Horas>,
    /// `true` if the missing hours are written now.
    pub reparado: bool,
    /// Reason why the difference is not repaired.
    pub motivo: Option<String>,
}

impl OutboxService {
    /// Compares the selected work items and repairs the differences.
    ///
    /// # Errors
    /// [`Error::InvalidReference`] for an unknown project, [`Error::Conflict`] when nothing is written to
    /// this organisation, [`Error::Upstream`] when Azure DevOps cannot be read.
    pub async fn reconcile(&self, admin: &Admin, selecao: &Selecao) -> Result<Reconciliacao> {
        let user = admin.user();
        let organizacao = &user.may_see(&selecao.organizacao)?;
        user.require_administrator_of(organizacao)?;
        let mode = self.0.mode_in(organizacao);
        let membership = user.membership_in(organizacao).filter(|_| mode != Mode::Off);
        let membership = membership.ok_or_else(|| switched_off(selecao.organizacao.as_str()))?;
        let credential = membership.service_credential()?;
        let (work_items, proximo) = self.selected(admin, organizacao, &selecao.target).await?;
        let rows = self.rows_of(organizacao, &work_items).await?;
        let seen = membership
            .organizacao()
            .work_items(credential, &work_items)
            .await?;
        let mut by_id: HashMap<i32, WorkItem> = seen.into_iter().map(|item| (item.id, item)).collect();

        let undone_by_restore = self.undone_by_restore(membership, mode, &rows, &by_id).await?;
        let mut mismatches = Vec::new();
        for row in rows {
            let item = by_id.remove(&row.work_item_id);
            let has_completed = match &item {
                Some(item) => {
                    let service = &self.0.work_items;
                    let of = service.work_item_type(membership.organizacao(), credential, item);
                    of.await?.has_completed
                }
                None => true,
            };
            let mismatch = match item {
                Some(item) if is_out_of_date(&row) => {
                    self.compare_by_revisions(membership, row, item, has_completed)
                        .await?
                }
                // The attempt distinguishes replica lag from a restore, and determines our share of a
                // restored figure.
                Some(item) if item.rev < row.rev_written || undone_by_restore.contains(&item.id) => {
                    Some(Mismatch::unchanged(row, item, has_completed))
                }
                item => compare(mode, row, item, has_completed),
            };
            mismatches.extend(mismatch);
        }
        self.repair(admin, membership, &mismatches).await?;
        let ids: Vec<i32> = mismatches
            .iter()
            .map(|difference| difference.row.work_item_id)
            .collect();
        let after = membership.organizacao().work_items(credential, &ids).await?;
        let settled = self.rows_of(organizacao, &ids).await?;
        Ok(Reconciliacao {
            verificados: work_items.len(),
            diferencas: mismatches
                .into_iter()
                .filter(Mismatch::differs)
                .map(|difference| report(mode, &difference, &settled, &after))
                .collect(),
            proximo,
        })
    }

    /// Returns the work items whose last write a restore of Azure DevOps has undone, and that people have
    /// since edited up to that revision: their figures alone do not show it. In `absolute` mode the figure
    /// shows it, and the result is empty.
    async fn undone_by_restore(
        &self,
        membership: &Membership,
        mode: Mode,
        rows: &[OutboxRow],
        items: &HashMap<i32, WorkItem>,
    ) -> Result<HashSet<i32>> {
        let (organizacao, credential) = (membership.organizacao(), membership.service_credential()?);
        let written = rows.iter().filter(|_| mode == Mode::Delta).filter_map(|row| {
            let item = items.get(&row.work_item_id)?;
            let last = row.last_write.filter(|last| last.rev <= item.rev)?;
            Some((item.clone(), last))
        });
        stream::iter(written.collect::<Vec<_>>())
            .map(async |(item, last)| {
                Ok((
                    item.id,
                    holds_written_figure(organizacao, credential, &item, &last).await?,
                ))
            })
            .buffer_unordered(AT_ONCE)
            .try_filter_map(async |(id, holds)| Ok((!holds).then_some(id)))
            .try_collect()
            .await
    }

    /// Returns the ids of the work items to compare, and the id after which the next request continues.
    async fn selected(
        &self,
        admin: &Admin,
        organizacao: &ChaveOrganizacao,
        target: &SelectedWorkItems,
    ) -> Result<(Vec<i32>, Option<i32>)> {
        let (projeto, after) = match target {
            SelectedWorkItems::WorkItem(id) => return Ok((vec![*id], None)),
            SelectedWorkItems::Projeto(projeto, after) => (projeto, *after),
        };
        let projetos = &self.0.projetos;
        let located = projetos.find_mirrored(admin.user(), organizacao, projeto);
        let located = located.await?.ok_or_else(|| unknown_projeto(projeto))?;
        let mut tx = self.0.db.begin(&Scope::Maintenance).await?;
        let ids = apontamentos::work_items_of_projeto(&mut tx, organizacao, located.id, after, MOST).await?;
        tx.commit().await?;
        let more = i64::try_from(ids.len()).is_ok_and(|count| count == MOST);
        let proximo = ids.last().copied().filter(|_| more);
        Ok((ids, proximo))
    }

    async fn rows_of(&self, organizacao: &ChaveOrganizacao, ids: &[i32]) -> Result<Vec<OutboxRow>> {
        let mut tx = self.0.db.begin(&Scope::Maintenance).await?;
        // Entries from a time without write-back have no row yet.
        repo::adopt(&mut tx, organizacao, ids).await?;
        let rows = repo::rows_of(&mut tx, organizacao, ids).await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// Schedules and writes the differences, some concurrently, for at most `PATIENCE`; the background writes
    /// the rest.
    async fn repair(&self, admin: &Admin, membership: &Membership, mismatches: &[Mismatch]) -> Result<()> {
        let organizacao = membership.chave();
        let readable: Vec<&Mismatch> = mismatches
            .iter()
            .filter(|difference| difference.item.is_some())
            .collect();
        if readable.is_empty() {
            return Ok(());
        }
        let mut tx = self.0.db.begin(&Scope::Maintenance).await?;
        for difference in &readable {
            match difference.rebase {
                Some((rev, share)) => {
                    repo::rebase(&mut tx, organizacao, &difference.row, rev, share, ARRIVES_WITHIN).await?;
                }
                None => repo::repair(&mut tx, organizacao, &difference.row, difference.ours).await?,
            }
        }
        let ids: Vec<i32> = readable
            .iter()
            .map(|difference| difference.row.work_item_id)
            .collect();
        let new = NewRegistro {
            actor: &actor(admin.user()),
            organizacao: Some(organizacao),
            acao: "reconciliar",
            objeto_tipo: "sincronizacao_de_horas",
            objeto_id: None,
            antes: None,
            depois: Some(json!({ "work_items": ids }).to_string()),
        };
        auditoria::insert(&mut tx, &new).await?;
        tx.commit().await?;
        let writes = stream::iter(readable).for_each_concurrent(AT_ONCE, async |difference| {
            let target = Target {
                organizacao: organizacao.clone(),
                work_item_id: difference.row.work_item_id,
            };
            let own = membership.own_credential().cloned();
            self.write_now(target, difference.item.clone(), own).await;
        });
        // A repair that takes longer is reported as pending.
        let _ = timeout(PATIENCE, writes).await;
        Ok(())
    }
}

/// Work item that differs, before its repair.
pub(super) struct Mismatch {
    pub(super) row: OutboxRow,
    pub(super) item: Option<WorkItem>,
    /// Hours of our share that `CompletedWork` still holds.
    pub(super) ours: Horas,
    /// Revision to plan from and our share of its figures, if the row is out of date.
    pub(super) rebase: Option<(i32, Share)>,
    pub(super) has_completed: bool,
}

impl Mismatch {
    /// Returns `false` if the comparison confirmed the row, and the work item only had to be released.
    fn differs(&self) -> bool {
        !self.row.unverified
            || self.rebase.is_none()
            || self.ours != self.row.share.contributed
            || self.ours != Horas::of(self.row.total)
    }

    fn unchanged(row: OutboxRow, item: WorkItem, has_completed: bool) -> Self {
        Self {
            ours: row.share.contributed,
            row,
            item: Some(item),
            rebase: None,
            has_completed,
        }
    }
}

/// Compares a row with its work item; `None` if they agree and nothing is pending.
fn compare(mode: Mode, row: OutboxRow, item: Option<WorkItem>, has_completed: bool) -> Option<Mismatch> {
    let expected = Horas::of(row.total);
    let completed_work = item
        .as_ref()
        .map(|item| item.scheduling.completed_work.unwrap_or_default());
    let (differs, ours) = match completed_work {
        None => (expected != Horas::ZERO || !row.settled, row.share.contributed),
        Some(_) if !has_completed => (!row.settled, row.share.contributed),
        Some(completed_work) if mode == Mode::Absolute => (completed_work != expected, row.share.contributed),
        // The field holds less than our share: the rest was overwritten.
        Some(completed_work) => {
            let ours = row.share.contributed.min(completed_work);
            (ours != expected, ours)
        }
    };
    (differs || !row.settled).then_some(Mismatch {
        row,
        item,
        ours,
        rebase: None,
        has_completed,
    })
}

fn report(mode: Mode, difference: &Mismatch, settled: &[OutboxRow], after: &[WorkItem]) -> Diferenca {
    let id = difference.row.work_item_id;
    let now = settled.iter().find(|row| row.work_item_id == id);
    let completed = |item: &WorkItem| item.scheduling.completed_work.unwrap_or_default();
    // A settled row is not enough: the figure may have been overwritten again.
    let completed_work = after.iter().find(|item| item.id == id).map(completed);
    let expected = Horas::of(difference.row.total);
    let is_written = match mode {
        _ if !difference.has_completed => true,
        Mode::Absolute => completed_work == Some(expected),
        _ => completed_work >= Some(expected),
    };
    let reparado = completed_work.is_some() && is_written && now.is_some_and(|now| now.settled);
    let motivo = match &difference.item {
        None => Some(motivo::vanished(id)),
        Some(_) if reparado => None,
        Some(_) => now
            .and_then(|now| now.motivo.clone())
            .or_else(|| Some(motivo::UNDER_WAY.to_owned())),
    };
    Diferenca {
        work_item_id: id,
        apontado: difference.row.total,
        completed_before: difference.item.as_ref().map(completed),
        completed_after: completed_work,
        reparado,
        motivo,
    }
}

/// Returns the error for an organisation that hours are not written to.
#[must_use]
pub fn switched_off(organizacao: &str) -> Error {
    Error::Conflict {
        code: Code::SincronizacaoDesligada,
        detail: format!("As horas da organização {organizacao} não são gravadas no Azure DevOps"),
    }
}
