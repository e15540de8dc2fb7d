//! Time entries: a person's hours of one day on one work item, with an activity.
//!
//! Rules that need no call are checked first, then Azure DevOps is asked (no connection is held meanwhile),
//! then one transaction checks what only it can know and stores the entry with its mark in the outbox, its
//! audit record and, if asked for, its answer. After the commit the hours are written to Azure DevOps, for as
//! long as the request may wait.

mod create;
mod idempotency;
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
use crate::services::outbox::OutboxService;
use crate::services::projetos::ProjetoService;
use crate::services::work_items::WorkItemService;
use crate::telemetry::metrics::{self, EntryOp};
use rules::{Change, Rules, check_atividade};

pub use create::Created;
pub use idempotency::in_flight;

/// Keys deleted in one statement.
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
    /// Works on `db`, under these rules.
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

    /// One entry of the caller's organisations.
    pub async fn get(&self, user: &CurrentUser, id: ApontamentoId) -> Result<Apontamento> {
        let mut tx = self.db.begin_read(&user.scope()).await?;
        let found = repo::find(&mut tx, id).await?;
        found.ok_or_else(|| user.unless_undecided(not_found(id)))
    }

    /// Changes an entry. An activity that stays may be inactive meanwhile (D-35). `expected`: fails with
    /// [`Error::Stale`] unless the entry has that version.
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
            // Changed meanwhile, it may be another kind of change, which was not checked.
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

    /// Deletes an entry; its hours go from Azure DevOps, too. `expected`: as for [`update`](Self::update).
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

    /// What must hold before an entry is changed, and can be found out without holding a connection.
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

    /// Writes the hours of an entry that was stored, and returns the entry with how far they got. `versao`:
    /// the version that a write must reach to cover the entry.
    async fn write_hours(
        &self,
        user: &CurrentUser,
        mut apontamento: Apontamento,
        versao: i64,
        seen: Option<WorkItem>,
    ) -> Apontamento {
        let organizacao = apontamento.organizacao.clone();
        let present = seen.as_ref().and_then(|item| item.project_id);
        // The write notes a work item that moved; the entry then shows another project.
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
        // The entry is stored, whatever happens now: another request's delete, or a database that has gone
        // away.
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

    /// Deletes Idempotency-Keys that are older than a day. Returns how many.
    pub async fn delete_expired_keys(&self) -> Result<u64> {
        let mut deleted = 0;
        loop {
            let mut tx = self.db.begin(&Scope::Maintenance).await?;
            let batch = idempotencia::delete_older(&mut tx, idempotency::TTL, DELETE_BATCH).await?;
            tx.commit().await?;
            deleted += batch;
            if batch == 0 {
                return Ok(deleted);
            }
        }
    }
}

/// Keeps other writers off an entry that is the caller's to change, and returns it as it stands: it may have
/// changed since it was read.
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

/// Writes a change into the audit trail.
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

/// What a caller learns about an entry that is not there.
#[must_use]
pub fn not_found(id: ApontamentoId) -> Error {
    Error::NotFound(format!("Apontamento com ID {id} não encontrado"))
}
