//! Rules for logging hours: which days, how many hours per day, which work items. A request that breaks a
//! rule is refused with 422.

use std::cmp::Ordering;

use chrono::{Days, NaiveDate};

use crate::auth::{CurrentUser, Membership};
use crate::azure_devops::work_items::WorkItem;
use crate::config::{ApontamentosConfig, WhenUpstreamDown};
use crate::db::Tx;
use crate::error::{Code, Error, Result, Segment};
use crate::models::apontamento::{Apontamento, ApontamentoChanges, NewApontamento};
use crate::models::clock::Clock;
use crate::models::duracao::Total;
use crate::models::ids::{AtividadeId, ProjetoId};
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::work_item::{Categoria, LoggableTypes};
use crate::repositories::projetos::Located;
use crate::repositories::{apontamentos as repo, atividades};
use crate::services::projetos::ProjetoService;
use crate::services::work_items::{self, WorkItemService};

/// Holds the rules and the services that the checks call.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    clock: Clock,
    max_minutes_per_day: u16,
    /// Age of the oldest day on which hours may be logged.
    max_age: Days,
    allow_future: bool,
    /// `true` if members may correct text and activity of their entries on closed work items.
    text_on_closed: bool,
    types: LoggableTypes,
    when_upstream_down: WhenUpstreamDown,
    work_items: WorkItemService,
    projetos: ProjetoService,
}

/// Kind of a change to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Changes the text or the activity, but no hours.
    Text,
    /// Shortens the entry and leaves it on its day.
    Shorten,
    /// Deletes the entry.
    Delete,
    /// Any other change.
    Other,
}

impl Change {
    /// Returns the kind of change that `changes` make to `before`.
    pub(super) fn of(before: &Apontamento, changes: &ApontamentoChanges) -> Self {
        let duracao = changes.duracao.unwrap_or(before.duracao);
        let moved = changes.data.is_some_and(|data| data != before.data);
        match duracao.cmp(&before.duracao) {
            _ if moved => Self::Other,
            Ordering::Greater => Self::Other,
            Ordering::Less => Self::Shorten,
            Ordering::Equal => Self::Text,
        }
    }
}

/// Work item of a new entry as returned by Azure DevOps, and the project of that work item.
pub(super) type Checked = (Option<WorkItem>, Located);

impl Rules {
    pub(super) fn new(
        config: &ApontamentosConfig,
        work_items: WorkItemService,
        projetos: ProjetoService,
    ) -> Self {
        Self {
            clock: Clock::new(config.timezone),
            max_minutes_per_day: config.max_minutes_per_day,
            max_age: Days::new(config.max_age_days.into()),
            allow_future: config.allow_future,
            text_on_closed: config.text_on_closed,
            types: LoggableTypes::new(&config.work_item_types),
            when_upstream_down: config.when_upstream_down,
            work_items,
            projetos,
        }
    }

    /// Checks that the day is not too old, and not in the future, unless future days are allowed.
    pub(super) fn check_date(&self, data: NaiveDate) -> Result<()> {
        let today = self.clock.today();
        let oldest = today.checked_sub_days(self.max_age).unwrap_or(NaiveDate::MIN);
        let (code, detail) = if data < oldest {
            let oldest = oldest.format("%d/%m/%Y");
            let detail = format!("Não é possível apontar horas em uma data anterior a {oldest}");
            (Code::DataAntiga, detail)
        } else if data > today && !self.allow_future {
            (Code::DataFutura, Code::DataFutura.sentence().to_owned())
        } else {
            return Ok(());
        };
        let loc = vec!["body".into(), "data_apontamento".into()];
        Err(Error::Rule { code, detail, loc })
    }

    /// Checks the daily limit after an entry is stored. Other writers of that day wait for this transaction.
    pub(super) async fn check_day(
        &self,
        tx: &mut Tx,
        organizacao: &ChaveOrganizacao,
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
            code: Code::LimiteDiario,
            detail: format!("O dia {data} passaria a ter {total} apontadas; o limite diário é {most}"),
            loc: vec!["body".into(), "duracao".into()],
        })
    }

    /// Checks that the work item of a new entry can be read, is in the project that the caller names, has a
    /// type on which hours are logged, and is open. Returns no work item, and `found` as the project, if
    /// Azure DevOps cannot be called (authentication off and no PAT) or, where the configuration accepts it,
    /// is unavailable.
    pub(super) async fn check_new(
        &self,
        user: &CurrentUser,
        organizacao: &ChaveOrganizacao,
        new: &NewApontamento,
        found: Located,
    ) -> Result<Checked> {
        let Some(membership) = queryable_membership(user, organizacao) else {
            return Ok((None, found));
        };
        let id = new.work_item_id;
        let check = async {
            let item = self.work_items.read(membership, id).await?;
            let named = (&new.projeto, &found);
            let projeto = self.projetos.of_item(user, membership, named, &item).await?;
            let projeto = projeto.ok_or_else(|| work_items::not_found(id))?;
            self.check_type(&item)?;
            let loc = vec!["body".into(), "work_item_id".into()];
            self.check_open(membership, &item, Change::Other, loc).await?;
            Ok((item, projeto))
        };
        match check.await {
            Ok((item, projeto)) => Ok((Some(item), projeto)),
            Err(error) => self
                .accept_or_fail(organizacao, id, error)
                .map(|()| (None, found)),
        }
    }

    /// Checks that the work item of an entry can be read and is open. An entry on a missing or hidden work
    /// item may still be shortened or deleted; the text may also be corrected on a missing, hidden or closed
    /// one where the configuration or the administrator role allows it. Returns the work item as
    /// [`check_new`](Self::check_new) does.
    pub(super) async fn check_change(
        &self,
        user: &CurrentUser,
        entry: &Apontamento,
        change: Change,
    ) -> Result<Option<WorkItem>> {
        let (organizacao, id) = (&entry.organizacao, entry.work_item_id);
        let Some(membership) = queryable_membership(user, organizacao) else {
            return Ok(None);
        };
        let text_allowed = change == Change::Text && (self.text_on_closed || user.administers(organizacao));
        let check = async {
            let item = match self.work_items.read(membership, id).await {
                Err(Error::NotFound(_))
                    if text_allowed || matches!(change, Change::Shorten | Change::Delete) =>
                {
                    return Ok(None);
                }
                read => read?,
            };
            if !text_allowed {
                let loc = vec!["path".into(), "apontamento_id".into()];
                self.check_open(membership, &item, change, loc).await?;
            }
            Ok(Some(item))
        };
        match check.await {
            Ok(item) => Ok(item),
            Err(error) => self.accept_or_fail(organizacao, id, error).map(|()| None),
        }
    }

    /// Returns the error, unless it is an outage during which the configuration accepts hours.
    fn accept_or_fail(&self, organizacao: &ChaveOrganizacao, id: i32, error: Error) -> Result<()> {
        match error {
            Error::Upstream { source, .. }
                if self.when_upstream_down == WhenUpstreamDown::Accept && source.is_away() =>
            {
                tracing::warn!(%organizacao, work_item = id, cause = %source,
                    "time entry accepted without checking its work item");
                Ok(())
            }
            error => Err(error),
        }
    }

    /// Checks that the state of the work item allows the change. A state that the process does not contain
    /// any more allows only shortening and deleting an entry.
    async fn check_open(
        &self,
        membership: &Membership,
        item: &WorkItem,
        change: Change,
        loc: Vec<Segment>,
    ) -> Result<()> {
        let organizacao = membership.organizacao();
        // The service's PAT sees every type; a caller's credential may lack the scope.
        let credential = membership.service_credential()?;
        let categoria = self
            .work_items
            .known_categoria(organizacao, credential, &item.project, item)
            .await?;
        let state = &item.state;
        let (code, detail) = match categoria {
            None if matches!(change, Change::Shorten | Change::Delete) => return Ok(()),
            None => (
                Code::EstadoDesconhecido,
                format!(
                    "O estado {state} não existe no processo do Azure DevOps; nada novo pode ser lançado"
                ),
            ),
            Some(Categoria::Completed) => (
                Code::WorkItemFechado,
                format!("Não é possível lançar horas em Work Item fechado (estado: {state})"),
            ),
            Some(Categoria::Removed) => (
                Code::WorkItemCancelado,
                format!("Não é possível lançar horas em Work Item cancelado (estado: {state})"),
            ),
            Some(Categoria::Proposed | Categoria::InProgress | Categoria::Resolved) => return Ok(()),
        };
        Err(Error::Rule { code, detail, loc })
    }

    /// Checks that the work item is in the project. Ids are unique in an organisation, so that a request that
    /// names another project means another work item.
    pub(super) async fn check_project(
        &self,
        membership: &Membership,
        projeto: &Located,
        item: &WorkItem,
    ) -> Result<()> {
        if self.projetos.is_in_project(membership, projeto, item).await? {
            return Ok(());
        }
        Err(work_items::not_found(item.id))
    }

    fn check_type(&self, item: &WorkItem) -> Result<()> {
        if self.types.has(&item.tipo) {
            return Ok(());
        }
        Err(Error::Rule {
            code: Code::TipoDeWorkItem,
            detail: format!(
                "Não é possível lançar horas em Work Item do tipo {} (permitidos: {})",
                item.tipo, self.types
            ),
            loc: vec!["body".into(), "work_item_id".into()],
        })
    }
}

/// Returns the membership for calls to Azure DevOps; `None` while authentication is off and there is no PAT.
fn queryable_membership<'u>(user: &'u CurrentUser, organizacao: &ChaveOrganizacao) -> Option<&'u Membership> {
    let membership = user.membership_in(organizacao)?;
    (!user.is_mock() || membership.pat().is_some()).then_some(membership)
}

/// Checks that the activity exists, is active, and may be used in the project. An activity that is
/// deactivated concurrently may still be used: the entry then came first.
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
