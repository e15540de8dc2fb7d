//! What may be logged: which days, how much of a day, on which work items. What breaks a rule is refused with 422.

use chrono::NaiveDate;

use crate::auth::{CurrentUser, Membership};
use crate::azure_devops::work_items::WorkItem;
use crate::clock::Clock;
use crate::config::{ApontamentosConfig, WhenUpstreamDown};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::models::duracao::Total;
use crate::models::ids::{AtividadeId, ProjetoId};
use crate::models::organizacao::NomeOrganizacao;
use crate::models::work_item::{Categoria, LoggableTypes};
use crate::repositories::projetos::Located;
use crate::repositories::{apontamentos as repo, atividades};
use crate::services::projetos::ProjetoService;
use crate::services::work_items::{self, WorkItemService};

/// The rules and what they ask.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    clock: Clock,
    max_minutes_per_day: u16,
    allow_future: bool,
    types: LoggableTypes,
    when_upstream_down: WhenUpstreamDown,
    work_items: WorkItemService,
    projetos: ProjetoService,
}

/// What is done to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action<'a> {
    /// Made, in this project.
    Create(&'a Located),
    /// Changed or deleted.
    Change,
}

impl Rules {
    pub(super) fn new(
        config: &ApontamentosConfig,
        work_items: WorkItemService,
        projetos: ProjetoService,
    ) -> Self {
        Self {
            clock: Clock::new(config.timezone),
            max_minutes_per_day: config.max_minutes_per_day,
            allow_future: config.allow_future,
            types: LoggableTypes::new(&config.work_item_types),
            when_upstream_down: config.when_upstream_down,
            work_items,
            projetos,
        }
    }

    /// No day to come.
    pub(super) fn check_date(&self, data: NaiveDate) -> Result<()> {
        if self.allow_future || data <= self.clock.today() {
            return Ok(());
        }
        Err(Error::Rule {
            code: "data_futura",
            detail: "Não é possível apontar horas em uma data futura".to_owned(),
            loc: vec!["body".into(), "data_apontamento".into()],
        })
    }

    /// After an entry is stored: the day holds no more than it may. Whoever else writes on that day waits for this
    /// transaction.
    pub(super) async fn check_day(
        &self,
        tx: &mut Tx,
        organizacao: &NomeOrganizacao,
        usuario: &str,
        data: NaiveDate,
    ) -> Result<()> {
        let total = repo::minutes_of_day(tx, organizacao, usuario, data).await?;
        let most = Total(self.max_minutes_per_day.into());
        if total <= most {
            return Ok(());
        }
        let data = data.format("%d/%m/%Y");
        Err(Error::Rule {
            code: "limite_diario",
            detail: format!("O dia {data} passaria a ter {total} apontadas; o limite diário é {most}"),
            loc: vec!["body".into(), "duracao".into()],
        })
    }

    /// The work item can be read, is where it is said to be, of a type that hours are logged on, and open. Azure DevOps is
    /// asked; what it said is returned. `None` where nobody can be asked: authentication off and no PAT, or, as
    /// configured, Azure DevOps away.
    pub(super) async fn check_work_item(
        &self,
        user: &CurrentUser,
        organizacao: &NomeOrganizacao,
        id: i32,
        action: Action<'_>,
    ) -> Result<Option<WorkItem>> {
        let membership = match user.member_of(organizacao) {
            Ok(membership) => membership,
            Err(_) if user.is_everybody() => return Ok(None),
            Err(error) => return Err(error),
        };
        if user.is_everybody() && membership.pat().is_none() {
            return Ok(None);
        }
        match self.read_and_judge(membership, id, action).await {
            Ok(item) => Ok(Some(item)),
            Err(Error::Upstream { source, .. })
                if self.when_upstream_down == WhenUpstreamDown::Accept && source.is_away() =>
            {
                tracing::warn!(%organizacao, work_item = id, cause = %source, "hours accepted on an unchecked work item");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn read_and_judge(&self, membership: &Membership, id: i32, action: Action<'_>) -> Result<WorkItem> {
        let item = self.work_items.read(membership, id).await?;
        let loc = match action {
            Action::Create(projeto) => {
                self.check_project(membership, projeto, &item).await?;
                self.check_type(&item)?;
                vec!["body".into(), "work_item_id".into()]
            }
            Action::Change => vec!["path".into(), "apontamento_id".into()],
        };
        let organizacao = membership.organizacao();
        // The service's PAT sees every type; a caller's credential may lack the scope.
        let credential = membership.service_credential()?;
        let categoria = self
            .work_items
            .categoria(organizacao, credential, &item.project, &item)
            .await?;
        let state = &item.state;
        let (code, detail) = match categoria {
            Categoria::Completed => (
                "work_item_fechado",
                format!("Não é possível lançar horas em Work Item fechado (estado: {state})"),
            ),
            Categoria::Removed => (
                "work_item_cancelado",
                format!("Não é possível lançar horas em Work Item cancelado (estado: {state})"),
            ),
            Categoria::Proposed | Categoria::InProgress | Categoria::Resolved => return Ok(item),
        };
        Err(Error::Rule { code, detail, loc })
    }

    /// Ids are unique in an organisation, so whoever names another project means another work item.
    pub(super) async fn check_project(
        &self,
        membership: &Membership,
        projeto: &Located,
        item: &WorkItem,
    ) -> Result<()> {
        if self
            .projetos
            .is_called(membership, projeto, &item.project)
            .await?
        {
            return Ok(());
        }
        Err(work_items::not_found(item.id))
    }

    fn check_type(&self, item: &WorkItem) -> Result<()> {
        if self.types.has(&item.tipo) {
            return Ok(());
        }
        Err(Error::Rule {
            code: "tipo_de_work_item",
            detail: format!(
                "Não é possível lançar horas em Work Item do tipo {} (permitidos: {})",
                item.tipo, self.types
            ),
            loc: vec!["body".into(), "work_item_id".into()],
        })
    }
}

/// The activity exists, is active, and may be used in the project. One that is switched off at the same moment may still be
/// used: then the entry came first.
pub(super) async fn check_atividade(
    tx: &mut Tx,
    user: &CurrentUser,
    id: AtividadeId,
    projeto: ProjetoId,
) -> Result<()> {
    let refuse = |why: &str| Error::InvalidReference(format!("Atividade {why}: {id}"));
    match atividades::usability(tx, id, projeto).await? {
        None => Err(user.unless_undecided(refuse("não encontrada"))),
        Some(found) if !found.ativo => Err(refuse("inativa")),
        Some(found) if !found.fits => Err(refuse("não pertence ao projeto")),
        Some(_) => Ok(()),
    }
}
