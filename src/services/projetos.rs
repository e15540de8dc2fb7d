//! Projects: listed as mirrored from Azure DevOps, and found by any identifier that a caller uses.
//!
//! Name, GUID in any spelling and our own key identify the same project (D-31). A project that is not
//! synchronised yet is fetched on demand. Lookups of names and GUIDs are cached for seconds, since every list
//! and every entry names a project.

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
use crate::models::page::{Page, Paged};
use crate::models::projeto::{Projeto, ProjetoUpstream};
use crate::repositories::projetos::Located;
use crate::repositories::{clock, projetos as repo};
use crate::tenants::Tenants;

/// Lifetime of a cached lookup, during which a renamed or moved project is still found by its previous name.
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
    /// Projects that were found. A missing project is not cached: it may be mirrored at any moment.
    located: Cache<CacheKey, Located>,
    /// GUIDs that Azure DevOps returned for names, by organisation and name in lower case.
    guids: Cache<(ChaveOrganizacao, String), Uuid>,
}

impl ProjetoService {
    /// Creates the service on `db`; projects that are missing there are fetched from Azure DevOps.
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

    /// Returns all projects of the caller's organisations, or a page of them, in name order.
    pub async fn list(&self, user: &CurrentUser, page: Option<Page>) -> Result<Paged<Projeto>> {
        let mut tx = self.db.begin_list(&user.scope()).await?;
        let items = repo::list(&mut tx, page).await?;
        let total = match page {
            Some(_) => repo::count(&mut tx).await?,
            None => i64::try_from(items.len()).unwrap_or(i64::MAX),
        };
        Ok(Paged { items, total })
    }

    /// Returns the project of an organisation that a caller names, if it is mirrored here.
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

    /// Does the same as `find_mirrored` within the caller's transaction.
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
        // Rows of older databases, which had only one organisation, belong to the default organisation.
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

    /// Returns the project that a caller names. A project that is not mirrored yet is fetched from Azure
    /// DevOps.
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

    /// Fetches a project that is not mirrored from Azure DevOps, mirrors it and returns it.
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

    /// Assigns a project of an older database, whose organisation is unknown, to the organisation of the
    /// entry that is about to name the project.
    pub(super) async fn claim(&self, organizacao: &ChaveOrganizacao, projeto: &Located) -> Result<()> {
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        repo::claim(&mut tx, organizacao, projeto.id).await?;
        tx.commit().await?;
        self.invalidate();
        Ok(())
    }

    /// Returns `true` if a work item is in the project. The GUID decides: a name may have passed to another
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

    /// Returns the present project of a work item if the caller names that project: by its GUID, or by the
    /// name that it has now or had when it was last synchronised. Returns `None` if the caller means another
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
                // The name passed from one project to another; both are mirrored anew.
                self.refresh(membership, guid).await?;
                let present = ProjetoNomeado::Id(guid);
                Ok(Some(
                    self.find_or_fetch(user, membership.chave(), &present).await?,
                ))
            }
            _ => Ok(None),
        }
    }

    /// Returns the GUID of the project of a work item: from the work item's address, or else from Azure
    /// DevOps by the name of the project. Returns `None` if there is no such project, or no credential for
    /// the call.
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

    /// Mirrors the present state of a project, and of other projects that have the same name here.
    async fn refresh(&self, membership: &Membership, guid: Uuid) -> Result<()> {
        let Some(found) = fetch(membership, &ProjetoNomeado::Id(guid)).await? else {
            return Ok(());
        };
        let chave = membership.chave();
        let nome = found.name.clone();
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
        let Some(upstream) = row(&found, organizacao) else {
            return Ok(());
        };
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        let now = clock::now(&mut tx).await?;
        repo::upsert(&mut tx, &[upstream], now).await?;
        tx.commit().await?;
        self.invalidate();
        Ok(())
    }

    /// Clears the cached lookups after a change of the mirror.
    pub(super) fn invalidate(&self) {
        self.located.invalidate_all();
        self.guids.invalidate_all();
    }
}

/// Returns the row of a project. Returns `None` if its name is blank.
pub(super) fn row(found: &AzureProject, organizacao: &ChaveOrganizacao) -> Option<ProjetoUpstream> {
    (!found.name.is_empty()).then(|| ProjetoUpstream {
        external_id: found.id,
        nome: found.name.clone(),
        descricao: found.description.clone(),
        url: found.url.clone(),
        estado: found.state.clone(),
        organizacao: organizacao.clone(),
    })
}

fn cache_key(user: &CurrentUser, organizacao: &ChaveOrganizacao, projeto: &ProjetoNomeado) -> CacheKey {
    CacheKey {
        scope: user.scope(),
        organizacao: organizacao.clone(),
        projeto: projeto.clone(),
    }
}

/// Returns a project as Azure DevOps returns it to the caller; `None` if there is none, or no credential for
/// the call.
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
    // The credential is the caller's, but lacks the scope for projects.
    if let (Err(AzureError::InvalidCredential { .. }), Some(pat)) = (&answer, membership.pat()) {
        answer = organizacao.project(pat, &text).await;
    }
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(AzureError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the error for a project that does not exist or is hidden from the caller.
#[must_use]
pub fn unknown_projeto(projeto: &ProjetoNomeado) -> Error {
    let text = match projeto {
        ProjetoNomeado::Id(id) => id.to_string(),
        ProjetoNomeado::Nome(nome) => nome.clone(),
    };
    Error::InvalidReference(format!("Projeto não encontrado: {text}"))
}
