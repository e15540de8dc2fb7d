//! Projects: listed as mirrored from Azure DevOps, found by whatever a caller calls them.
//!
//! Name, GUID in any spelling and our own key are one project (D-31). One that is not synchronised yet is
//! fetched when it is needed; what a name or GUID stood for is remembered for seconds, since every list and
//! every entry names a project.

use std::time::Duration;

use moka::future::Cache;
use uuid::Uuid;

use crate::auth::{CurrentUser, Membership};
use crate::azure_devops::Error as AzureError;
use crate::azure_devops::projects::AzureProject;
use crate::azure_devops::work_items::WorkItem;
use crate::db::{Db, DbError, Tx};
use crate::error::{Error, Result};
use crate::models::apontamento::ProjetoNomeado;
use crate::models::organizacao::{ChaveOrganizacao, Scope};
use crate::models::page::Page;
use crate::models::projeto::{Projeto, ProjetoUpstream};
use crate::models::text::trim;
use crate::repositories::projetos::Located;
use crate::repositories::{clock, projetos as repo};
use crate::tenants::Tenants;

/// How long a project that was renamed or moved still answers to what it was called.
const LOCATED_TTL: Duration = Duration::from_secs(10);
const MOST_LOCATED: u64 = 10_000;

/// Cache key: caller's scope, organisation, project reference.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CacheKey {
    scope: Scope,
    organizacao: ChaveOrganizacao,
    projeto: ProjetoNomeado,
}

/// Use cases of `projetos`.
#[derive(Debug, Clone)]
pub struct ProjetoService {
    db: Db,
    tenants: Tenants,
    /// Only what was found: one that is missing may be mirrored at any moment.
    located: Cache<CacheKey, Located>,
    /// GUIDs that Azure DevOps told for names, by organisation and name in lower case.
    guids: Cache<(ChaveOrganizacao, String), Uuid>,
}

impl ProjetoService {
    /// Works on `db`; what it lacks, Azure DevOps may have.
    #[must_use]
    pub fn new(db: Db, tenants: Tenants) -> Self {
        let located = Cache::builder()
            .max_capacity(MOST_LOCATED)
            .time_to_live(LOCATED_TTL);
        Self {
            db,
            tenants,
            located: located.build(),
            guids: Cache::builder()
                .max_capacity(MOST_LOCATED)
                .time_to_live(LOCATED_TTL)
                .build(),
        }
    }

    /// All projects of the caller's organisations, or a page of them, in name order.
    pub async fn list(&self, user: &CurrentUser, page: Option<Page>) -> Result<Vec<Projeto>> {
        let mut tx = self.db.begin_list(&user.scope()).await?;
        Ok(repo::list(&mut tx, page).await?)
    }

    /// The project of an organisation that a caller names, if it is mirrored here.
    pub(super) async fn find_mirrored(
        &self,
        user: &CurrentUser,
        organizacao: &ChaveOrganizacao,
        projeto: &ProjetoNomeado,
    ) -> Result<Option<Located>> {
        if let Some(found) = self.located.get(&cache_key(user, organizacao, projeto)).await {
            return Ok(Some(found));
        }
        let mut tx = self.db.begin_read(&user.scope()).await?;
        let found = self.locate(&mut tx, user, organizacao, projeto).await?;
        Ok(found)
    }

    /// Does the same within the caller's transaction.
    pub(super) async fn locate(
        &self,
        tx: &mut Tx,
        user: &CurrentUser,
        organizacao: &ChaveOrganizacao,
        projeto: &ProjetoNomeado,
    ) -> std::result::Result<Option<Located>, DbError> {
        let cache_key = cache_key(user, organizacao, projeto);
        if let Some(found) = self.located.get(&cache_key).await {
            return Ok(Some(found));
        }
        // Rows of older databases, which had only one organisation, are the default one's.
        let default = self.tenants.default_chave();
        let and_unassigned = default.is_none_or(|default| default == *organizacao);
        let found = match projeto {
            ProjetoNomeado::Id(id) => repo::locate_by_id(tx, organizacao, and_unassigned, *id).await?,
            ProjetoNomeado::Nome(nome) => repo::locate_by_name(tx, organizacao, and_unassigned, nome).await?,
        };
        if let Some(found) = &found {
            self.located.insert(cache_key, found.clone()).await;
        }
        Ok(found)
    }

    /// The same; one that is not mirrored yet is fetched from Azure DevOps.
    ///
    /// # Errors
    /// [`Error::InvalidReference`] when there is no such project.
    pub(super) async fn find_or_fetch(
        &self,
        user: &CurrentUser,
        organizacao: &ChaveOrganizacao,
        projeto: &ProjetoNomeado,
    ) -> Result<Located> {
        if let Some(found) = self.find_mirrored(user, organizacao, projeto).await? {
            return Ok(found);
        }
        self.fetch_missing(user, organizacao, projeto).await
    }

    /// One that was found not to be mirrored: fetched from Azure DevOps.
    ///
    /// # Errors
    /// [`Error::InvalidReference`] when there is no such project.
    pub(super) async fn fetch_missing(
        &self,
        user: &CurrentUser,
        organizacao: &ChaveOrganizacao,
        projeto: &ProjetoNomeado,
    ) -> Result<Located> {
        if let Some(membership) = user.membership_in(organizacao)
            && let Some(fetched) = fetch(membership, projeto).await?
        {
            self.mirror(organizacao, fetched).await?;
        }
        let found = self.find_mirrored(user, organizacao, projeto).await?;
        found.ok_or_else(|| unknown_projeto(projeto))
    }

    /// Gives a project of an older database, of which no organisation is known, the one that an entry is
    /// about to name.
    pub(super) async fn claim(&self, organizacao: &ChaveOrganizacao, projeto: &Located) -> Result<()> {
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        repo::claim(&mut tx, organizacao, projeto.id).await?;
        tx.commit().await?;
        self.invalidate();
        Ok(())
    }

    /// Returns `true` if a work item is in the project. The GUID decides; a name may have gone to another
    /// project since the mirror was last synchronised.
    pub(super) async fn is_in_project(
        &self,
        membership: &Membership,
        projeto: &Located,
        item: &WorkItem,
    ) -> Result<bool> {
        if self.guid_of(membership, item).await? != Some(projeto.external_id) {
            return Ok(false);
        }
        if projeto.nome.to_lowercase() != item.project.to_lowercase() {
            self.refresh(membership, projeto.external_id).await?;
        }
        Ok(true)
    }

    /// The project that a work item is in now, which is the one that a caller names: by its GUID, or by the
    /// name that it has now or had when it was last synchronised. `None` when the caller means another
    /// project.
    pub(super) async fn of_item(
        &self,
        user: &CurrentUser,
        membership: &Membership,
        reference: (&ProjetoNomeado, &Located),
        item: &WorkItem,
    ) -> Result<Option<Located>> {
        let (named, found) = reference;
        if self.is_in_project(membership, found, item).await? {
            return Ok(Some(found.clone()));
        }
        let same_name = |nome: &String| nome.to_lowercase() == item.project.to_lowercase();
        match (named, self.guid_of(membership, item).await?) {
            (ProjetoNomeado::Nome(nome), Some(guid)) if same_name(nome) => {
                // The name went from one project to another; the mirror learns of both.
                self.refresh(membership, guid).await?;
                let present = ProjetoNomeado::Id(guid);
                Ok(Some(
                    self.find_or_fetch(user, membership.chave(), &present).await?,
                ))
            }
            _ => Ok(None),
        }
    }

    /// GUID of the project that a work item is in: as its address tells it, else as Azure DevOps tells it for
    /// the name. `None` when there is no such project, or no credential to ask with.
    pub(super) async fn guid_of(&self, membership: &Membership, item: &WorkItem) -> Result<Option<Uuid>> {
        if let Some(guid) = item.project_id {
            return Ok(Some(guid));
        }
        let key = (membership.chave().clone(), item.project.to_lowercase());
        if let Some(guid) = self.guids.get(&key).await {
            return Ok(Some(guid));
        }
        let found = fetch(membership, &ProjetoNomeado::Nome(item.project.clone())).await?;
        let guid = found.map(|project| project.id);
        if let Some(guid) = guid {
            self.guids.insert(key, guid).await;
        }
        Ok(guid)
    }

    /// Mirrors what Azure DevOps says of a project now, and of others that are called so here.
    async fn refresh(&self, membership: &Membership, guid: Uuid) -> Result<()> {
        let Some(found) = fetch(membership, &ProjetoNomeado::Id(guid)).await? else {
            return Ok(());
        };
        let chave = membership.chave();
        let nome = trim(&found.name).to_owned();
        self.mirror(chave, found).await?;
        let mut tx = self.db.begin_read(&Scope::Maintenance).await?;
        let namesakes = repo::namesakes(&mut tx, chave, &nome, guid).await?;
        drop(tx);
        for namesake in namesakes {
            if let Some(found) = fetch(membership, &ProjetoNomeado::Id(namesake)).await? {
                self.mirror(chave, found).await?;
            }
        }
        Ok(())
    }

    async fn mirror(&self, organizacao: &ChaveOrganizacao, found: AzureProject) -> Result<()> {
        let upstream = ProjetoUpstream {
            external_id: found.id,
            nome: trim(&found.name).to_owned(),
            descricao: found.description,
            url: found.url,
            estado: found.state,
            organizacao: organizacao.clone(),
        };
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        let now = clock::now(&mut tx).await?;
        repo::upsert(&mut tx, &[upstream], now).await?;
        tx.commit().await?;
        self.invalidate();
        Ok(())
    }

    /// The mirror has changed: what projects are called is looked up again.
    pub(super) fn invalidate(&self) {
        self.located.invalidate_all();
        self.guids.invalidate_all();
    }
}

fn cache_key(user: &CurrentUser, organizacao: &ChaveOrganizacao, projeto: &ProjetoNomeado) -> CacheKey {
    CacheKey {
        scope: user.scope(),
        organizacao: organizacao.clone(),
        projeto: projeto.clone(),
    }
}

/// A project as Azure DevOps tells it to the caller; `None` when there is none, or no credential to ask with.
async fn fetch(membership: &Membership, projeto: &ProjetoNomeado) -> Result<Option<AzureProject>> {
    let Ok(credential) = membership.credential() else {
        return Ok(None);
    };
    let text = match projeto {
        ProjetoNomeado::Id(id) => id.to_string(),
        ProjetoNomeado::Nome(nome) => nome.clone(),
    };
    let organizacao = membership.organizacao();
    let mut answer = organizacao.project(credential, &text).await;
    // Theirs, but without the scope for projects.
    if let (Err(AzureError::InvalidCredential { .. }), Some(pat)) = (&answer, membership.pat()) {
        answer = organizacao.project(pat, &text).await;
    }
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(AzureError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a caller learns about a project that is not there.
#[must_use]
pub fn unknown_projeto(projeto: &ProjetoNomeado) -> Error {
    let text = match projeto {
        ProjetoNomeado::Id(id) => id.to_string(),
        ProjetoNomeado::Nome(nome) => nome.clone(),
    };
    Error::InvalidReference(format!("Projeto não encontrado: {text}"))
}
