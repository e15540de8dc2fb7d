//! Types of work items, with their states and fields.

use std::collections::HashMap;

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use super::SCHEDULING;
use crate::reply::{error, list, with_status};
use crate::world::Org;

/// Describes a type, the same in every project.
#[derive(Debug, Clone)]
pub(super) struct Type {
    /// Name and category of each state.
    pub(super) states: Vec<(String, String)>,
    /// Reference names.
    pub(super) fields: Vec<String>,
    pub(super) gaps: Gaps,
}

/// Lists the parts that answers about a type lack.
#[derive(Debug, Clone, Default)]
pub struct Gaps {
    /// The list of types has no `fields`.
    pub fields: bool,
    /// The list of types has no `states`.
    pub states: bool,
    /// The list gives this state `category: null`.
    pub category_of: Option<&'static str>,
    /// The answer with the type alone has the same gaps.
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
    HashMap::from([
        ("Task".to_owned(), of(&all)),
        ("Bug".to_owned(), of(&all)),
        ("Epic".to_owned(), of(&[])),
        // As in Scrum: the type has no field of completed work.
        ("Chore".to_owned(), of(&["RemainingWork"])),
    ])
}

/// Returns a type as the list gives it (`listed`), or alone.
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
    let icon = format!("icon_{}", name.to_lowercase());
    let mut json = json!({
        "name": name, "referenceName": format!("Custom.{name}"), "description": "", "color": "F2CB1D",
        "icon": { "id": icon, "url": "https://tfsprod.visualstudio.com/_apis/wit/workItemIcons/x" },
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

/// Answers with all types.
pub(crate) fn list_types(org: &Org) -> Response<Body> {
    let types = org.work_items.types.iter();
    let value: Vec<Value> = types.map(|(name, known)| as_json(name, known, true)).collect();
    list(&value)
}

/// Answers with one type.
pub(crate) fn one_type(org: &Org, name: &str) -> Response<Body> {
    match org.work_items.types.get(name) {
        Some(known) => with_status(200, &as_json(name, known, false)),
        None => no_type(name),
    }
}

/// Answers with the states of a type.
pub(crate) fn type_states(org: &Org, name: &str) -> Response<Body> {
    let Some(known) = org.work_items.types.get(name) else {
        return no_type(name);
    };
    let state = |(name, category): &(String, String)| json!({ "name": name, "color": "b2b2b2", "category": category });
    let value: Vec<Value> = known.states.iter().map(state).collect();
    list(&value)
}

/// Answers with the states of a type in a process, given by reference name.
pub(crate) fn process_states(org: &Org, process: &str, reference: &str) -> Response<Body> {
    let name = reference.rsplit('.').next().unwrap_or(reference);
    let Some(known) = org.work_items.types.get(name).filter(|_| process == "agile-id") else {
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
