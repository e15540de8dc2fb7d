//! Work items of an organisation with their revisions and types.

pub(crate) mod new;
pub(crate) mod query;
pub(crate) mod reads;
pub(crate) mod types;
pub(crate) mod update;

use std::collections::{BTreeMap, HashMap};

use axum::body::Body;
use axum::http::Response;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::reply::error;
use crate::store;
use new::NewWorkItem;
use types::{Gaps, Type};

const SCHEDULING: &str = "Microsoft.VSTS.Scheduling.";

/// Fields of one revision.
pub(crate) type Fields = Map<String, Value>;

/// Work items and types of an organisation.
///
/// # Panics
/// Methods that name a work item or a type panic if the organisation lacks it, because the caller made a
/// mistake.
#[derive(Debug)]
pub struct WorkItems {
    items: BTreeMap<i32, Item>,
    /// Types of projects without types of their own.
    types: HashMap<String, Type>,
    /// Project to its own types.
    own_types: HashMap<String, HashMap<String, Type>>,
    next_id: i32,
    /// Reference names of fields that the collection lacks.
    absent_fields: Vec<String>,
    /// `true` if people are sent as text, `Name <account>`, as by old servers.
    pub people_as_text: bool,
}

/// Work item with its revisions.
#[derive(Debug)]
struct Item {
    /// Fields of each revision; the first revision has number 1 and is never removed.
    revisions: Vec<Fields>,
    /// Number of the last revisions that reads do not return yet.
    lag: usize,
    deleted: bool,
    hidden_from: Vec<Uuid>,
}

impl Item {
    fn rev(&self) -> usize {
        self.revisions.len()
    }

    /// Returns the number and the fields of the revision that reads return.
    fn visible_revision(&self) -> (usize, &Fields) {
        let rev = self.revisions.len() - self.lag;
        (rev, &self.revisions[rev - 1])
    }

    fn fields(&self) -> &Fields {
        &self.revisions[self.revisions.len() - 1]
    }

    fn change(&mut self, by: Value, edit: impl FnOnce(&mut Fields)) {
        let mut fields = self.fields().clone();
        edit(&mut fields);
        fields.insert("System.ChangedBy".to_owned(), by);
        self.revisions.push(fields);
    }
}

impl Default for WorkItems {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            types: types::agile(),
            own_types: HashMap::new(),
            next_id: 4711,
            absent_fields: Vec::new(),
            people_as_text: false,
        }
    }
}

/// Returns a person who occurs in no test.
fn stranger() -> Value {
    json!({
        "id": Uuid::from_u128(0xabc), "displayName": "Somebody Else", "uniqueName": "else@contoso.example",
        "url": "u", "imageUrl": "u", "descriptor": "aad.else", "_links": { "avatar": { "href": "u" } }
    })
}

impl WorkItems {
    /// Adds a work item. Returns its id.
    pub fn add(&mut self, new: NewWorkItem) -> i32 {
        let id = self.next_id;
        self.next_id += 1;
        self.add_as(id, new);
        id
    }

    /// Adds a work item under an id, in place of the one that has it.
    pub(crate) fn add_as(&mut self, id: i32, new: NewWorkItem) {
        let mut fields = new.fields;
        for field in ["System.CreatedBy", "System.ChangedBy"] {
            fields.insert(field.to_owned(), stranger());
        }
        self.items.insert(
            id,
            Item {
                revisions: vec![fields],
                lag: 0,
                deleted: false,
                hidden_from: Vec::new(),
            },
        );
    }

    /// Appends revisions to the first one of a work item; ids that do not exist are left out.
    pub(crate) fn continue_with(&mut self, id: i32, mut revisions: Vec<Fields>) {
        if let Some(item) = self.items.get_mut(&id) {
            item.revisions.truncate(1);
            store::move_to_iteration(&mut revisions, &item.revisions[0]);
            item.revisions.append(&mut revisions);
        }
    }

    /// Returns the revisions after the first one of each work item that has some, by id.
    pub(crate) fn changes(&self) -> BTreeMap<i32, &[Fields]> {
        let items = self.items.iter().filter(|(_, item)| item.rev() > 1);
        items.map(|(id, item)| (*id, &item.revisions[1..])).collect()
    }

    /// Gives a project types of its own.
    pub(crate) fn set_types(&mut self, project: &str, types: HashMap<String, Type>) {
        self.own_types.insert(project.to_owned(), types);
    }

    /// Returns the types of a project.
    fn types_of(&self, project: &str) -> &HashMap<String, Type> {
        self.own_types.get(project).unwrap_or(&self.types)
    }

    /// Returns `true` if the organisation has a work item with this id, deleted or not.
    #[must_use]
    pub fn contains(&self, id: i32) -> bool {
        self.items.contains_key(&id)
    }

    /// Returns the value of one of the three fields of hours, such as `CompletedWork`.
    #[must_use]
    pub fn hours(&self, id: i32, field: &str) -> Option<f64> {
        let fields = self.item(id).fields();
        fields.get(&format!("{SCHEDULING}{field}"))?.as_f64()
    }

    /// Returns the part of `CompletedWork` that people typed: its first value and each change by
    /// [`WorkItems::edit`].
    #[must_use]
    pub fn typed_hours(&self, id: i32) -> f64 {
        let name = format!("{SCHEDULING}CompletedWork");
        let hours = |fields: &Fields| fields.get(&name).and_then(Value::as_f64).unwrap_or_default();
        let revisions = &self.item(id).revisions;
        let changes = revisions
            .windows(2)
            .filter(|pair| pair[1]["System.ChangedBy"] == stranger());
        hours(&revisions[0]) + changes.map(|pair| hours(&pair[1]) - hours(&pair[0])).sum::<f64>()
    }

    /// Changes a field, as a person does in the web portal.
    pub fn edit(&mut self, id: i32, field: &str, value: Value) {
        self.item_mut(id).change(stranger(), |fields| {
            fields.insert(field.to_owned(), value);
        });
    }

    /// Changes one of the three fields of hours, as a person does in the web portal.
    pub fn set_hours(&mut self, id: i32, field: &str, hours: f64) {
        self.edit(id, &format!("{SCHEDULING}{field}"), json!(hours));
    }

    /// Moves a work item to the recycle bin.
    pub fn delete(&mut self, id: i32) {
        self.item_mut(id).deleted = true;
    }

    /// Moves a work item back from the recycle bin.
    pub fn restore(&mut self, id: i32) {
        self.item_mut(id).deleted = false;
    }

    /// Restores a work item from a backup, without its last `count` revisions.
    ///
    /// # Panics
    /// Panics if no revision would remain.
    pub fn roll_back(&mut self, id: i32, count: usize) {
        let revisions = &mut self.item_mut(id).revisions;
        assert!(count < revisions.len(), "a work item keeps its first revision");
        revisions.truncate(revisions.len() - count);
    }

    /// Returns the number of revisions of a work item.
    #[must_use]
    pub fn revision_count(&self, id: i32) -> usize {
        self.item(id).revisions.len()
    }

    /// Makes reads stale: they omit the last `count` revisions of a work item.
    pub fn lag(&mut self, id: i32, count: usize) {
        self.item_mut(id).lag = count;
    }

    /// Hides a work item from a person.
    pub fn hide(&mut self, id: i32, from: Uuid) {
        self.item_mut(id).hidden_from.push(from);
    }

    /// Adds `count` copies of the last revision.
    pub fn repeat_revision(&mut self, id: i32, count: usize) {
        let item = self.item_mut(id);
        let last = item.fields().clone();
        item.revisions.extend(std::iter::repeat_n(last, count));
    }

    /// Renames a project in all work items, without a new revision.
    pub fn rename_project(&mut self, old: &str, new: &str) {
        if let Some(types) = self.own_types.remove(old) {
            self.own_types.insert(new.to_owned(), types);
        }
        for fields in self.items.values_mut().flat_map(|item| &mut item.revisions) {
            if fields["System.TeamProject"] == old {
                fields.insert("System.TeamProject".to_owned(), json!(new));
            }
        }
    }

    /// Adds a state to a type.
    pub fn add_state(&mut self, type_name: &str, name: &str, category: &str) {
        let states = &mut self.type_mut(type_name).states;
        states.push((name.to_owned(), category.to_owned()));
    }

    /// Removes a state from a type; work items in the state are not changed.
    pub fn remove_state(&mut self, type_name: &str, name: &str) {
        let states = &mut self.type_mut(type_name).states;
        states.retain(|(state, _)| state != name);
    }

    /// Omits parts of the responses about a type.
    pub fn leave_out(&mut self, type_name: &str, gaps: Gaps) {
        self.type_mut(type_name).gaps = gaps;
    }

    /// Removes a field from the collection.
    pub fn remove_field(&mut self, name: &str) {
        self.absent_fields.push(name.to_owned());
        for known in self.types.values_mut() {
            known.fields.retain(|field| field != name);
        }
        for fields in self.items.values_mut().flat_map(|item| &mut item.revisions) {
            fields.remove(name);
        }
    }

    fn item(&self, id: i32) -> &Item {
        let found = self.items.get(&id);
        found.unwrap_or_else(|| panic!("no work item has the id {id}"))
    }

    fn item_mut(&mut self, id: i32) -> &mut Item {
        let found = self.items.get_mut(&id);
        found.unwrap_or_else(|| panic!("no work item has the id {id}"))
    }

    fn type_mut(&mut self, name: &str) -> &mut Type {
        let found = self.types.get_mut(name);
        found.unwrap_or_else(|| panic!("no type is called {name}"))
    }

    /// Returns the type of a work item. Returns `None` if the collection lacks it.
    fn type_of(&self, fields: &Fields) -> Option<&Type> {
        let project = fields.get("System.TeamProject")?.as_str()?;
        self.types_of(project)
            .get(fields.get("System.WorkItemType")?.as_str()?)
    }

    /// Returns the error TF51535 if a wanted field is absent, else `None`.
    fn absent(&self, wanted: &[&str]) -> Option<Response<Body>> {
        let absent = wanted
            .iter()
            .find(|field| self.absent_fields.iter().any(|name| name == *field))?;
        let message = format!("TF51535: Cannot find field {absent}.");
        Some(error(
            400,
            "WorkItemTrackingFieldDefinitionNotFoundException",
            &message,
        ))
    }

    fn category(&self, fields: &Fields) -> Option<&str> {
        let state = fields.get("System.State")?.as_str()?;
        let mut states = self.type_of(fields)?.states.iter();
        let found = states.find(|(name, _)| name == state)?;
        Some(&found.1)
    }

    fn readable(&self, id: i32, by: Uuid) -> Option<&Item> {
        let item = self.items.get(&id)?;
        (!item.deleted && !item.hidden_from.contains(&by)).then_some(item)
    }
}
