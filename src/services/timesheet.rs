//! The weekly timesheet: the caller's own hours on the work items of a project (D-05).
//!
//! Which work items: those of an iteration, or what a query finds; and those with entries in the week, whatever the query brought.
//! Categories come from the process, never from names of states.

pub mod assemble;
mod selection;

use std::collections::HashMap;
use std::sync::Arc;

use crate::auth::{CurrentUser, Membership};
use crate::azure_devops::Error as AzureError;
use crate::azure_devops::work_items::{Revision, WorkItem};
use crate::clock::Clock;
use crate::config::ApontamentosConfig;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::models::apontamento::ProjetoNomeado;
use crate::models::organizacao::NomeOrganizacao;
use crate::models::timesheet::{Folha, Item, Semana};
use crate::models::work_item::Categoria;
use crate::repositories::apontamentos as repo;
use crate::services::integracao::membership_of;
use crate::services::projetos::ProjetoService;
use crate::services::work_items::{Types, WorkItemService, for_caller, missing_is};

/// Use cases of `timesheet`.
#[derive(Debug, Clone)]
pub struct TimesheetService {
    db: Db,
    clock: Clock,
    types: Vec<String>,
    projetos: ProjetoService,
    work_items: WorkItemService,
}

/// Which sheet.
#[derive(Debug, Clone)]
pub struct FolhaPedida {
    /// Organisation.
    pub organizacao: NomeOrganizacao,
    /// Project.
    pub projeto: ProjetoNomeado,
    /// Any day of the week; today when absent.
    pub day: Option<chrono::NaiveDate>,
    /// Only work items of this iteration.
    pub iteration: Option<String>,
    /// Only those of this team.
    pub team: Option<String>,
    /// Only those that are the caller's.
    pub only_mine: bool,
}

/// A state and what it allows.
#[derive(Debug)]
pub struct Estado {
    /// Work item.
    pub work_item_id: i32,
    /// Name of its state.
    pub state: String,
    /// Category of its state.
    pub categoria: Categoria,
    /// Whether hours can be logged.
    pub pode_editar: bool,
    /// Whether entries can be deleted.
    pub pode_excluir: bool,
}

impl TimesheetService {
    /// Reads `db` and Azure DevOps.
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
            types: config.work_item_types.clone(),
            projetos,
            work_items,
        }
    }

    /// The sheet of a week.
    ///
    /// # Errors
    /// When Azure DevOps gives no usable answer: half a sheet looks like a whole one (D-27).
    pub async fn folha(&self, user: &CurrentUser, pedida: &FolhaPedida) -> Result<Folha> {
        user.may_see(&pedida.organizacao)?;
        let hoje = self.clock.today();
        let semana = Semana::of(pedida.day.unwrap_or(hoje));
        let projeto = self
            .projetos
            .find_or_fetch(user, &pedida.organizacao, &pedida.projeto)
            .await?;
        let mut tx = self.db.begin(&user.scope()).await?;
        let lancamentos =
            repo::of_week(&mut tx, &pedida.organizacao, &user.ids(), projeto.id, semana).await?;
        tx.commit().await?;
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
        let mut read = self.work_items.read_many(membership, &ids).await?;
        if let Some(mine) = &selected.mine {
            let logged: Vec<i32> = lancamentos.iter().map(|entry| entry.work_item_id).collect();
            selection::keep_mine(&mut read, mine, &logged);
        }
        let mut categorias = Categorias::new(&self.work_items, membership, &types);
        let mut items = Vec::with_capacity(read.len());
        for item in read {
            let icon = self
                .work_items
                .known_icon(&pedida.organizacao, &types, &item.tipo)
                .await;
            let categoria = categorias.of(&item).await?;
            items.push(self.item(item, categoria, icon));
        }
        Ok(assemble::assemble(semana, hoje, items, lancamentos))
    }

    /// A state whose category nobody knows is shown as under way, and allows nothing.
    fn item(&self, item: WorkItem, categoria: Option<Categoria>, icon: Arc<str>) -> Item {
        Item {
            pode_editar: categoria.is_some_and(|categoria| self.may_log(categoria, &item.tipo)),
            pode_excluir: categoria.is_some_and(Categoria::is_open),
            id: item.id,
            title: item.title,
            tipo: item.tipo,
            state: item.state,
            categoria: categoria.unwrap_or(Categoria::InProgress),
            icon,
            assigned_to: item.assigned_to.map(|who| who.nome),
            scheduling: item.scheduling,
            parent: item.parent,
        }
    }

    /// Agrees with what `POST /apontamentos` allows (D-36).
    fn may_log(&self, categoria: Categoria, tipo: &str) -> bool {
        let allowed = self
            .types
            .iter()
            .any(|allowed| allowed.to_lowercase() == tipo.to_lowercase());
        allowed && categoria.is_open()
    }

    /// What may be done on a work item of a project.
    pub async fn estado(
        &self,
        user: &CurrentUser,
        organizacao: &NomeOrganizacao,
        projeto: &ProjetoNomeado,
        id: i32,
    ) -> Result<Estado> {
        user.may_see(organizacao)?;
        let membership = membership_of(user, organizacao)?;
        let work_items = &self.work_items;
        let item = work_items
            .in_project(user, membership, &self.projetos, projeto, id)
            .await?;
        let types = work_items.types(membership, &item.project).await?;
        let found = Categorias::new(work_items, membership, &types).of(&item).await?;
        let categoria = found.ok_or(AzureError::Nonsense(
            "the work item is in a state that its type does not know",
        ))?;
        Ok(Estado {
            work_item_id: item.id,
            pode_editar: self.may_log(categoria, &item.tipo),
            pode_excluir: categoria.is_open(),
            state: item.state,
            categoria,
        })
    }

    /// Every revision of a work item of a project.
    pub async fn revisions(
        &self,
        user: &CurrentUser,
        organizacao: &NomeOrganizacao,
        projeto: &ProjetoNomeado,
        id: i32,
    ) -> Result<Vec<Revision>> {
        user.may_see(organizacao)?;
        let membership = membership_of(user, organizacao)?;
        self.work_items
            .in_project(user, membership, &self.projetos, projeto, id)
            .await?;
        self.work_items.revisions(membership, id).await
    }

    /// States of a type of a process, by the type's reference name; the project's process when none is named.
    pub async fn process_states(
        &self,
        user: &CurrentUser,
        organizacao: &NomeOrganizacao,
        projeto: &ProjetoNomeado,
        process: Option<&str>,
        tipo: &str,
    ) -> Result<HashMap<String, Categoria>> {
        user.may_see(organizacao)?;
        let membership = membership_of(user, organizacao)?;
        let upstream = membership.organizacao();
        let process = if let Some(process) = process {
            process.to_owned()
        } else {
            let located = self.projetos.find_or_fetch(user, organizacao, projeto).await?;
            let project = &located.external_id.to_string();
            let settings = for_caller(membership, |credential| async move {
                upstream.project_settings(&credential, project).await
            });
            let process = settings.await?.process;
            process.ok_or(AzureError::Nonsense("the project does not tell its process"))?
        };
        let process = &process;
        let states = for_caller(membership, |credential| async move {
            let credential = &credential;
            upstream.process_states(credential, process, tipo).await
        });
        let missing = || Error::NotFound(format!("Tipo de Work Item {tipo} não encontrado no processo"));
        states.await.map_err(|error| missing_is(error, missing))
    }

    /// Work items as they are; unknown ids are left out.
    pub async fn current(
        &self,
        user: &CurrentUser,
        organizacao: &NomeOrganizacao,
        ids: &[i32],
    ) -> Result<Vec<WorkItem>> {
        user.may_see(organizacao)?;
        let membership = membership_of(user, organizacao)?;
        self.work_items.read_many(membership, ids).await
    }
}

/// Categories of many work items. Those of another project, or in a state that is new, are asked about once each.
struct Categorias<'a> {
    work_items: &'a WorkItemService,
    membership: &'a Membership,
    types: &'a Types,
    asked: HashMap<(String, String, String), Option<Categoria>>,
}

impl<'a> Categorias<'a> {
    fn new(work_items: &'a WorkItemService, membership: &'a Membership, types: &'a Types) -> Self {
        Self {
            work_items,
            membership,
            types,
            asked: HashMap::new(),
        }
    }

    async fn of(&mut self, item: &WorkItem) -> Result<Option<Categoria>> {
        if let Some(known) = self.types.categoria(&item.tipo, &item.state) {
            return Ok(Some(known));
        }
        let key = (item.project.clone(), item.tipo.clone(), item.state.clone());
        if let Some(asked) = self.asked.get(&key) {
            return Ok(*asked);
        }
        let membership = self.membership;
        let credential = membership.pat().map_or_else(|| membership.credential(), Ok)?;
        let organizacao = membership.organizacao();
        let found = match self.work_items.categoria(organizacao, credential, item).await {
            Ok(found) => Some(found),
            Err(error) if error.is_away() => return Err(error.into()),
            Err(_) => None,
        };
        self.asked.insert(key, found);
        Ok(found)
    }
}
