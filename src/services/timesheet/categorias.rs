//! Categories of the states of many work items, and whether work items are in the project of the request.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::TimesheetService;
use crate::auth::Membership;
use crate::azure_devops::work_items::WorkItem;
use crate::error::Result;
use crate::models::work_item::Categoria;
use crate::repositories::projetos::Located;
use crate::services::work_items::Types;
use crate::telemetry::request;

/// What is known of the category of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The process says which.
    Known(Categoria),
    /// The process does not have the state (any more).
    NotInProcess,
    /// Azure DevOps does not let us read it.
    Untold,
}

impl From<Option<Categoria>> for Told {
    fn from(known: Option<Categoria>) -> Self {
        known.map_or(Self::NotInProcess, Self::Known)
    }
}

impl Told {
    /// What is shown; a state of which nothing is known is shown as under way.
    pub(super) fn shown(self) -> Categoria {
        match self {
            Self::Known(categoria) => categoria,
            Self::NotInProcess | Self::Untold => Categoria::InProgress,
        }
    }

    /// Whether entries can be deleted, as `DELETE /apontamentos` decides it.
    pub(super) fn may_delete(self) -> bool {
        match self {
            Self::Known(categoria) => categoria.is_open(),
            Self::NotInProcess => true,
            Self::Untold => false,
        }
    }
}

/// Which projects of work items are the project of the request; each is asked about once.
pub(super) struct Places<'a> {
    service: &'a TimesheetService,
    membership: &'a Membership,
    projeto: &'a Located,
    asked: HashMap<(Option<Uuid>, String), bool>,
}

impl<'a> Places<'a> {
    pub(super) fn new(
        service: &'a TimesheetService,
        membership: &'a Membership,
        projeto: &'a Located,
    ) -> Self {
        Self {
            service,
            membership,
            projeto,
            asked: HashMap::new(),
        }
    }

    pub(super) async fn is_here(&mut self, item: &WorkItem) -> Result<bool> {
        let key = (item.project_id, item.project.clone());
        if let Some(known) = self.asked.get(&key) {
            return Ok(*known);
        }
        let projetos = &self.service.projetos;
        let here = projetos.is_here(self.membership, self.projeto, item).await?;
        self.asked.insert(key, here);
        Ok(here)
    }
}

/// Categories of many work items. Those of another project, or in a state that is new, are asked about once
/// each.
pub(super) struct Categorias<'a> {
    places: Places<'a>,
    types: &'a Types,
    asked: HashMap<(String, String, String), Told>,
}

impl<'a> Categorias<'a> {
    pub(super) fn new(
        service: &'a TimesheetService,
        membership: &'a Membership,
        projeto: &'a Located,
        types: &'a Types,
    ) -> Self {
        Self {
            places: Places::new(service, membership, projeto),
            types,
            asked: HashMap::new(),
        }
    }

    pub(super) async fn is_here(&mut self, item: &WorkItem) -> Result<bool> {
        self.places.is_here(item).await
    }

    /// Names of the states that were found not to be in the process.
    pub(super) fn not_in_process(&self) -> BTreeSet<&str> {
        let asked = self.asked.iter().filter(|(_, told)| **told == Told::NotInProcess);
        asked.map(|((_, _, state), _)| state.as_str()).collect()
    }

    pub(super) async fn of(&mut self, item: &WorkItem) -> Result<Told> {
        let here = self.is_here(item).await?;
        if let Some(known) = self.types.categoria(&item.tipo, &item.state).filter(|_| here) {
            return Ok(Told::Known(known));
        }
        let key = (item.project.clone(), item.tipo.clone(), item.state.clone());
        if let Some(asked) = self.asked.get(&key) {
            return Ok(*asked);
        }
        let membership = self.places.membership;
        let credential = membership.service_credential()?;
        // The second question asks the types that the sheet remembers.
        let project = if here {
            self.places.projeto.external_id.to_string()
        } else {
            item.project.clone()
        };
        let work_items = &self.places.service.work_items;
        let asked = work_items.shown_categoria(membership.organizacao(), credential, &project, item);
        let found = match asked.await {
            Ok(found) => Told::from(found),
            // A sheet with stale data is shown anyway; only the state stays unknown.
            Err(error) if error.is_away() && !request::is_stale() => return Err(error.into()),
            Err(_) => Told::Untold,
        };
        self.asked.insert(key, found);
        Ok(found)
    }
}
