//! Lists and sums of time entries, and the hours stored in Azure DevOps. No function here changes an entry.

use uuid::Uuid;

use super::{ApontamentoService, people};
use crate::auth::{CurrentUser, membership_of};
use crate::db::{DbError, Tx};
use crate::error::{Error, Result};
use crate::models::apontamento::{
    ApontamentoFilter, Apontamentos, DoWorkItem, ProjetoNomeado, ResumoWorkItem,
};
use crate::models::organizacao::{ChaveOrganizacao, Scope};
use crate::models::work_item::Scheduling;
use crate::repositories::apontamentos::lists::{self, EntryPage, OfPeople};
use crate::repositories::{outbox, projetos};

impl ApontamentoService {
    /// Returns a page of a work item's entries of all people, the newest day first. The page of an unknown
    /// project is empty.
    pub async fn list_of_work_item(
        &self,
        user: &CurrentUser,
        of: &DoWorkItem,
        page: &EntryPage,
    ) -> Result<Apontamentos> {
        let organizacao = &user.may_see(&of.organizacao)?;
        let projetos = &self.projetos;
        let list = || async move {
            let mut tx = self.db.begin_list(&user.scope()).await?;
            let id = of.work_item_id;
            let Some(projeto) = projetos.locate(&mut tx, user, organizacao, &of.projeto).await? else {
                return Ok(Apontamentos::none());
            };
            let mut found = lists::page_of_work_item(&mut tx, organizacao, id, projeto.id, page).await?;
            if let Some(first) = page.for_totals(found.items.is_empty()) {
                let all = lists::page_of_work_item(&mut tx, organizacao, id, projeto.id, &first).await?;
                (found.count, found.total) = (all.count, all.total);
            }
            Ok::<_, DbError>(found)
        };
        let found = list().await?;
        if found.count > 0 || !self.find_moved(user, organizacao, of).await? {
            return Ok(found);
        }
        Ok(list().await?)
    }

    /// Returns the summary of a work item's hours; zeros without entries.
    pub async fn resumo(&self, user: &CurrentUser, of: &DoWorkItem) -> Result<ResumoWorkItem> {
        let organizacao = &user.may_see(&of.organizacao)?;
        let projetos = &self.projetos;
        let resumo = || async move {
            let mut tx = self.db.begin_list(&user.scope()).await?;
            let id = of.work_item_id;
            let Some(projeto) = projetos.locate(&mut tx, user, organizacao, &of.projeto).await? else {
                return Ok(ResumoWorkItem::empty(id));
            };
            lists::resumo(&mut tx, organizacao, id, projeto.id).await
        };
        let found = resumo().await?;
        if found.count > 0 || !self.find_moved(user, organizacao, of).await? {
            return Ok(found);
        }
        Ok(resumo().await?)
    }

    /// Checks whether a work item with hours logged on another project is now in the project that the caller
    /// names. Records the new project and returns `true` if so. Azure DevOps is called at most once every 20
    /// seconds.
    async fn find_moved(
        &self,
        user: &CurrentUser,
        organizacao: &ChaveOrganizacao,
        of: &DoWorkItem,
    ) -> Result<bool> {
        let Some(membership) = user.membership_in(organizacao) else {
            return Ok(false);
        };
        let mut tx = self.db.begin_read(&user.scope()).await?;
        let elsewhere = lists::has_entries(&mut tx, organizacao, of.work_item_id).await?;
        drop(tx);
        if !elsewhere || membership.credential().is_err() {
            return Ok(false);
        }
        let items = self
            .work_items
            .read_many_fresh(membership, &[of.work_item_id])
            .await?;
        let Some(item) = items.first() else {
            return Ok(false);
        };
        let found = self.projetos.find_or_fetch(user, organizacao, &of.projeto).await;
        let named = match found {
            Ok(named) => named,
            Err(Error::InvalidReference(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let Some(present) = self
            .projetos
            .of_item(user, membership, (&of.projeto, &named), item)
            .await?
        else {
            return Ok(false);
        };
        if present.unassigned {
            self.projetos.claim(organizacao, &present).await?;
        }
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        outbox::set_projeto(&mut tx, organizacao, item.id, present.id).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Returns the hours of a work item as Azure DevOps stores them now. A failure is returned as an error,
    /// never as zeros (D-28).
    pub async fn azure_info(&self, user: &CurrentUser, of: &DoWorkItem) -> Result<Scheduling> {
        let membership = membership_of(user, &of.organizacao)?;
        let projeto = self
            .projetos
            .find_or_fetch(user, membership.chave(), &of.projeto)
            .await?;
        let item = self.work_items.read(membership, of.work_item_id).await?;
        self.rules.check_project(membership, &projeto, &item).await?;
        Ok(item.scheduling)
    }

    /// Returns a page of the caller's entries, or for administrators of the entries of another person or of
    /// all people, ordered by day.
    pub async fn list(
        &self,
        user: &CurrentUser,
        filter: &ApontamentoFilter,
        page: &EntryPage,
    ) -> Result<Apontamentos> {
        let nome = filter.organizacao.as_ref();
        let organizacao = nome.map(|nome| user.may_see(nome)).transpose()?;
        let (usuarios, scope) = people::owners_and_scope(user, filter, organizacao.as_ref())?;
        let organizacao = organizacao.as_ref().map(ChaveOrganizacao::as_str);
        let mut tx = self.db.begin_list(&scope).await?;
        let projetos = match &filter.projeto {
            Some(projeto) => Some(ids_of(&mut tx, projeto).await?),
            None => None,
        };
        let of = OfPeople {
            usuarios: usuarios.as_deref(),
            desde: filter.desde,
            ate: filter.ate,
            organizacao,
            work_item_id: filter.work_item_id,
            projetos: projetos.as_deref(),
            atividade: filter.atividade,
            oldest_first: filter.oldest_first,
        };
        let mut found = lists::page_of_people(&mut tx, &of, page).await?;
        if let Some(first) = page.for_totals(found.items.is_empty()) {
            let all = lists::page_of_people(&mut tx, &of, &first).await?;
            (found.count, found.total) = (all.count, all.total);
        }
        Ok(found)
    }
}

/// Returns the ids of all projects that `projeto` names: several projects may share a name.
async fn ids_of(tx: &mut Tx, projeto: &ProjetoNomeado) -> std::result::Result<Vec<Uuid>, DbError> {
    match projeto {
        ProjetoNomeado::Id(id) => {
            let resolved = projetos::resolve(tx, &[*id]).await?;
            let found = resolved.into_iter().filter_map(|found| found.projeto);
            Ok(found.map(|id| id.0).collect())
        }
        ProjetoNomeado::Nome(nome) => projetos::ids_by_name(tx, nome).await,
    }
}
