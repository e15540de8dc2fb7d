//! Builder of work items.

use serde_json::{Map, Value, json};

use super::SCHEDULING;
use crate::world::Person;

/// Builder of a work item.
#[derive(Debug, Clone)]
pub struct NewWorkItem {
    pub(super) fields: Map<String, Value>,
}

impl NewWorkItem {
    /// Creates an open task of a project, without hours.
    #[must_use]
    pub fn task(project: &str) -> Self {
        Self { fields: Map::new() }
            .with("System.TeamProject", json!(project))
            .with("System.WorkItemType", json!("Task"))
            .with("System.State", json!("Doing"))
            .with("System.Reason", json!("Started"))
            .with("System.Title", json!("Close the books"))
            .with("System.CommentCount", json!(0))
            .with("System.CreatedDate", json!("2026-11-01T10:00:00Z"))
            .with("System.ChangedDate", json!("2026-11-01T10:00:00Z"))
    }

    /// Sets the type.
    #[must_use]
    pub fn of_type(self, name: &str) -> Self {
        self.with("System.WorkItemType", json!(name))
    }

    /// Sets the title.
    #[must_use]
    pub fn titled(self, title: &str) -> Self {
        self.with("System.Title", json!(title))
    }

    /// Sets the state.
    #[must_use]
    pub fn state(self, state: &str) -> Self {
        self.with("System.State", json!(state))
    }

    /// Sets the parent.
    #[must_use]
    pub fn under(self, parent: i32) -> Self {
        self.with("System.Parent", json!(parent))
    }

    /// Assigns the work item to a person.
    #[must_use]
    pub fn of(self, person: &Person) -> Self {
        self.with("System.AssignedTo", person.reference(person.id))
    }

    /// Sets the day of the last change.
    #[must_use]
    pub fn changed(self, day: &str) -> Self {
        self.with("System.ChangedDate", json!(format!("{day}T10:00:00Z")))
    }

    /// Sets the area path.
    #[must_use]
    pub fn area(self, path: &str) -> Self {
        self.with("System.AreaPath", json!(path))
    }

    /// Sets `OriginalEstimate`.
    #[must_use]
    pub fn estimate(self, hours: f64) -> Self {
        self.with_hours("OriginalEstimate", hours)
    }

    /// Sets `RemainingWork`.
    #[must_use]
    pub fn remaining(self, hours: f64) -> Self {
        self.with_hours("RemainingWork", hours)
    }

    /// Sets `CompletedWork`.
    #[must_use]
    pub fn completed(self, hours: f64) -> Self {
        self.with_hours("CompletedWork", hours)
    }

    /// Sets a field by its reference name.
    #[must_use]
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.fields.insert(field.to_owned(), value);
        self
    }

    fn with_hours(self, field: &str, hours: f64) -> Self {
        self.with(&format!("{SCHEDULING}{field}"), json!(hours))
    }
}
