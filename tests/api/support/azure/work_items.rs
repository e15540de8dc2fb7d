//! Work items of the fake: revisions, types with states and fields, JSON Patch with its test of the revision.

use std::collections::{BTreeMap, HashMap};

use axum::body::Body;
use axum::http::Response;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::planning::project_of;
use super::routes::with_status;
use super::wiql::{Query, Subject};
use super::world::{Org, Person};

const SCHEDULING: &str = "Microsoft.VSTS.Scheduling.";

/// Everything that an organisation knows of work items.
#[derive(Debug)]
pub struct WorkItems {
    items: BTreeMap<i32, Item>,
    types: HashMap<String, Type>,
    next_id: i32,
    /// Reference names of fields that the collection does not have.
    absent_fields: Vec<String>,
    /// The collection tells people as text: `Name <account>`.
    pub people_as_text: bool,
}

/// A type of work items, the same in every project.
#[derive(Debug, Clone)]
struct Type {
    states: Vec<(String, String)>,
    fields: Vec<String>,
    gaps: Gaps,
}

/// What answers do not tell of a type.
#[derive(Debug, Clone, Default)]
pub struct Gaps {
    /// The list of types has no `fields`.
    pub fields: bool,
    /// The list of types tells no states at all.
    pub states: bool,
    /// The list tells this state with `category: null`.
    pub category_of: Option<&'static str>,
    /// The type itself does so, too.
    pub also_by_name: bool,
}

#[derive(Debug)]
struct Item {
    /// Fields of each revision; the first one has number 1.
    revisions: Vec<Map<String, Value>>,
    /// Revisions that reads do not show yet.
    lag: usize,
    deleted: bool,
    hidden_from: Vec<Uuid>,
}

impl Item {
    fn rev(&self) -> i32 {
        i32::try_from(self.revisions.len()).unwrap()
    }

    /// The revision that reads show, and its fields.
    fn shown(&self) -> (i32, &Map<String, Value>) {
        let rev = self.revisions.len() - self.lag;
        (i32::try_from(rev).unwrap(), &self.revisions[rev - 1])
    }

    fn fields(&self) -> &Map<String, Value> {
        self.revisions.last().unwrap()
    }

    fn change(&mut self, by: Value, edit: impl FnOnce(&mut Map<String, Value>)) {
        let mut fields = self.fields().clone();
        edit(&mut fields);
        fields.insert("System.ChangedBy".to_owned(), by);
        self.revisions.push(fields);
    }
}

impl Default for WorkItems {
    fn default() -> Self {
        let states = [
            ("To Do", "Proposed"),
            ("Doing", "InProgress"),
            ("Testing", "Resolved"),
            ("Done", "Completed"),
            ("Removed", "Removed"),
        ];
        let all = ["OriginalEstimate", "RemainingWork", "CompletedWork"];
        let of = |fields: &[&str]| Type {
            states: states
                .map(|(name, category)| (name.to_owned(), category.to_owned()))
                .to_vec(),
            fields: fields
                .iter()
                .map(|field| format!("{SCHEDULING}{field}"))
                .chain(["System.State", "System.Title"].map(str::to_owned))
                .collect(),
            gaps: Gaps::default(),
        };
        Self {
            items: BTreeMap::new(),
            types: HashMap::from([
                ("Task".to_owned(), of(&all)),
                ("Bug".to_owned(), of(&all)),
                ("Epic".to_owned(), of(&[])),
                // As Scrum has it: nothing is known of what is done.
                ("Chore".to_owned(), of(&["RemainingWork"])),
            ]),
            next_id: 4711,
            absent_fields: Vec::new(),
            people_as_text: false,
        }
    }
}

/// A work item in the making.
#[derive(Debug, Clone)]
pub struct NewWorkItem {
    fields: Map<String, Value>,
}

impl NewWorkItem {
    /// An open task without hours.
    pub fn task(project: &str) -> Self {
        let fields = json!({
            "System.TeamProject": project, "System.WorkItemType": "Task", "System.State": "Doing",
            "System.Title": "Close the books", "System.ChangedDate": "2026-11-01T10:00:00Z"
        });
        Self {
            fields: fields.as_object().unwrap().clone(),
        }
    }

    pub fn tipo(self, tipo: &str) -> Self {
        self.with("System.WorkItemType", json!(tipo))
    }

    pub fn titled(self, title: &str) -> Self {
        self.with("System.Title", json!(title))
    }

    pub fn state(self, state: &str) -> Self {
        self.with("System.State", json!(state))
    }

    pub fn under(self, parent: i32) -> Self {
        self.with("System.Parent", json!(parent))
    }

    pub fn of(self, person: &Person) -> Self {
        self.with(
            "System.AssignedTo",
            json!({ "id": person.id, "displayName": person.nome, "uniqueName": person.email }),
        )
    }

    /// Last changed on this day.
    pub fn changed(self, day: &str) -> Self {
        self.with("System.ChangedDate", json!(format!("{day}T10:00:00Z")))
    }

    pub fn area(self, path: &str) -> Self {
        self.with("System.AreaPath", json!(path))
    }

    pub fn estimate(self, hours: f64) -> Self {
        self.with("Microsoft.VSTS.Scheduling.OriginalEstimate", json!(hours))
    }

    pub fn remaining(self, hours: f64) -> Self {
        self.with("Microsoft.VSTS.Scheduling.RemainingWork", json!(hours))
    }

    pub fn completed(self, hours: f64) -> Self {
        self.with("Microsoft.VSTS.Scheduling.CompletedWork", json!(hours))
    }

    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.fields.insert(field.to_owned(), value);
        self
    }
}

/// A human being who has nothing to do with the tests.
fn somebody() -> Value {
    json!({ "id": Uuid::from_u128(0xabc), "displayName": "Somebody Else", "uniqueName": "else@contoso.example" })
}

impl WorkItems {
    pub fn add(&mut self, new: NewWorkItem) -> i32 {
        let id = self.next_id;
        self.next_id += 1;
        let mut fields = new.fields;
        fields.insert("System.ChangedBy".to_owned(), somebody());
        self.items.insert(
            id,
            Item {
                revisions: vec![fields],
                lag: 0,
                deleted: false,
                hidden_from: Vec::new(),
            },
        );
        id
    }

    /// The value of one of the three fields.
    pub fn hours(&self, id: i32, field: &str) -> Option<f64> {
        let fields = self.items[&id].fields();
        Some(fields.get(&format!("{SCHEDULING}{field}"))?.as_f64().unwrap())
    }

    /// What people typed of `CompletedWork`: its start and all that [`WorkItems::edit`] added since.
    pub fn typed_hours(&self, id: i32) -> f64 {
        let name = format!("{SCHEDULING}CompletedWork");
        let hours =
            |fields: &Map<String, Value>| fields.get(&name).and_then(Value::as_f64).unwrap_or_default();
        let revisions = &self.items[&id].revisions;
        let changes = revisions
            .windows(2)
            .filter(|pair| pair[1]["System.ChangedBy"] == somebody());
        hours(&revisions[0]) + changes.map(|pair| hours(&pair[1]) - hours(&pair[0])).sum::<f64>()
    }

    /// Somebody changes a field in the web portal.
    pub fn edit(&mut self, id: i32, field: &str, value: Value) {
        let item = self.items.get_mut(&id).unwrap();
        item.change(somebody(), |fields| {
            fields.insert(field.to_owned(), value);
        });
    }

    pub fn set_hours(&mut self, id: i32, field: &str, hours: f64) {
        self.edit(id, &format!("{SCHEDULING}{field}"), json!(hours));
    }

    pub fn delete(&mut self, id: i32) {
        self.items.get_mut(&id).unwrap().deleted = true;
    }

    /// It comes back from the recycle bin.
    pub fn restore(&mut self, id: i32) {
        self.items.get_mut(&id).unwrap().deleted = false;
    }

    /// The collection is restored from a backup: the item's last `count` revisions never happened.
    pub fn roll_back(&mut self, id: i32, count: usize) {
        let revisions = &mut self.items.get_mut(&id).unwrap().revisions;
        assert!(count < revisions.len(), "a work item keeps its first revision");
        revisions.truncate(revisions.len() - count);
    }

    /// Number of revisions of a work item.
    pub fn revision_count(&self, id: i32) -> usize {
        self.items[&id].revisions.len()
    }

    /// Reads are answered by a part that has not heard of the item's last `count` revisions.
    pub fn lag(&mut self, id: i32, count: usize) {
        self.items.get_mut(&id).unwrap().lag = count;
    }

    /// This person may not read it any more.
    pub fn hide(&mut self, id: i32, from: Uuid) {
        self.items.get_mut(&id).unwrap().hidden_from.push(from);
    }

    /// What a project is called on all its work items; no revision tells of it.
    pub fn rename_project(&mut self, old: &str, new: &str) {
        for fields in self.items.values_mut().flat_map(|item| &mut item.revisions) {
            if fields["System.TeamProject"] == old {
                fields.insert("System.TeamProject".to_owned(), json!(new));
            }
        }
    }

    /// The process gets a state of its own.
    pub fn add_state(&mut self, tipo: &str, name: &str, category: &str) {
        let states = &mut self.types.get_mut(tipo).unwrap().states;
        states.push((name.to_owned(), category.to_owned()));
    }

    /// The process loses a state; work items stay in it.
    pub fn remove_state(&mut self, tipo: &str, name: &str) {
        let states = &mut self.types.get_mut(tipo).unwrap().states;
        states.retain(|(state, _)| state != name);
    }

    /// Answers tell less of a type from now on.
    pub fn leave_out(&mut self, tipo: &str, gaps: Gaps) {
        self.types.get_mut(tipo).unwrap().gaps = gaps;
    }

    /// The collection loses a field.
    pub fn remove_field(&mut self, name: &str) {
        self.absent_fields.push(name.to_owned());
        for tipo in self.types.values_mut() {
            tipo.fields.retain(|field| field != name);
        }
        for fields in self.items.values_mut().flat_map(|item| &mut item.revisions) {
            fields.remove(name);
        }
    }

    /// `count` revisions more.
    pub fn repeat_revision(&mut self, id: i32, count: usize) {
        let revisions = &mut self.items.get_mut(&id).unwrap().revisions;
        let last = revisions.last().unwrap().clone();
        revisions.extend(std::iter::repeat_n(last, count));
    }

    /// TF51535, where a field is asked for that the collection does not have.
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

    fn category(&self, fields: &Map<String, Value>) -> Option<&str> {
        let tipo = self.types.get(fields["System.WorkItemType"].as_str()?)?;
        let state = fields["System.State"].as_str()?;
        let found = tipo.states.iter().find(|(name, _)| name == state)?;
        Some(&found.1)
    }

    fn readable(&self, id: i32, by: Uuid) -> Option<&Item> {
        let item = self.items.get(&id)?;
        (!item.deleted && !item.hidden_from.contains(&by)).then_some(item)
    }
}

/// A work item as it goes over the wire. Hosted organisations tell the project's GUID in the address.
fn as_json(org: &Org, id: i32, rev: i32, fields: &Map<String, Value>, wanted: Option<&[&str]>) -> Value {
    let project = org
        .projects
        .iter()
        .find(|project| project.json["name"] == fields["System.TeamProject"])
        .filter(|project| !project.on_own_server)
        .map(|project| format!("{}/", project.id));
    let url = format!(
        "https://dev.azure.com/contoso/{}_apis/wit/workItems/{id}",
        project.unwrap_or_default()
    );
    let told = |value: &Value| {
        if org.work_items.people_as_text {
            as_text(value)
        } else {
            value.clone()
        }
    };
    let fields: Map<String, Value> = fields
        .iter()
        .filter(|(name, _)| wanted.is_none_or(|wanted| wanted.contains(&name.as_str())))
        .map(|(name, value)| (name.clone(), told(value)))
        .collect();
    json!({ "id": id, "rev": rev, "fields": fields, "url": url })
}

/// `Name <account>`, as old servers tell people.
fn as_text(who: &Value) -> Value {
    match (who["displayName"].as_str(), who["uniqueName"].as_str()) {
        (Some(name), Some(account)) => json!(format!("{name} <{account}>")),
        _ => who.clone(),
    }
}

fn error(status: u16, type_key: &str, message: &str) -> Response<Body> {
    let body = json!({ "$id": "1", "innerException": null, "message": message, "typeKey": type_key, "errorCode": 0 });
    with_status(status, &body)
}

fn gone(id: i32) -> Response<Body> {
    error(
        404,
        "WorkItemUnauthorizedAccessException",
        &format!("TF401232: Work item {id} does not exist, or you do not have permissions to read it."),
    )
}

pub fn read(org: &Org, by: Uuid, id: &str, fields: Option<&str>) -> Response<Body> {
    let id: i32 = id.parse().unwrap();
    let wanted: Option<Vec<&str>> = fields.map(|fields| fields.split(',').collect());
    if let Some(refused) = org.work_items.absent(wanted.as_deref().unwrap_or_default()) {
        return refused;
    }
    match org.work_items.readable(id, by) {
        Some(item) => {
            let (rev, fields) = item.shown();
            with_status(200, &as_json(org, id, rev, fields, wanted.as_deref()))
        }
        None => gone(id),
    }
}

pub fn revision(org: &Org, by: Uuid, id: &str, rev: &str) -> Response<Body> {
    let (id, rev): (i32, usize) = (id.parse().unwrap(), rev.parse().unwrap());
    let item = org.work_items.readable(id, by);
    match item.and_then(|item| item.revisions.get(rev.checked_sub(1)?)) {
        Some(fields) => with_status(200, &as_json(org, id, i32::try_from(rev).unwrap(), fields, None)),
        None => gone(id),
    }
}

pub fn batch(org: &Org, by: Uuid, body: &[u8]) -> Response<Body> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let ids = body["ids"].as_array().unwrap();
    if ids.len() > 200 {
        return error(
            400,
            "VssPropertyValidationException",
            "VS403474: You requested more than 200",
        );
    }
    assert_eq!(body["errorPolicy"], "omit");
    let wanted: Vec<&str> = body["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f.as_str().unwrap())
        .collect();
    if let Some(refused) = org.work_items.absent(&wanted) {
        return refused;
    }
    let one = |id: &Value| {
        let id = i32::try_from(id.as_i64().unwrap()).unwrap();
        let item = org.work_items.readable(id, by);
        item.map_or(Value::Null, |item| {
            let (rev, fields) = item.shown();
            as_json(org, id, rev, fields, Some(&wanted))
        })
    };
    let value: Vec<Value> = ids.iter().map(one).collect();
    with_status(200, &json!({ "count": value.len(), "value": value }))
}

/// Without a person the change is checked and not stored.
pub fn update(
    org: &mut Org,
    person: Option<&Person>,
    id: &str,
    content_type: &str,
    body: &[u8],
) -> Response<Body> {
    let id: i32 = id.parse().unwrap();
    if content_type != "application/json-patch+json" {
        return error(400, "VssRequestContentTypeNotSupportedException", content_type);
    }
    let work_items = &mut org.work_items;
    let Some(item) = work_items.readable(id, person.map_or(Uuid::nil(), |person| person.id)) else {
        return gone(id);
    };
    let operations: Vec<Value> = serde_json::from_slice(body).unwrap();
    let tipo = &work_items.types[item.fields()["System.WorkItemType"].as_str().unwrap()];
    let closed = matches!(work_items.category(item.fields()), Some("Completed" | "Removed"));
    let mut changes = Vec::new();
    for operation in &operations {
        let path = operation["path"].as_str().unwrap();
        match operation["op"].as_str().unwrap() {
            "test" if path == "/rev" => {
                if operation["value"].as_i64() != Some(item.rev().into()) {
                    return error(412, "TestPatchOperationFailedException", "VS403351: Test failed");
                }
            }
            "add" => {
                let field = path.strip_prefix("/fields/").unwrap();
                if !tipo.fields.iter().any(|known| known == field) {
                    return error(
                        400,
                        "WorkItemFieldNotFoundException",
                        "TF51535: Cannot find field",
                    );
                }
                if closed && field.ends_with("RemainingWork") {
                    return rule_violation(field, "invalidNotEmpty");
                }
                changes.push((field.to_owned(), operation["value"].clone()));
            }
            other => panic!("unexpected operation {other}"),
        }
    }
    if let Some(person) = person {
        let id_in_revisions = person.changes_as.unwrap_or(person.id);
        let by = json!({ "id": id_in_revisions, "displayName": person.nome, "uniqueName": person.email });
        let item = work_items.items.get_mut(&id).unwrap();
        item.change(by, |fields| fields.extend(changes));
    }
    let item = &org.work_items.items[&id];
    with_status(200, &as_json(org, id, item.rev(), item.fields(), None))
}

/// TF401320: a rule of the process objects to a field.
pub fn rule_violation(field: &str, flags: &str) -> Response<Body> {
    let body = json!({
        "$id": "1",
        "message": "TF401320: Rule Error for a field. Ana Secreta must fill it in.",
        "typeKey": "RuleValidationException",
        "customProperties": {
            "FieldReferenceName": field,
            "RuleValidationErrors": [{
                "fieldReferenceName": field, "fieldStatusFlags": flags, "errorMessage": "Ana Secreta must fill it in."
            }]
        }
    });
    with_status(400, &body)
}

/// Work items that match, the last changed first; over links with everything above them.
pub fn query(org: &Org, project: Option<&str>, top: Option<String>, body: &[u8]) -> Response<Body> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let query = match Query::parse(body["query"].as_str().unwrap()) {
        Ok(query) => query,
        Err(why) => return error(400, "WorkItemTrackingQueryException", &why),
    };
    let project = match project {
        Some(project) => match project_of(org, project) {
            Some(project) => Some(project.json["name"].as_str().unwrap()),
            None => return with_status(404, &json!({ "typeKey": "ProjectDoesNotExistWithNameException" })),
        },
        None => None,
    };
    let known = |area: &&str| project_of(org, area.split('\\').next().unwrap()).is_some();
    if !query.areas().all(|area| known(&area)) {
        return error(
            400,
            "WorkItemTrackingQueryException",
            "TF51011: The area path does not exist",
        );
    }
    let items = &org.work_items.items;
    let mut found: Vec<i32> = items
        .iter()
        .filter(|(_, item)| !item.deleted)
        .filter(|(id, item)| {
            query.matches(&Subject {
                id: **id,
                fields: item.fields(),
                project,
            })
        })
        .map(|(id, _)| *id)
        .collect();
    if query.tree {
        let mut relations = Vec::new();
        for id in found {
            let mut at = id;
            relations.push(json!({ "rel": null, "source": null, "target": { "id": id } }));
            while let Some(parent) = items
                .get(&at)
                .and_then(|item| item.fields().get("System.Parent")?.as_i64())
            {
                let parent = i32::try_from(parent).unwrap();
                if !items.contains_key(&parent) || relations.len() > 50_000 {
                    break;
                }
                relations.push(json!({
                    "rel": "System.LinkTypes.Hierarchy-Forward", "source": { "id": parent }, "target": { "id": at }
                }));
                at = parent;
                if at == id {
                    break;
                }
            }
        }
        return with_status(
            200,
            &json!({ "queryType": "tree", "queryResultType": "workItemLink", "workItemRelations": relations }),
        );
    }
    let changed = |id: &i32| {
        items[id].fields()["System.ChangedDate"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    found.sort_by_key(|id| (std::cmp::Reverse(changed(id)), *id));
    found.truncate(top.map_or(usize::MAX, |top| top.parse().unwrap()));
    let found: Vec<Value> = found
        .into_iter()
        .map(|id| json!({ "id": id, "url": "u" }))
        .collect();
    with_status(
        200,
        &json!({ "queryType": "flat", "queryResultType": "workItem", "workItems": found }),
    )
}

pub fn revisions(org: &Org, by: Uuid, id: &str, top: usize, skip: usize) -> Response<Body> {
    let id: i32 = id.parse().unwrap();
    let Some(item) = org.work_items.readable(id, by) else {
        return gone(id);
    };
    let revisions = item.revisions.iter().enumerate().skip(skip).take(top.min(200));
    let value: Vec<Value> = revisions
        .map(|(n, fields)| as_json(org, id, i32::try_from(n + 1).unwrap(), fields, None))
        .collect();
    with_status(200, &json!({ "count": value.len(), "value": value }))
}

/// A type as the list tells it (`listed`), or by itself.
fn tell_type(name: &str, tipo: &Type, listed: bool) -> Value {
    let gaps = &tipo.gaps;
    let state = |(name, category): &(String, String)| {
        let category = Some(category).filter(|_| !(gaps.hides(listed) && gaps.category_of == Some(name)));
        json!({ "name": name, "color": "b2b2b2", "category": category })
    };
    let states: Vec<Value> = tipo.states.iter().map(state).collect();
    let fields: Vec<Value> = tipo
        .fields
        .iter()
        .map(|field| json!({ "referenceName": field }))
        .collect();
    let icon = format!("icon_{}", name.to_lowercase());
    let mut told = json!({
        "name": name, "referenceName": format!("Custom.{name}"), "color": "F2CB1D", "isDisabled": false,
        "icon": { "id": icon, "url": "https://tfsprod.visualstudio.com/_apis/wit/workItemIcons/x" },
        "states": states, "fields": fields, "xmlForm": "<FORM/>".repeat(1_000)
    });
    let told_keys = told.as_object_mut().unwrap();
    if gaps.hides(listed) && gaps.fields {
        told_keys.remove("fields");
    }
    if gaps.hides(listed) && gaps.states {
        told_keys.remove("states");
    }
    told
}

impl Gaps {
    fn hides(&self, listed: bool) -> bool {
        listed || self.also_by_name
    }
}

pub fn types(org: &Org) -> Response<Body> {
    let types = org.work_items.types.iter();
    let value: Vec<Value> = types.map(|(name, tipo)| tell_type(name, tipo, true)).collect();
    with_status(200, &json!({ "count": value.len(), "value": value }))
}

fn no_type(name: &str) -> Response<Body> {
    error(
        404,
        "WorkItemTypeNotFoundException",
        &format!("VS402323: Work item type {name} does not exist"),
    )
}

pub fn one_type(org: &Org, name: &str) -> Response<Body> {
    match org.work_items.types.get(name) {
        Some(tipo) => with_status(200, &tell_type(name, tipo, false)),
        None => no_type(name),
    }
}

pub fn type_states(org: &Org, name: &str) -> Response<Body> {
    let Some(tipo) = org.work_items.types.get(name) else {
        return no_type(name);
    };
    let state = |(name, category): &(String, String)| json!({ "name": name, "color": "b2b2b2", "category": category });
    let value: Vec<Value> = tipo.states.iter().map(state).collect();
    with_status(200, &json!({ "count": value.len(), "value": value }))
}

pub fn process_states(org: &Org, process: &str, tipo: &str) -> Response<Body> {
    let tipo = tipo.rsplit('.').next().unwrap();
    let Some(tipo) = org.work_items.types.get(tipo).filter(|_| process == "agile-id") else {
        return error(404, "ProcessWorkItemTypeDoesNotExistException", "VS403109");
    };
    let value: Vec<Value> = tipo
        .states
        .iter()
        .map(|(name, category)| json!({ "id": name, "name": name, "stateCategory": category, "order": 1 }))
        .collect();
    with_status(200, &json!({ "count": value.len(), "value": value }))
}
