//! Bodies of answers about states and revisions.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::azure_devops::work_items::{Revisions, WorkItem};
use crate::services::timesheet::Estado;

/// What the state of a work item allows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StateCategoryResponse {
    /// Work item.
    #[schema(example = 4711)]
    work_item_id: i32,
    /// Name of its state.
    #[schema(example = "Doing")]
    state: String,
    /// `Proposed`, `InProgress`, `Resolved`, `Completed` or `Removed`, as the process says.
    #[schema(example = "InProgress")]
    state_category: &'static str,
    /// Whether hours can be logged on it.
    can_edit: bool,
    /// Whether entries on it can be deleted.
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
    /// Work item.
    #[schema(example = 4711)]
    work_item_id: i32,
    /// The oldest first.
    revisions: Vec<RevisionResponse>,
    /// Whether there are more than the 12,000 revisions that are read; the later ones are missing then.
    truncado: bool,
}

/// A revision.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevisionResponse {
    /// Its number.
    #[schema(example = 1)]
    rev: i32,
    /// What it says.
    fields: RevisionFields,
}

/// What a revision says of state and assignment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevisionFields {
    /// When it was made.
    #[serde(rename = "System.ChangedDate")]
    #[schema(required = true, example = "2026-01-12T10:00:00Z")]
    changed_date: Option<String>,
    /// State.
    #[serde(rename = "System.State")]
    #[schema(required = true, example = "Doing")]
    state: Option<String>,
    /// Identity that it was assigned to, as Azure DevOps tells it.
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

/// States of a type.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProcessStatesResponse {
    /// Name of each state, and its category.
    #[schema(example = json!({"To Do": "Proposed", "Done": "Completed"}))]
    pub(super) state_map: BTreeMap<String, &'static str>,
}

/// Work items by id.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CurrentStateResponse {
    /// Those that exist.
    work_items: BTreeMap<String, CurrentState>,
}

/// A work item as it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CurrentState {
    /// Id.
    #[schema(example = 4711)]
    id: i32,
    /// Name of its state.
    #[schema(example = "Doing")]
    state: String,
    /// Name of its type.
    #[serde(rename = "type")]
    #[schema(example = "Task")]
    tipo: String,
    /// Whose it is.
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
                assigned_to: item.assigned_to.map(|who| who.nome),
            };
            (key, state)
        };
        Self {
            work_items: items.into_iter().map(state).collect(),
        }
    }
}
