//! Activities: created, changed and deleted by callers; linked to at least one project.
//!
//! Rules: projects are named by our key or by the Azure DevOps GUID and must exist; a change of the set of
//! projects counts as a change of the activity; an activity in use cannot be deleted. Callers see activities
//! that have a visible project, and activities without any project. They change only activities that no other
//! organisation shares.

use std::collections::{BTreeSet, HashMap};

use serde_json::json;
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::db::{Db, DbError, Tx};
use crate::error::{Code, Error, OnConstraint, Result};
use crate::models::atividade::{Atividade, AtividadeChanges, AtividadeFilter, Atividades, NewAtividade};
use crate::models::auditoria::NewRegistro;
use crate::models::idempotencia::{Chave, NewObjeto};
use crate::models::ids::{AtividadeId, ProjetoId};
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::page::{AtividadePosition, KeysetPage};
use crate::models::papel::Papel;
use crate::models::precondition::Precondition;
use crate::models::projeto::ProjetoRef;
use crate::repositories::{atividades as repo, auditoria, projetos};
use crate::services::auditoria::actor;
use crate::services::idempotency::{Created, IdempotentRequest, deleted, part};

/// Use cases of `atividades`.
#[derive(Debug, Clone)]
pub struct AtividadeService {
    db: Db,
    /// Role required for writing.
    write_role: Papel,
}

/// Projects, each with the id of its activity.
type Links = Vec<(AtividadeId, ProjetoRef)>;
impl AtividadeService {
    /// Creates the service on `db`; writing requires `write_role`.
    #[must_use]
    pub fn new(db: Db, write_role: Papel) -> Self {
        Self { db, write_role }
    }

    /// Returns a page of the matching activities that the caller may see, in name order.
    pub async fn list(
        &self,
        user: &CurrentUser,
        filter: AtividadeFilter,
        page: &KeysetPage<AtividadePosition>,
    ) -> Result<Atividades> {
        let mut tx = self.db.begin_list(&user.scope()).await?;
        let (mut found, links) = read(&mut tx, filter, page).await?;
        drop(tx);
        // The connection is released before the page is assembled.
        attach(&mut found.items, links);
        Ok(found)
    }

    /// Creates an activity, or returns the one that an earlier request with the same key created.
    ///
    /// # Errors
    /// [`Error::InvalidReference`] if a project does not exist.
    pub async fn create(
        &self,
        user: &CurrentUser,
        new: NewAtividade,
        chave: Option<&Chave>,
    ) -> Result<Created<Atividade>> {
        user.require(self.write_role)?;
        let mut tx = self.db.begin(&user.scope()).await?;
        let projetos = existing_projetos(&mut tx, user, &new.projetos).await?;
        let owner = match chave {
            Some(chave) => {
                let organizacao = key_organizacao(&mut tx, user, &projetos).await?;
                Some((user.pessoa_in(&organizacao).id, organizacao, chave))
            }
            None => None,
        };
        let idempotent = owner.as_ref().map(|(usuario, organizacao, chave)| {
            IdempotentRequest::new(organizacao, usuario, chave, &content(&new, &projetos))
        });
        if let Some(idempotent) = &idempotent
            && let Some(id) = idempotent.acquire(&mut tx).await?
        {
            let earlier = repo::find(&mut tx, AtividadeId(id)).await?;
            return Ok(Created::earlier(
                earlier.ok_or_else(|| deleted(Code::ObjetoExcluido))?,
            ));
        }
        let id = AtividadeId::generate();
        repo::insert(&mut tx, id, &new).await?;
        link(&mut tx, id, &projetos, &new.projetos).await?;
        let created = repo::find(&mut tx, id).await?.ok_or_else(|| not_found(id))?;
        let audited = AuditedAtividade::load(&mut tx, created).await?;
        self.check_writer(user, &audited)?;
        record(&mut tx, user, "criar", id, None, Some(&audited)).await?;
        if let Some(idempotent) = &idempotent {
            idempotent.store(&mut tx, NewObjeto::Atividade(id)).await?;
        }
        tx.commit().await?;
        Ok(Created::now(audited.atividade))
    }

    /// Returns one activity.
    pub async fn get(&self, user: &CurrentUser, id: AtividadeId) -> Result<Atividade> {
        let mut tx = self.db.begin_read(&user.scope()).await?;
        let found = repo::find(&mut tx, id).await?;
        found.ok_or_else(|| user.unless_undecided(not_found(id)))
    }

    /// Applies changes to the expected version. A missing activity is reported before missing projects.
    pub async fn update(
        &self,
        user: &CurrentUser,
        id: AtividadeId,
        changes: AtividadeChanges,
        expected: &Precondition,
    ) -> Result<Atividade> {
        user.require(self.write_role)?;
        let mut tx = self.db.begin(&user.scope()).await?;
        let before = lock_own(&mut tx, user, id, expected).await?;
        let before = AuditedAtividade::load(&mut tx, before).await?;
        self.check_writer(user, &before)?;
        if changes.touch_columns() {
            repo::update(&mut tx, id, &changes).await?;
        }
        if let Some(asked) = &changes.projetos {
            let projetos = existing_projetos(&mut tx, user, asked).await?;
            if repo::linked_projetos(&mut tx, id).await? != projetos {
                repo::unlink_projetos(&mut tx, id).await?;
                link(&mut tx, id, &projetos, asked).await?;
                repo::touch(&mut tx, id).await?;
            }
        }
        let updated = repo::find(&mut tx, id).await?.ok_or_else(|| not_found(id))?;
        let after = AuditedAtividade::load(&mut tx, updated).await?;
        self.check_writer(user, &after)?;
        if after.atividade != before.atividade {
            record(&mut tx, user, "alterar", id, Some(&before), Some(&after)).await?;
        }
        tx.commit().await?;
        Ok(after.atividade)
    }

    /// Deletes an activity. Returns [`Error::Conflict`] while another row refers to the activity (D-23).
    pub async fn delete(&self, user: &CurrentUser, id: AtividadeId, expected: &Precondition) -> Result<()> {
        user.require(self.write_role)?;
        let mut tx = self.db.begin(&user.scope()).await?;
        let before = lock_own(&mut tx, user, id, expected).await?;
        let before = AuditedAtividade::load(&mut tx, before).await?;
        self.check_writer(user, &before)?;
        repo::delete(&mut tx, id).await.on_foreign_key(|| in_use(id))?;
        record(&mut tx, user, "excluir", id, Some(&before), None).await?;
        tx.commit().await?;
        Ok(())
    }
}

impl AtividadeService {
    /// Checks that the caller may write the activity. Where writing is reserved for administrators, an
    /// administrator of some organisations may write only activities whose projects all belong to these
    /// organisations.
    fn check_writer(&self, user: &CurrentUser, audited: &AuditedAtividade) -> Result<()> {
        let administered =
            |of: &Option<ChaveOrganizacao>| of.as_ref().is_some_and(|chave| user.administers(chave));
        let own = !audited.projetos.is_empty() && audited.projetos.iter().all(|(_, of)| administered(of));
        if self.write_role == Papel::Membro || user.administers_everything() || own {
            return Ok(());
        }
        let refused = "Somente administradores de todas as organizações da atividade podem fazer isto";
        Err(user.unless_administrator(None, Error::Forbidden(refused.to_owned())))
    }
}

/// Locks an activity against other writers and returns its current state. Fails if another organisation
/// shares the activity, or if it does not have the version that is expected.
async fn lock_own(
    tx: &mut Tx,
    user: &CurrentUser,
    id: AtividadeId,
    expected: &Precondition,
) -> Result<Atividade> {
    let hidden = || user.unless_undecided(not_found(id));
    // The lock serialises concurrent replacements of the set of projects.
    if !repo::lock(tx, id).await? {
        return Err(hidden());
    }
    let found = repo::find(tx, id).await?.ok_or_else(hidden)?;
    if repo::has_foreign_projetos(tx, id).await? {
        let detail = "A atividade também pertence a projetos de outra organização";
        return Err(user.unless_undecided(Error::Forbidden(detail.to_owned())));
    }
    if !expected.allows(found.atualizado_em) {
        return Err(Error::Stale);
    }
    Ok(found)
}

/// An activity and the organisations of its projects, for the audit trail.
struct AuditedAtividade {
    atividade: Atividade,
    projetos: Vec<(ProjetoId, Option<ChaveOrganizacao>)>,
}

impl AuditedAtividade {
    async fn load(tx: &mut Tx, atividade: Atividade) -> Result<Self> {
        let projetos = repo::organizacoes_of(tx, atividade.id).await?;
        Ok(Self { atividade, projetos })
    }

    /// Returns the snapshot for one organisation, which contains only the projects of that organisation.
    fn snapshot(&self, organizacao: Option<&ChaveOrganizacao>) -> String {
        let own = self.projetos.iter().filter(|(_, of)| of.as_ref() == organizacao);
        let projetos: Vec<ProjetoId> = own.map(|(id, _)| *id).collect();
        json!({
            "nome": self.atividade.nome, "descricao": self.atividade.descricao, "ativo": self.atividade.ativo,
            "projetos": projetos
        })
        .to_string()
    }
}

/// Writes a change to the audit trail: one entry per organisation concerned, or one without an organisation
/// if none is concerned.
async fn record(
    tx: &mut Tx,
    user: &CurrentUser,
    acao: &'static str,
    id: AtividadeId,
    antes: Option<&AuditedAtividade>,
    depois: Option<&AuditedAtividade>,
) -> Result<()> {
    let both = [antes, depois];
    let mut concerned: BTreeSet<Option<&ChaveOrganizacao>> = both
        .iter()
        .flatten()
        .flat_map(|audited| &audited.projetos)
        .map(|(_, of)| of.as_ref())
        .collect();
    if concerned.is_empty() {
        concerned.insert(None);
    }
    for organizacao in concerned {
        let new = NewRegistro {
            actor: &actor(user),
            organizacao,
            acao,
            objeto_tipo: "atividade",
            objeto_id: Some(id.to_string()),
            antes: antes.map(|audited| audited.snapshot(organizacao)),
            depois: depois.map(|audited| audited.snapshot(organizacao)),
        };
        auditoria::insert(tx, &new).await?;
    }
    Ok(())
}

/// Returns the error for the deletion of an activity that is in use.
#[must_use]
pub fn in_use(id: AtividadeId) -> Error {
    Error::Conflict {
        code: Code::AtividadeEmUso,
        detail: format!("Atividade com ID {id} está em uso e não pode ser excluída; desative-a"),
    }
}

/// Returns the error for an activity that does not exist or is hidden from the caller.
#[must_use]
pub fn not_found(id: AtividadeId) -> Error {
    Error::NotFound(format!("Atividade com ID {id} não encontrada"))
}

/// Reads a page of activities without their projects, and the links to these projects.
async fn read(
    tx: &mut Tx,
    filter: AtividadeFilter,
    page: &KeysetPage<AtividadePosition>,
) -> std::result::Result<(Atividades, Links), DbError> {
    let mut found = repo::list(tx, filter, page).await?;
    if found.items.is_empty() {
        // A page beyond the last one has no row that carries the total; the first page has one, if any
        // activity matches.
        if let Some(first) = page.for_totals(true) {
            found.total = repo::list(tx, filter, &first).await?.total;
        }
        return Ok((found, Vec::new()));
    }
    let ids: Vec<AtividadeId> = found.items.iter().map(|a| a.id).collect();
    let links = repo::projetos_of(tx, &ids).await?;
    Ok((found, links))
}

/// Adds its projects to each activity, in the order of `links`.
fn attach(atividades: &mut [Atividade], links: Links) {
    let places: HashMap<AtividadeId, usize> = atividades.iter().enumerate().map(|(n, a)| (a.id, n)).collect();
    for (id, projeto) in links {
        if let Some(atividade) = places.get(&id).and_then(|n| atividades.get_mut(*n)) {
            atividade.projetos.push(projeto);
        }
    }
}

/// Returns the organisation in which an idempotency key is unique: that of the first project, which is the
/// same in every repetition of the request; for a project without one, the caller's default organisation.
async fn key_organizacao(
    tx: &mut Tx,
    user: &CurrentUser,
    projetos: &[ProjetoId],
) -> Result<ChaveOrganizacao> {
    if let Some(first) = projetos.first()
        && let Some(organizacao) = projetos::organizacao_of(tx, *first).await?
    {
        return Ok(organizacao);
    }
    if user.is_mock() {
        return Ok(ChaveOrganizacao::default());
    }
    Ok(user.default_membership()?.chave().clone())
}

/// Returns the content of a request.
fn content(new: &NewAtividade, projetos: &[ProjetoId]) -> [String; 5] {
    let projetos: Vec<String> = projetos.iter().map(ToString::to_string).collect();
    [
        "atividade".to_owned(),
        new.nome.as_str().to_owned(),
        part(new.descricao.as_ref()),
        new.ativo.to_string(),
        projetos.join(","),
    ]
}

/// Returns the projects that `asked` names, each once, in the order of `asked`. Fails if one of them is
/// missing.
async fn existing_projetos(tx: &mut Tx, user: &CurrentUser, asked: &[Uuid]) -> Result<Vec<ProjetoId>> {
    let resolved = projetos::resolve(tx, asked).await?;
    let missing: Vec<Uuid> = resolved
        .iter()
        .filter(|r| r.projeto.is_none())
        .map(|r| r.asked)
        .collect();
    if !missing.is_empty() {
        return Err(user.unless_undecided(unknown_projetos(&missing)));
    }
    let mut found = Vec::with_capacity(resolved.len());
    for projeto in resolved.into_iter().filter_map(|r| r.projeto) {
        if !found.contains(&projeto) {
            found.push(projeto);
        }
    }
    Ok(found)
}

/// Links an activity to projects. A project that was deleted since it was resolved is reported as unknown.
async fn link(tx: &mut Tx, id: AtividadeId, projetos: &[ProjetoId], asked: &[Uuid]) -> Result<()> {
    repo::link_projetos(tx, id, projetos)
        .await
        .on_constraint(repo::PROJETO_FK, || unknown_projetos(asked))
}

/// Returns the error for projects that do not exist or are hidden from the caller.
#[must_use]
pub fn unknown_projetos(ids: &[Uuid]) -> Error {
    let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    Error::InvalidReference(format!("Projetos não encontrados: {}", ids.join(", ")))
}
