//! Types of work items as rules need them: which states they know, and which fields of hours they have.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::azure_devops::work_item_types::TypeDescription;
use crate::azure_devops::work_items::{COMPLETED_WORK, REMAINING_WORK};
use crate::models::work_item::Categoria;

/// What is known of a type.
#[derive(Debug, Default)]
pub struct WorkItemType {
    /// Name by which processes know it.
    reference_name: Option<String>,
    states: HashMap<String, Categoria>,
    /// Whether Azure DevOps told its fields.
    pub(super) fields_known: bool,
    /// Whether it has `CompletedWork`.
    pub has_completed: bool,
    /// Whether it has `RemainingWork`.
    pub has_remaining: bool,
    pub(super) icon: Option<String>,
    pub(super) color: Option<String>,
}

/// The value under a name. Azure DevOps does not tell `Doing` from `doing`; the exact name goes first.
fn any_case<'a, T>(map: &'a HashMap<String, T>, name: &str) -> Option<&'a T> {
    map.get(name).or_else(|| {
        let lower = name.to_lowercase();
        let same = |(known, _): &(&String, &T)| known.to_lowercase() == lower;
        map.iter().find(same).map(|(_, value)| value)
    })
}

/// The types of a project by name.
#[derive(Debug, Default)]
pub struct Types(HashMap<String, Arc<WorkItemType>>);

impl Types {
    /// The category of a state of a type, where both are known.
    #[must_use]
    pub fn categoria(&self, tipo: &str, state: &str) -> Option<Categoria> {
        any_case(&self.find(tipo)?.states, state).copied()
    }

    /// The states of a type, by the name that processes know it by or by its own.
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

    /// Types that have the same closed states, with those states; every type once.
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
