//! Categories of the states of many work items, and the check whether work items are in the requested
//! project.

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

/// Result of looking up the category of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CategoriaLookup {
    /// Category of the state in its process.
    Known(Categoria),
    /// The process does not contain the state (any more).
    NotInProcess,
    /// The category could not be read from Azure DevOps.
    Unreadable,
}

impl From<Option<Categoria>> for CategoriaLookup {
    fn from(known: Option<Categoria>) -> Self {
        known.map_or(Self::NotInProcess, Self::Known)
    }
}

impl CategoriaLookup {
    /// Returns the category, or `InProgress` where it is not known.
    pub(super) fn or_in_progress(self) -> Categoria {
        match self {
            Self::Known(categoria) => categoria,
            Self::NotInProcess | Self::Unreadable => Categoria::InProgress,
        }
    }

    /// Returns `true` if entries can be deleted, as `DELETE /apontamentos` decides it.
    pub(super) fn may_delete(self) -> bool {
        match self {
            Self::Known(categoria) => categoria.is_open(),
            Self::NotInProcess => true,
            Self::Unreadable => false,
        }
    }
}

/// Checks whether work items are in the project of the request; each project is checked once.
pub(super) struct ProjectMatcher<'a> {
    service: &'a TimesheetService,
    membership: &'a Membership,
    projeto: &'a Located,
    looked_up: HashMap<(Option<Uuid>, String), bool>,
}

impl<'a> ProjectMatcher<'a> {
    pub(super) fn new(
        service: &'a TimesheetService,
        membership: &'a Membership,
        projeto: &'a Located,
    ) -> Self {
        Self {
            service,
            membership,
            projeto,
            looked_up: HashMap::new(),
        }
    }

    pub(super) async fn is_in_project(&mut self, item: &WorkItem) -> Result<bool> {
        let key = (item.project_id, item.project.clone());
        if let Some(known) = self.looked_up.get(&key) {
            return Ok(*known);
        }
        let projetos = &self.service.projetos;
        let here = projetos
            .is_in_project(self.membership, self.projeto, item)
            .await?;
        self.looked_up.insert(key, here);
        Ok(here)
    }
}

/// Categories of many work items. The category of a state in another project, or of a state that is new, is
/// read once.
pub(super) struct Categorias<'a> {
    matcher: ProjectMatcher<'a>,
    types: &'a Types,
    looked_up: HashMap<(String, String, String), CategoriaLookup>,
}

impl<'a> Categorias<'a> {
    pub(super) fn new(
        service: &'a TimesheetService,
        membership: &'a Membership,
        projeto: &'a Located,
        types: &'a Types,
    ) -> Self {
        Self {
            matcher: ProjectMatcher::new(service, membership, projeto),
            types,
            looked_up: HashMap::new(),
        }
    }

    pub(super) async fn is_in_project(&mut self, item: &WorkItem) -> Result<bool> {
        self.matcher.is_in_project(item).await
    }

    /// Returns the names of the states that the process does not contain.
    pub(super) fn not_in_process(&self) -> BTreeSet<&str> {
        let looked_up = self
            .looked_up
            .iter()
            .filter(|(_, lookup)| **lookup == CategoriaLookup::NotInProcess);
        looked_up.map(|((_, _, state), _)| state.as_str()).collect()
    }

    pub(super) async fn of(&mut self, item: &WorkItem) -> Result<CategoriaLookup> {
        let here = self.is_in_project(item).await?;
        if let Some(known) = self.types.categoria(&item.tipo, &item.state).filter(|_| here) {
            return Ok(CategoriaLookup::Known(known));
        }
        let key = (item.project.clone(), item.tipo.clone(), item.state.clone());
        if let Some(looked_up) = self.looked_up.get(&key) {
            return Ok(*looked_up);
        }
        let membership = self.matcher.membership;
        let credential = membership.service_credential()?;
        // The types of the sheet are cached under the id of the project.
        let project = if here {
            self.matcher.projeto.external_id.to_string()
        } else {
            item.project.clone()
        };
        let work_items = &self.matcher.service.work_items;
        let looked_up =
            work_items.categoria_for_display(membership.organizacao(), credential, &project, item);
        let found = match looked_up.await {
            Ok(found) => CategoriaLookup::from(found),
            // A sheet with stale data is shown anyway; only the category stays unknown.
            Err(error) if error.is_away() && !request::is_stale() => return Err(error.into()),
            Err(_) => CategoriaLookup::Unreadable,
        };
        self.looked_up.insert(key, found);
        Ok(found)
    }
}
