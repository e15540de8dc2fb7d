//! Responses to queries in WIQL.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use super::{Fields, Item};
use crate::planning::project_of;
use crate::reply::{FakeResponse, error, json_of, no_project, text_of, with_status};
use crate::wiql::{Query, Subject};
use crate::world::Org;

/// Maximum number of links in a response, against cycles of parents.
const MOST_LINKS: usize = 50_000;

/// Responds with the matching work items, the last changed first, or with links to all their parents.
pub(crate) fn query(org: &Org, project: Option<&str>, top: usize, body: &[u8]) -> FakeResponse {
    let body = json_of(body)?;
    let query = match Query::parse(text_of(&body, "query")?) {
        Ok(query) => query,
        Err(why) => return Ok(refused(&why)),
    };
    let project = match project {
        Some(project) => match project_of(org, project) {
            Some(project) => Some(project.name()),
            None => return Ok(no_project()),
        },
        None => None,
    };
    let known = |area: &str| project_of(org, area.split('\\').next().unwrap_or(area)).is_some();
    if !query.areas().all(known) {
        return Ok(refused("TF51011: The area path does not exist"));
    }
    let items = &org.work_items.items;
    let matching = items.iter().filter(|(id, item)| {
        let subject = Subject {
            id: **id,
            fields: item.fields(),
            project,
        };
        !item.deleted && query.matches(&subject)
    });
    let found: Vec<i32> = matching.map(|(id, _)| *id).collect();
    let mut answer = if query.tree {
        json!({
            "queryType": "tree", "queryResultType": "workItemLink", "workItemRelations": links(items, &found)
        })
    } else {
        let newest = newest_first(items, found, top);
        json!({ "queryType": "flat", "queryResultType": "workItem", "workItems": newest })
    };
    answer["asOf"] = json!("2026-11-01T10:00:00.537Z");
    answer["columns"] = json!([{ "referenceName": "System.Id", "name": "ID", "url": "u" }]);
    Ok(with_status(200, &answer))
}

fn refused(message: &str) -> Response<Body> {
    error(400, "WorkItemTrackingQueryException", message)
}

fn newest_first(items: &BTreeMap<i32, Item>, mut found: Vec<i32>, top: usize) -> Vec<Value> {
    let changed = |id: &i32| items[id].fields().get("System.ChangedDate").map(Value::to_string);
    found.sort_by_key(|id| (Reverse(changed(id)), *id));
    found.truncate(top);
    let found = found.into_iter();
    found.map(|id| json!({ "id": id, "url": "u" })).collect()
}

fn parent_of(fields: &Fields) -> Option<i32> {
    i32::try_from(fields.get("System.Parent")?.as_i64()?).ok()
}

/// Returns each match, followed by one link per step up to its topmost parent.
fn links(items: &BTreeMap<i32, Item>, found: &[i32]) -> Vec<Value> {
    let mut links = Vec::new();
    for id in found {
        let mut at = *id;
        links.push(json!({ "rel": null, "source": null, "target": { "id": id } }));
        while let Some(parent) = items.get(&at).and_then(|item| parent_of(item.fields())) {
            if !items.contains_key(&parent) || links.len() > MOST_LINKS {
                break;
            }
            links.push(json!({
                "rel": "System.LinkTypes.Hierarchy-Forward", "source": { "id": parent }, "target": { "id": at }
            }));
            at = parent;
            if at == *id {
                break;
            }
        }
    }
    links
}
