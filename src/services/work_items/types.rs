//! Types of work items as the rules need them: their states, and their fields for hours.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::azure_devops::work_item_types::TypeDescription;
use crate::azure_devops::work_items::{COMPLETED_WORK, REMAINING_WORK};
use crate::models::work_item::Categoria;

/// Describes a type of work items.
#[derive(Debug, Default)]
pub struct WorkItemType {
    /// Name by which processes identify the type.
    reference_name: Option<String>,
    states: HashMap<String, Categoria>,
    /// `true` if Azure DevOps returned the fields of the type.
    pub(super) fields_known: bool,
    /// `true` if the type has `CompletedWork`.
    pub has_completed: bool,
    /// `true` if the type has `RemainingWork`.
    pub has_remaining: bool,
    pub(super) icon: Option<String>,
    pub(super) color: Option<String>,
}

/// Returns the value of a name. Azure DevOps does not distinguish `Doing` from `doing`; the exact name takes
/// precedence.
fn any_case<'a, T>(map: &'a HashMap<String, T>, name: &str) -> Option<&'a T> {
    map.get(name).or_else(|| {
        let lower = name.to_lowercase();
        let same = |(known, _): &(&String, &T)| known.to_lowercase() == lower;
        map.iter().find(same).map(|(_, value)| value)
    })
}

/// Types of a project, by name.
#[derive(Debug, Default)]
pub struct Types(HashMap<String, Arc<WorkItemType>>);

impl Types {
    /// Returns the category of a state of a type; `None` if the type or the state is unknown.
    #[must_use]
    pub fn categoria(&self, tipo: &str, state: &str) -> Option<Categoria> {
        any_case(&self.find(tipo)?.states, state).copied()
    }

    /// Returns the states of a type, which is found by the name that processes use or by its own name.
    #[must_use]
    pub fn states_of(&self, tipo: &str) -> Option<HashMap<String, Categoria>> {
        let is_it = |known: &&Arc<WorkItemType>| {
            let name = known.reference_name.as_ref();
            name.is_some_and(|name| name.eq_ignore_ascii_case(tipo))
        };
        let found = self.0.values().find(is_it).or_else(|| self.find(tipo))?;
        Some(found.states.clone())
    }

    pub(super) fn find(&self, tipo: &str) -> Option<&Arc<WorkItemType>> {
        any_case(&self.0, tipo)
    }

    /// Returns the types grouped by their closed states; every type appears once.
    #[must_use]
    pub fn by_closed_states(&self) -> BTreeMap<Vec<String>, Vec<String>> {
        let mut groups: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
        for (name, tipo) in &self.0 {
            let closed = tipo.states.iter().filter(|(_, categoria)| !categoria.is_open());
            let mut closed: Vec<String> = closed.map(|(state, _)| state.clone()).collect();
            closed.sort_unstable();
            groups.entry(closed).or_default().push(name.clone());
        }
        for types in groups.values_mut() {
            types.sort_unstable();
        }
        groups
    }

    pub(super) fn read(types: Vec<TypeDescription>) -> Self {
        let read = |tipo: TypeDescription| {
            let fields_known = tipo.fields.is_some();
            let fields = tipo.fields.unwrap_or_default();
            let has = |name: &str| fields.iter().any(|field| field.eq_ignore_ascii_case(name));
            let (has_completed, has_remaining) = (has(COMPLETED_WORK), has(REMAINING_WORK));
            let read = WorkItemType {
                reference_name: tipo.reference_name,
                states: tipo.states,
                fields_known,
                has_completed,
                has_remaining,
                icon: tipo.icon,
                color: tipo.color,
            };
            (tipo.nome, Arc::new(read))
        };
        Self(types.into_iter().map(read).collect())
    }
}
