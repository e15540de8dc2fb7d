//! Types of work items, with their states and fields.

use std::collections::HashMap;

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use super::SCHEDULING;
use crate::planning::project_of;
use crate::reply::{error, list, with_status};
use crate::world::{Org, Project};

/// Describes a type of a process.
#[derive(Debug, Clone)]
pub(crate) struct Type {
    /// Name and category of each state.
    pub(super) states: Vec<(String, String)>,
    /// Reference names of the fields.
    pub(super) fields: Vec<String>,
    pub(super) reference: String,
    /// Six hexadecimal digits.
    pub(super) color: &'static str,
    pub(super) icon: String,
    pub(super) gaps: Gaps,
}

/// Parts that the responses about a type lack.
#[derive(Debug, Clone, Default)]
pub struct Gaps {
    /// `true` if the list of types lacks `fields`.
    pub fields: bool,
    /// `true` if the list of types lacks `states`.
    pub states: bool,
    /// State that has `category: null` in the list.
    pub category_of: Option<&'static str>,
    /// `true` if the response with this type alone has the same gaps.
    pub also_by_name: bool,
}

impl Gaps {
    fn hides(&self, listed: bool) -> bool {
        listed || self.also_by_name
    }
}

/// Returns the types of a new organisation.
pub(super) fn agile() -> HashMap<String, Type> {
    let states = [
        ("To Do", "Proposed"),
        ("Doing", "InProgress"),
        ("Testing", "Resolved"),
        ("Done", "Completed"),
        ("Removed", "Removed"),
    ];
    let all = ["OriginalEstimate", "RemainingWork", "CompletedWork"];
    let of = |name: &str, fields: &[&str]| {
        let icon = format!("icon_{}", name.to_lowercase());
        let new = Type::new(&format!("Custom.{name}"), "F2CB1D", &icon, &states, fields);
        (name.to_owned(), new)
    };
    HashMap::from([
        of("Task", &all),
        of("Bug", &all),
        of("Epic", &[]),
        // As in Scrum: the type has no field of completed work.
        of("Chore", &["RemainingWork"]),
    ])
}

impl Type {
    /// Returns a type with these states (name and category) and these fields of hours.
    pub(crate) fn new(
        reference: &str,
        color: &'static str,
        icon: &str,
        states: &[(&str, &str)],
        hours: &[&str],
    ) -> Self {
        let states = states.iter();
        let hours = hours.iter().map(|field| format!("{SCHEDULING}{field}"));
        Self {
            states: states
                .map(|(name, category)| ((*name).to_owned(), (*category).to_owned()))
                .collect(),
            fields: hours
                .chain(["System.State", "System.Title"].map(str::to_owned))
                .collect(),
            reference: reference.to_owned(),
            color,
            icon: icon.to_owned(),
            gaps: Gaps::default(),
        }
    }
}

/// Returns the types of a project, given by id or name.
fn types_of<'a>(org: &'a Org, project: &str) -> &'a HashMap<String, Type> {
    let name = project_of(org, project).map_or(project, Project::name);
    org.work_items.types_of(name)
}

/// Returns a type as in the list (`listed`), or as in the response with this type alone.
fn as_json(name: &str, known: &Type, listed: bool) -> Value {
    let gaps = &known.gaps;
    let state = |(name, category): &(String, String)| {
        let category = Some(category).filter(|_| !(gaps.hides(listed) && gaps.category_of == Some(name)));
        json!({ "name": name, "color": "b2b2b2", "category": category })
    };
    let field = |reference: &String| {
        let name = reference.rsplit('.').next();
        json!({
            "referenceName": reference, "name": name, "helpText": null, "alwaysRequired": false, "url": "u"
        })
    };
    let states: Vec<Value> = known.states.iter().map(state).collect();
    let fields: Vec<Value> = known.fields.iter().map(field).collect();
    let mut json = json!({
        "name": name, "referenceName": known.reference, "description": "", "color": known.color,
        "icon": { "id": known.icon, "url": "https://tfsprod.visualstudio.com/_apis/wit/workItemIcons/x" },
        "isDisabled": false, "xmlForm": "<FORM/>".repeat(1_000), "transitions": {}, "url": "u"
    });
    if !(gaps.hides(listed) && gaps.fields) {
        json["fieldInstances"] = json!(fields);
        json["fields"] = json!(fields);
    }
    if !(gaps.hides(listed) && gaps.states) {
        json["states"] = json!(states);
    }
    json
}

fn no_type(name: &str) -> Response<Body> {
    error(
        404,
        "WorkItemTypeNotFoundException",
        &format!("VS402323: Work item type {name} does not exist"),
    )
}

/// Responds with all types of a project.
pub(crate) fn list_types(org: &Org, project: &str) -> Response<Body> {
    let types = types_of(org, project).iter();
    let value: Vec<Value> = types.map(|(name, known)| as_json(name, known, true)).collect();
    list(&value)
}

/// Answers with one type of a project.
pub(crate) fn one_type(org: &Org, project: &str, name: &str) -> Response<Body> {
    match types_of(org, project).get(name) {
        Some(known) => with_status(200, &as_json(name, known, false)),
        None => no_type(name),
    }
}

/// Responds with the states of a type.
pub(crate) fn type_states(org: &Org, project: &str, name: &str) -> Response<Body> {
    let Some(known) = types_of(org, project).get(name) else {
        return no_type(name);
    };
    let state = |(name, category): &(String, String)| json!({ "name": name, "color": "b2b2b2", "category": category });
    let value: Vec<Value> = known.states.iter().map(state).collect();
    list(&value)
}

/// Responds with the states of a type in a process; the type is given by its reference name.
pub(crate) fn process_states(org: &Org, process: &str, reference: &str) -> Response<Body> {
    let name = reference.rsplit('.').next().unwrap_or(reference);
    let project = org.projects.iter().find(|project| project.process.id == process);
    let found = project.and_then(|project| {
        let mut types = org.work_items.types_of(project.name()).iter();
        types.find(|(known, of)| of.reference == reference || *known == name)
    });
    let Some((_, known)) = found else {
        return error(404, "ProcessWorkItemTypeDoesNotExistException", "VS403109");
    };
    let value: Vec<Value> = known
        .states
        .iter()
        .zip(1..)
        .map(|((name, category), order)| {
            json!({
                "id": name, "name": name, "color": "b2b2b2", "stateCategory": category, "order": order, "url": "u"
            })
        })
        .collect();
    list(&value)
}
