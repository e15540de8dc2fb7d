//! The weekly timesheet: the caller's own hours on the work items of a project (D-05).
//!
//! A sheet shows the work items of an iteration or of a query, and in any case those with entries in the
//! week. Categories come from the process, never from the names of states.

pub mod assemble;
mod avisos;
mod categorias;
mod process_states;
mod selection;
mod wiql;

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::auth::{CurrentUser, membership_of};
use crate::azure_devops::work_items::{Revisions, WorkItem};
use crate::config::ApontamentosConfig;
use crate::db::Db;
use crate::error::Result;
use crate::models::apontamento::ProjetoNomeado;
use crate::models::clock::Clock;
use crate::models::organizacao::NomeOrganizacao;
use crate::models::timesheet::{Folha, Item, Semana};
use crate::models::work_item::{Categoria, LoggableTypes};
use crate::repositories::apontamentos::lists;
use crate::services::projetos::ProjetoService;
use crate::services::upstream::too_many;
use crate::services::work_items::WorkItemService;
use categorias::{CategoriaLookup, Categorias, ProjectMatcher};

/// Maximum number of work items on a sheet.
const MOST_ITEMS: usize = 4_000;

/// Use cases of `timesheet`.
#[derive(Debug, Clone)]
pub struct TimesheetService {
    db: Db,
    clock: Clock,
    types: LoggableTypes,
    projetos: ProjetoService,
    work_items: WorkItemService,
}

/// Parameters of a sheet.
#[derive(Debug, Clone)]
pub struct FolhaPedida {
    /// Organisation.
    pub organizacao: NomeOrganizacao,
    /// Project.
    pub projeto: ProjetoNomeado,
    /// The week; the current one if absent.
    pub semana: Option<Semana>,
    /// Only work items of this iteration.
    pub iteration: Option<Uuid>,
    /// Only work items of this team.
    pub team: Option<String>,
    /// `true` if only the caller's work items are shown.
    pub only_mine: bool,
}

/// State of a work item, and the changes that it allows.
#[derive(Debug)]
pub struct Estado {
    /// Id of the work item.
    pub work_item_id: i32,
    /// Name of the state.
    pub state: String,
    /// Category of the state.
    pub categoria: Categoria,
    /// `true` if hours can be logged.
    pub pode_editar: bool,
    /// `true` if entries can be deleted.
    pub pode_excluir: bool,
}

impl TimesheetService {
    /// Creates the service on `db` and Azure DevOps.
    #[must_use]
    pub fn new(
        db: Db,
        config: &ApontamentosConfig,
        projetos: ProjetoService,
        work_items: WorkItemService,
    ) -> Self {
        Self {
            db,
            clock: Clock::new(config.timezone),
            types: LoggableTypes::new(&config.work_item_types),
            projetos,
            work_items,
        }
    }

    /// Returns the sheet of a week.
    ///
    /// # Errors
    /// When Azure DevOps gives no usable answer: an incomplete sheet would look complete (D-27).
    pub async fn folha(&self, user: &CurrentUser, pedida: &FolhaPedida) -> Result<Folha> {
        let organizacao = &user.may_see(&pedida.organizacao)?;
        let hoje = self.clock.today();
        let semana = pedida.semana.unwrap_or_else(|| Semana::of(hoje));
        let projeto = self
            .projetos
            .find_or_fetch(user, organizacao, &pedida.projeto)
            .await?;
        let (ids, projeto_id) = (&user.ids(), projeto.id);
        let mut tx = self.db.begin_list(&user.scope()).await?;
        let lancamentos = lists::of_week(&mut tx, organizacao, ids, projeto_id, semana).await?;
        drop(tx);
        let membership = membership_of(user, &pedida.organizacao)?;
        let project = projeto.external_id.to_string();
        let types = self.work_items.types(membership, &project).await?;
        let selected = self
            .selected(user, membership, pedida, &project, &types, semana)
            .await?;
        let mut ids = selected.ids.clone();
        ids.extend(lancamentos.iter().map(|entry| entry.work_item_id));
        ids.sort_unstable();
        ids.dedup();
        if ids.len() > MOST_ITEMS {
            return Err(too_many());
        }
        let mut read = self.work_items.read_many(membership, &ids).await?;
        if let Some(caller) = &selected.caller {
            let logged: Vec<i32> = lancamentos.iter().map(|entry| entry.work_item_id).collect();
            selection::retain_of_caller(&mut read, caller, &logged);
        }
        let mut categorias = Categorias::new(self, membership, &projeto, &types);
        let mut icons: HashMap<String, Arc<str>> = HashMap::new();
        let mut items = Vec::with_capacity(read.len());
        for item in read {
            let icon = if let Some(icon) = icons.get(&item.tipo) {
                Arc::clone(icon)
            } else {
                let nome = membership.organizacao().nome();
                let icon = self.work_items.known_icon(nome, &types, &item.tipo).await;
                icons.insert(item.tipo.clone(), Arc::clone(&icon));
                icon
            };
            let categoria = categorias.of(&item).await?;
            let here = categorias.is_in_project(&item).await?;
            items.push(self.item(item, categoria, here, icon));
        }
        let mut folha = assemble::assemble(semana, hoje, items, lancamentos);
        folha.avisos = selected.avisos;
        folha.avisos.extend(avisos::stale());
        folha
            .avisos
            .extend(avisos::unknown_states(categorias.not_in_process()));
        folha
            .avisos
            .extend(avisos::absent_fields(membership.organizacao()));
        Ok(folha)
    }

    fn item(&self, item: WorkItem, lookup: CategoriaLookup, here: bool, icon: Arc<str>) -> Item {
        Item {
            // Hours can be logged only on work items of the project that is named.
            pode_editar: here && self.may_log(lookup, &item.tipo),
            pode_excluir: lookup.may_delete(),
            id: item.id,
            title: item.title,
            tipo: item.tipo,
            state: item.state,
            categoria: lookup.or_in_progress(),
            icon,
            assigned_to: item.assigned_to.map(|person| person.nome),
            scheduling: item.scheduling,
            parent: item.parent,
        }
    }

    /// Returns `true` if hours can be logged, in agreement with `POST /apontamentos` (D-36).
    fn may_log(&self, lookup: CategoriaLookup, tipo: &str) -> bool {
        self.types.has(tipo) && matches!(lookup, CategoriaLookup::Known(categoria) if categoria.is_open())
    }

    /// Returns the changes that are allowed on a work item of a project.
    pub async fn estado(
        &self,
        user: &CurrentUser,
        organizacao: &NomeOrganizacao,
        projeto: &ProjetoNomeado,
        id: i32,
    ) -> Result<Estado> {
        let membership = membership_of(user, organizacao)?;
        let item = self
            .work_items
            .in_project(user, membership, &self.projetos, projeto, id)
            .await?;
        let credential = membership.service_credential()?;
        let upstream = membership.organizacao();
        let known = self
            .work_items
            .categoria_for_display(upstream, credential, &item.project, &item)
            .await?;
        let lookup = CategoriaLookup::from(known);
        Ok(Estado {
            work_item_id: item.id,
            pode_editar: self.may_log(lookup, &item.tipo),
            pode_excluir: lookup.may_delete(),
            state: item.state,
            categoria: lookup.or_in_progress(),
        })
    }

    /// Returns the first 12,000 revisions of a work item of a project, the oldest first.
    pub async fn revisions(
        &self,
        user: &CurrentUser,
        organizacao: &NomeOrganizacao,
        projeto: &ProjetoNomeado,
        id: i32,
    ) -> Result<Revisions> {
        let membership = membership_of(user, organizacao)?;
        self.work_items
            .in_project(user, membership, &self.projetos, projeto, id)
            .await?;
        self.work_items.revisions(membership, id).await
    }

    /// Returns those of `ids` that are work items of the project: at most 20 s old, or stale.
    pub async fn current(
        &self,
        user: &CurrentUser,
        organizacao: &NomeOrganizacao,
        projeto: &ProjetoNomeado,
        ids: &[i32],
    ) -> Result<Vec<WorkItem>> {
        let membership = membership_of(user, organizacao)?;
        let chave = membership.chave();
        let located = self.projetos.find_or_fetch(user, chave, projeto).await?;
        let mut matcher = ProjectMatcher::new(self, membership, &located);
        let mut found = Vec::with_capacity(ids.len());
        for item in self.work_items.read_many(membership, ids).await? {
            if matcher.is_in_project(&item).await? {
                found.push(item);
            }
        }
        Ok(found)
    }
}
