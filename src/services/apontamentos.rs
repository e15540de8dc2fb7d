//! Time entries: the hours of a person on one day and one work item, with an activity.
//!
//! Rules that need no call are checked first, then Azure DevOps is called without holding a connection. One
//! transaction then checks the remaining rules and stores the entry with its mark in the outbox, its audit
//! record and, if requested, its idempotency key. After the commit the hours are written to Azure DevOps
//! within the time that the request may wait.

mod create;
mod people;
mod read;
mod rules;

use serde_json::json;

use crate::auth::CurrentUser;
use crate::azure_devops::work_items::WorkItem;
use crate::config::ApontamentosConfig;
use crate::db::{Db, Tx};
use crate::error::{Error, OnConstraint, Result};
use crate::models::apontamento::{Apontamento, ApontamentoChanges};
use crate::models::auditoria::NewRegistro;
use crate::models::ids::{ApontamentoId, ProjetoId};
use crate::models::organizacao::{ChaveOrganizacao, Scope};
use crate::models::outbox::{Coverage, Target};
use crate::models::precondition::Precondition;
use crate::repositories::outbox::ProjectSource;
use crate::repositories::{apontamentos as repo, auditoria, idempotencia};
use crate::services::auditoria::actor;
use crate::services::idempotency::TTL;
use crate::services::outbox::OutboxService;
use crate::services::projetos::ProjetoService;
use crate::services::work_items::WorkItemService;
use crate::telemetry::metrics::{self, EntryOp};
use rules::{Change, Rules, check_atividade};

/// Maximum number of idempotency keys deleted in one statement.
const DELETE_BATCH: i64 = 5_000;

/// Use cases of `apontamentos`.
#[derive(Debug, Clone)]
pub struct ApontamentoService {
    db: Db,
    rules: Rules,
    projetos: ProjetoService,
    work_items: WorkItemService,
    outbox: OutboxService,
}

impl ApontamentoService {
    /// Creates the service on `db` with the rules of `config`.
    #[must_use]
    pub fn new(
        db: Db,
        config: &ApontamentosConfig,
        projetos: ProjetoService,
        work_items: WorkItemService,
        outbox: OutboxService,
    ) -> Self {
        Self {
            db,
            rules: Rules::new(config, work_items.clone(), projetos.clone()),
            projetos,
            work_items,
            outbox,
        }
    }

    /// Returns one entry of the caller's organisations.
    pub async fn get(&self, user: &CurrentUser, id: ApontamentoId) -> Result<Apontamento> {
        let mut tx = self.db.begin_read(&user.scope()).await?;
        let found = repo::find(&mut tx, id).await?;
        found.ok_or_else(|| user.unless_undecided(not_found(id)))
    }

    /// Changes an entry. An activity that stays the same may have become inactive (D-35). Fails with
    /// [`Error::Stale`] unless the entry has the version `expected`.
    pub async fn update(
        &self,
        user: &CurrentUser,
        id: ApontamentoId,
        changes: &ApontamentoChanges,
        expected: &Precondition,
    ) -> Result<Apontamento> {
        let (mut tx, before, projeto, seen) = loop {
            let change = |before: &Apontamento| Change::of(before, changes);
            let (read, seen) = self.before_change(user, id, expected, change).await?;
            if let Some(data) = changes.data.filter(|data| *data != read.data) {
                self.rules.check_date(data)?;
            }
            let checked = change(&read);
            let mut tx = self.db.begin(&user.scope()).await?;
            let (before, projeto) = lock(&mut tx, user, read, expected).await?;
            // A concurrent change may have turned this into another kind of change, which was not checked.
            if change(&before) == checked {
                break (tx, before, projeto, seen);
            }
        };
        if let Some(atividade) = changes.atividade.filter(|id| *id != before.atividade.id) {
            check_atividade(&mut tx, user, atividade, projeto).await?;
        }
        let longer = changes.duracao.is_some_and(|duracao| duracao > before.duracao);
        let moved = changes.data.is_some_and(|data| data != before.data);
        let organizacao = before.organizacao.clone();
        let mut versao_escrita = None;
        if changes.duracao.is_some_and(|duracao| duracao != before.duracao) {
            versao_escrita = self
                .outbox
                .mark(
                    &mut tx,
                    &organizacao,
                    before.work_item_id,
                    ProjectSource::AtLogging(projeto),
                )
                .await?;
        }
        let after = repo::update(&mut tx, id, changes, versao_escrita)
            .await
            .on_constraint(repo::ATIVIDADE_FK, || {
                Error::InvalidReference("Atividade não encontrada".to_owned())
            })?
            .ok_or_else(|| not_found(id))?;
        if longer || moved {
            let data = changes.data.unwrap_or(before.data);
            self.rules
                .check_day(&mut tx, &organizacao, &before.usuario.id, data)
                .await?;
        }
        if after.atualizado_em != before.atualizado_em {
            record(&mut tx, user, "alterar", Some(&before), Some(&after)).await?;
        }
        tx.commit().await?;
        metrics::entry(EntryOp::Update);
        match versao_escrita {
            Some(versao) => Ok(self.write_hours(user, after, versao, seen).await),
            None => Ok(after),
        }
    }

    /// Deletes an entry and removes its hours from Azure DevOps. `expected`: as for [`update`](Self::update).
    pub async fn delete(&self, user: &CurrentUser, id: ApontamentoId, expected: &Precondition) -> Result<()> {
        let (before, seen) = self.before_change(user, id, expected, |_| Change::Delete).await?;
        let mut tx = self.db.begin(&user.scope()).await?;
        let (before, projeto) = lock(&mut tx, user, before, expected).await?;
        let organizacao = before.organizacao.clone();
        let marked = self
            .outbox
            .mark(
                &mut tx,
                &organizacao,
                before.work_item_id,
                ProjectSource::AtLogging(projeto),
            )
            .await?;
        repo::delete(&mut tx, id).await?;
        record(&mut tx, user, "excluir", Some(&before), None).await?;
        tx.commit().await?;
        metrics::entry(EntryOp::Delete);
        if marked.is_some() {
            self.write(user, organizacao, before.work_item_id, seen).await;
        }
        Ok(())
    }

    /// Checks the conditions of a change that can be checked without holding a connection. Returns the entry
    /// and its work item, if Azure DevOps returned one.
    async fn before_change(
        &self,
        user: &CurrentUser,
        id: ApontamentoId,
        expected: &Precondition,
        change: impl FnOnce(&Apontamento) -> Change,
    ) -> Result<(Apontamento, Option<WorkItem>)> {
        let before = self.get(user, id).await?;
        people::may_change(user, &before)?;
        if !expected.allows(before.atualizado_em) {
            return Err(Error::Stale);
        }
        let seen = self.rules.check_change(user, &before, change(&before)).await?;
        Ok((before, seen))
    }

    /// Writes the hours of a stored entry to Azure DevOps and returns the entry with its write-back state.
    /// `versao`: version that a write must reach to cover the entry.
    async fn write_hours(
        &self,
        user: &CurrentUser,
        mut apontamento: Apontamento,
        versao: i64,
        seen: Option<WorkItem>,
    ) -> Apontamento {
        let organizacao = apontamento.organizacao.clone();
        let present = seen.as_ref().and_then(|item| item.project_id);
        // The write records the new project of a work item that moved, so that the entry must be read again.
        let moved = present.is_some_and(|project| project != apontamento.projeto_atual);
        let written = self
            .write(user, organizacao, apontamento.work_item_id, seen)
            .await;
        if let Some(situacao) = written.and_then(|coverage| coverage.situacao(versao))
            && !moved
        {
            apontamento.sincronizacao = Some(situacao);
            return apontamento;
        }
        let reread = async {
            let mut tx = self.db.begin_read(&user.scope()).await?;
            let found = repo::find(&mut tx, apontamento.id).await?;
            Ok::<_, Error>(found)
        };
        // The entry counts as stored even if another request has deleted it since or the database does not
        // answer.
        reread.await.ok().flatten().unwrap_or(apontamento)
    }

    async fn write(
        &self,
        user: &CurrentUser,
        organizacao: ChaveOrganizacao,
        work_item_id: i32,
        seen: Option<WorkItem>,
    ) -> Option<Coverage> {
        let membership = user.membership_in(&organizacao);
        let own = membership.and_then(|membership| membership.own_credential().cloned());
        let target = Target {
            organizacao,
            work_item_id,
        };
        self.outbox.write_now(target, seen, own).await
    }

    /// Deletes idempotency keys that are older than a day. Returns the number of deleted keys.
    pub async fn delete_expired_keys(&self) -> Result<u64> {
        let mut deleted = 0;
        loop {
            let mut tx = self.db.begin(&Scope::Maintenance).await?;
            let batch = idempotencia::delete_older(&mut tx, TTL, DELETE_BATCH).await?;
            tx.commit().await?;
            deleted += batch;
            if batch == 0 {
                return Ok(deleted);
            }
        }
    }
}

/// Locks an entry against other writers. Returns its current state, which may differ from `read`, and its
/// project.
async fn lock(
    tx: &mut Tx,
    user: &CurrentUser,
    read: Apontamento,
    expected: &Precondition,
) -> Result<(Apontamento, ProjetoId)> {
    let id = read.id;
    let gone = || user.unless_undecided(not_found(id));
    let locked = repo::lock(tx, id).await?.ok_or_else(gone)?;
    if !expected.allows(locked.atualizado_em) {
        return Err(Error::Stale);
    }
    if locked.atualizado_em == read.atualizado_em {
        return Ok((read, locked.projeto));
    }
    let found = repo::find(tx, id).await?.ok_or_else(gone)?;
    Ok((found, locked.projeto))
}

/// Writes a change to the audit trail.
async fn record(
    tx: &mut Tx,
    user: &CurrentUser,
    acao: &'static str,
    antes: Option<&Apontamento>,
    depois: Option<&Apontamento>,
) -> Result<()> {
    let subject = depois.or(antes);
    let new = NewRegistro {
        actor: &actor(user),
        organizacao: subject.map(|entry| &entry.organizacao),
        acao,
        objeto_tipo: "apontamento",
        objeto_id: subject.map(|entry| entry.id.to_string()),
        antes: antes.map(snapshot),
        depois: depois.map(snapshot),
    };
    auditoria::insert(tx, &new).await?;
    Ok(())
}

fn snapshot(entry: &Apontamento) -> String {
    json!({
        "usuario_id": entry.usuario.id, "work_item_id": entry.work_item_id, "projeto": entry.projeto,
        "data": entry.data, "duracao": entry.duracao.to_string(), "atividade": entry.atividade.id,
        "comentario": entry.comentario
    })
    .to_string()
}

/// Returns the error for an entry that does not exist or is hidden from the caller.
#[must_use]
pub fn not_found(id: ApontamentoId) -> Error {
    Error::NotFound(format!("Apontamento com ID {id} não encontrado"))
}
