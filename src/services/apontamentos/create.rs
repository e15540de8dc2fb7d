//! Creation of an entry: checked against Azure DevOps while no connection is held, then stored in one
//! transaction that also checks whether the idempotency key was used before.

use uuid::Uuid;

use super::people::{Author, AuthorClaim};
use super::rules::check_atividade;
use super::{ApontamentoService, record};
use crate::auth::CurrentUser;
use crate::azure_devops::work_items::WorkItem;
use crate::db::Tx;
use crate::error::{Code, Error, OnConstraint, Result};
use crate::models::apontamento::{Apontamento, ApontamentoRow, NewApontamento, ProjetoNomeado};
use crate::models::idempotencia::{Chave, NewObjeto};
use crate::models::ids::ApontamentoId;
use crate::models::organizacao::ChaveOrganizacao;
use crate::repositories::apontamentos as repo;
use crate::repositories::outbox::ProjectSource;
use crate::repositories::projetos::Located;
use crate::services::idempotency::{Created, IdempotentRequest, deleted, part};
use crate::telemetry::metrics::{self, EntryOp};

/// A stored entry.
enum Stored {
    /// Stored by this request; with the version that a write must reach, if hours are written back.
    New(Apontamento, Option<i64>),
    /// Stored by an earlier request with the same key.
    Earlier(Apontamento),
}

impl ApontamentoService {
    /// Logs hours. If an earlier request with the same key created an entry, returns that entry instead.
    ///
    /// # Errors
    /// See the module. Of several broken rules, the one about the caller's identity is reported first and the
    /// daily limit last.
    pub async fn create(
        &self,
        user: &CurrentUser,
        new: &NewApontamento,
        chave: Option<&Chave>,
    ) -> Result<Created<Apontamento>> {
        let organizacao = &user.may_see(&new.organizacao)?;
        let author_claim = AuthorClaim::check(user, organizacao, &new.usuario).await?;
        let writer = author_claim.writer.id.clone();
        let content = content(new, organizacao);
        let idempotent = chave.map(|chave| IdempotentRequest::new(organizacao, &writer, chave, &content));
        let stored = self
            .check_and_store(user, new, organizacao, author_claim, idempotent.as_ref())
            .await;
        let (stored, seen) = match (stored, &idempotent) {
            // A request that is refused now may have been accepted when the key was first used, or a faster
            // concurrent request with the key may have been accepted.
            (Err(error), Some(idempotent)) if may_be_replayed(&error) => {
                let earlier = self.find_earlier(user, idempotent, error).await?;
                (Stored::Earlier(earlier), None)
            }
            (stored, _) => stored?,
        };
        match stored {
            Stored::Earlier(apontamento) => Ok(Created::earlier(apontamento)),
            Stored::New(apontamento, None) => Ok(Created::now(apontamento)),
            Stored::New(apontamento, Some(versao)) => Ok(Created::now(
                self.write_hours(user, apontamento, versao, seen).await,
            )),
        }
    }

    /// Checks and stores an entry. Returns it with its work item as read from Azure DevOps.
    async fn check_and_store(
        &self,
        user: &CurrentUser,
        new: &NewApontamento,
        organizacao: &ChaveOrganizacao,
        author_claim: AuthorClaim,
        idempotent: Option<&IdempotentRequest<'_>>,
    ) -> Result<(Stored, Option<WorkItem>)> {
        self.rules.check_date(new.data)?;
        let author = author_claim.author(&self.db, user, organizacao).await?;
        let projeto = self
            .projetos
            .find_or_fetch(user, organizacao, &new.projeto)
            .await?;
        let (seen, projeto) = self.rules.check_new(user, organizacao, new, projeto).await?;
        if projeto.unassigned {
            self.projetos.claim(organizacao, &projeto).await?;
        }
        let stored = self
            .store(
                user,
                new,
                organizacao,
                &author,
                (&projeto, seen.as_ref()),
                idempotent,
            )
            .await?;
        Ok((stored, seen))
    }

    /// Returns the entry of an earlier request with this key, or else the error `refusal`.
    async fn find_earlier(
        &self,
        user: &CurrentUser,
        idempotent: &IdempotentRequest<'_>,
        refusal: Error,
    ) -> Result<Apontamento> {
        let mut tx = self.db.begin(&user.scope()).await?;
        let Some(id) = idempotent.find(&mut tx).await? else {
            return Err(refusal);
        };
        let earlier = earlier_entry(&mut tx, id).await?;
        tx.commit().await?;
        Ok(earlier)
    }

    /// Stores a new entry on a project and work item in one transaction, unless its key was used before.
    async fn store(
        &self,
        user: &CurrentUser,
        new: &NewApontamento,
        organizacao: &ChaveOrganizacao,
        author: &Author,
        (projeto, seen): (&Located, Option<&WorkItem>),
        idempotent: Option<&IdempotentRequest<'_>>,
    ) -> Result<Stored> {
        let mut tx = self.db.begin(&user.scope()).await?;
        if let Some(idempotent) = idempotent
            && let Some(id) = idempotent.acquire(&mut tx).await?
        {
            return Ok(Stored::Earlier(earlier_entry(&mut tx, id).await?));
        }
        check_atividade(&mut tx, user, new.atividade, projeto.id).await?;
        let work_item_id = new.work_item_id;
        // Lock order of every transaction that locks both: the work item first, then the day.
        let versao_escrita = self
            .outbox
            .mark(
                &mut tx,
                organizacao,
                work_item_id,
                ProjectSource::Present(projeto.id),
            )
            .await?;
        let row = ApontamentoRow {
            id: ApontamentoId::generate(),
            organizacao,
            projeto: projeto.id,
            work_item_id,
            work_item_titulo: seen
                .map(|item| item.title.as_str())
                .filter(|title| !title.is_empty()),
            data: new.data,
            duracao: new.duracao,
            atividade: new.atividade,
            comentario: new.comentario.as_deref(),
            usuario: &author.usuario,
            registrado_por: author.registrado_por.as_ref(),
            versao_escrita,
        };
        let apontamento = repo::insert(&mut tx, &row)
            .await
            .on_constraint(repo::ATIVIDADE_FK, || {
                Error::InvalidReference(format!("Atividade não encontrada: {}", new.atividade))
            })?;
        self.rules
            .check_day(&mut tx, organizacao, &author.usuario.id, new.data)
            .await?;
        record(&mut tx, user, "criar", None, Some(&apontamento)).await?;
        if let Some(idempotent) = idempotent {
            idempotent
                .store(&mut tx, NewObjeto::Apontamento(apontamento.id))
                .await?;
        }
        tx.commit().await?;
        metrics::entry(EntryOp::Create);
        Ok(Stored::New(apontamento, versao_escrita))
    }
}

/// Returns the entry that an earlier request created. Fails if it was deleted since.
async fn earlier_entry(tx: &mut Tx, id: Uuid) -> Result<Apontamento> {
    let found = repo::find(tx, ApontamentoId(id)).await?;
    found.ok_or_else(|| deleted(Code::ApontamentoExcluido))
}

/// Returns the content of a request. Different spellings of dates, durations, GUIDs and organisations are the
/// same content; the name and the GUID of a project are not, since Azure DevOps is not called here.
fn content(new: &NewApontamento, organizacao: &ChaveOrganizacao) -> [String; 8] {
    let projeto = match &new.projeto {
        ProjetoNomeado::Id(id) => id.to_string(),
        ProjetoNomeado::Nome(nome) => nome.to_lowercase(),
    };
    [
        organizacao.to_string(),
        projeto,
        new.work_item_id.to_string(),
        new.data.to_string(),
        new.duracao.to_string(),
        new.atividade.to_string(),
        part(new.comentario.as_ref()),
        part(new.usuario.id.as_ref()).to_lowercase(),
    ]
}

/// Returns `true` if the error means that the request cannot be carried out now. An earlier request with the
/// same key may nevertheless have succeeded.
fn may_be_replayed(error: &Error) -> bool {
    matches!(
        error,
        Error::Rule { .. }
            | Error::Conflict { .. }
            | Error::InvalidReference(_)
            | Error::NotFound(_)
            | Error::Forbidden(_)
            | Error::NotConfigured { .. }
            | Error::Upstream { .. }
            | Error::Shared(_)
    )
}
