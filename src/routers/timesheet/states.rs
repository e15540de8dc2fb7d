//! Response bodies of states and revisions.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::azure_devops::work_items::{Revisions, WorkItem};
use crate::services::timesheet::Estado;

/// Permissions that follow from the state of a work item.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StateCategoryResponse {
    /// Id of the work item.
    #[schema(example = 4711)]
    work_item_id: i32,
    /// Name of the state.
    #[schema(example = "Doing")]
    state: String,
    /// Category of the state in the process: `Proposed`, `InProgress`, `Resolved`, `Completed` or `Removed`.
    #[schema(example = "InProgress")]
    state_category: &'static str,
    /// `true` if hours can be logged and changed.
    can_edit: bool,
    /// `true` if entries can be deleted.
    can_delete: bool,
}

impl From<Estado> for StateCategoryResponse {
    fn from(estado: Estado) -> Self {
        Self {
            work_item_id: estado.work_item_id,
            state: estado.state,
            state_category: estado.categoria.as_str(),
            can_edit: estado.pode_editar,
            can_delete: estado.pode_excluir,
        }
    }
}

/// Revisions of a work item.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevisionsResponse {
    /// Id of the work item.
    #[schema(example = 4711)]
    work_item_id: i32,
    /// Revisions, the oldest first.
    revisions: Vec<RevisionResponse>,
    /// `true` if the work item has more than the 12,000 revisions that are read. The later ones are missing
    /// then.
    truncado: bool,
}

/// A revision of a work item.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevisionResponse {
    /// Number of the revision.
    #[schema(example = 1)]
    rev: i32,
    /// Fields of the revision.
    fields: RevisionFields,
}

/// State and assignment in a revision.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevisionFields {
    /// Instant of the revision.
    #[serde(rename = "System.ChangedDate")]
    #[schema(required = true, example = "2026-01-12T10:00:00Z")]
    changed_date: Option<String>,
    /// Name of the state.
    #[serde(rename = "System.State")]
    #[schema(required = true, example = "Doing")]
    state: Option<String>,
    /// Identity that the work item was assigned to, as Azure DevOps tells it.
    #[serde(rename = "System.AssignedTo")]
    #[schema(required = true, value_type = Option<Object>)]
    assigned_to: Option<Value>,
}

impl RevisionsResponse {
    pub(super) fn new(work_item_id: i32, read: Revisions) -> Self {
        Self {
            work_item_id,
            truncado: read.truncado,
            revisions: read
                .revisions
                .into_iter()
                .map(|revision| RevisionResponse {
                    rev: revision.rev,
                    fields: RevisionFields {
                        changed_date: revision.changed_date,
                        state: revision.state,
                        assigned_to: revision.assigned_to,
                    },
                })
                .collect(),
        }
    }
}

/// States of a work item type.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProcessStatesResponse {
    /// Category of each state, by the name of the state.
    #[schema(example = json!({"To Do": "Proposed", "Done": "Completed"}))]
    pub(super) state_map: BTreeMap<String, &'static str>,
}

/// Work items by id.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CurrentStateResponse {
    /// Work items that exist in the project.
    work_items: BTreeMap<String, CurrentState>,
}

/// Current state of a work item.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CurrentState {
    /// Id of the work item.
    #[schema(example = 4711)]
    id: i32,
    /// Name of the state.
    #[schema(example = "Doing")]
    state: String,
    /// Name of the work item type.
    #[serde(rename = "type")]
    #[schema(example = "Task")]
    tipo: String,
    /// Name of the person that the work item is assigned to.
    #[schema(required = true, example = "Ana Exemplo")]
    assigned_to: Option<String>,
}

impl From<Vec<WorkItem>> for CurrentStateResponse {
    fn from(items: Vec<WorkItem>) -> Self {
        let state = |item: WorkItem| {
            let key = item.id.to_string();
            let state = CurrentState {
                id: item.id,
                state: item.state,
                tipo: item.tipo,
                assigned_to: item.assigned_to.map(|person| person.nome),
            };
            (key, state)
        };
        Self {
            work_items: items.into_iter().map(state).collect(),
        }
    }
}
