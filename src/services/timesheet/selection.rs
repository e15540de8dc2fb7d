//! Selection of the work items that a sheet shows.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{FolhaPedida, TimesheetService, avisos, wiql};
use crate::auth::{CurrentUser, Membership};
use crate::azure_devops::queries::{Literal, wiql_date};
use crate::azure_devops::work_items::WorkItem;
use crate::error::Result;
use crate::models::apontamento::Pessoa;
use crate::models::timesheet::{Aviso, Semana};
use crate::services::work_items::Types;

/// Selected work items.
pub(super) struct Selected {
    pub(super) ids: Vec<i32>,
    /// Filter that leaves only the caller's work items and their ancestors.
    pub(super) caller: Option<CallerIdentity>,
    /// Warnings about omitted data.
    pub(super) avisos: Vec<Aviso>,
}

/// Identity by which the caller's work items are recognised.
pub(super) struct CallerIdentity {
    id: Option<Uuid>,
    email: Option<String>,
    /// All e-mails and accounts by which the organisation knows the caller, in lower case.
    accounts: Vec<String>,
}

impl CallerIdentity {
    fn new(person: &Pessoa, membership: &Membership) -> Self {
        let email = person.email.as_ref().map(|email| email.to_lowercase());
        let lookup = membership.identity().into_iter();
        let lookup = lookup.flat_map(|identity| identity.emails.iter().chain(&identity.accounts));
        Self {
            id: Uuid::parse_str(&person.id).ok(),
            accounts: lookup
                .map(|account| account.to_lowercase())
                .chain(email.clone())
                .collect(),
            email,
        }
    }

    fn owns(&self, item: &WorkItem) -> bool {
        item.assigned_to.as_ref().is_some_and(|person| {
            let same_id = person.id.is_some() && person.id == self.id;
            let account = person.unique_name.as_ref().map(|name| name.to_lowercase());
            same_id || account.is_some_and(|account| self.accounts.contains(&account))
        })
    }
}

impl TimesheetService {
    /// Returns the work items of an iteration, or those of a query: in the project, in the team's areas, open
    /// or changed since the week began; with all their ancestors.
    pub(super) async fn selected(
        &self,
        user: &CurrentUser,
        membership: &Membership,
        pedida: &FolhaPedida,
        project: &str,
        types: &Types,
        semana: Semana,
    ) -> Result<Selected> {
        let person = user.pessoa_in(membership.chave());
        let caller = (pedida.only_mine && !user.is_mock()).then(|| CallerIdentity::new(&person, membership));
        let team = pedida.team.as_deref();
        if let Some(iteration) = pedida.iteration {
            let iteration = &iteration.to_string();
            let ids = self
                .work_items
                .iteration_work_items(membership, project, team, iteration)
                .await?;
            return Ok(Selected {
                ids: ids.to_vec(),
                caller,
                avisos: Vec::new(),
            });
        }
        let areas = match team {
            Some(team) => Some(self.work_items.team_areas(membership, project, team).await?),
            None => None,
        };
        let avisos = areas.as_deref().map(avisos::of_team).unwrap_or_default();
        if areas.as_deref().is_some_and(|areas| areas.areas.is_empty()) {
            return Ok(Selected {
                ids: Vec::new(),
                caller: None,
                avisos,
            });
        }
        let since = wiql_date(semana.first());
        let mut target = vec![
            "[Target].[System.TeamProject] = @project".to_owned(),
            format!(
                "({} OR [Target].[System.ChangedDate] >= {since})",
                wiql::is_open(types)
            ),
        ];
        // Without an e-mail, the caller's work items are filtered afterwards.
        if let Some(email) = caller.as_ref().and_then(|caller| caller.email.as_deref()) {
            target.push(format!("[Target].[System.AssignedTo] = {}", Literal(email)));
        }
        let mut ids = Vec::new();
        for wiql in wiql::queries(&target, areas.as_deref())? {
            let found = self
                .work_items
                .query(membership, Some(project), &wiql, None)
                .await?;
            ids.extend_from_slice(&found);
        }
        Ok(Selected {
            ids,
            caller: caller.filter(|caller| caller.email.is_none()),
            avisos,
        })
    }
}

/// Retains the caller's work items, those with the caller's entries, and all their ancestors.
pub(super) fn retain_of_caller(items: &mut Vec<WorkItem>, caller: &CallerIdentity, logged: &[i32]) {
    let parents: HashMap<i32, Option<i32>> = items.iter().map(|item| (item.id, item.parent)).collect();
    let mut retained: HashSet<i32> = HashSet::new();
    let own = items
        .iter()
        .filter(|item| caller.owns(item) || logged.contains(&item.id));
    for item in own {
        let mut at = Some(item.id);
        while let Some(id) = at.filter(|id| retained.insert(*id)) {
            at = parents.get(&id).copied().flatten();
        }
    }
    items.retain(|item| retained.contains(&item.id));
}
