//! Responses with work items and with their revisions.

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Fields;
use crate::reply::{FakeResponse, Malformed, error, json_of, list, list_of, parsed, with_status};
use crate::world::Org;

/// Maximum number of work items in a batch.
const LARGEST_BATCH: usize = 200;

/// Returns a work item in the form of a response. For hosted organisations the address contains the project
/// id.
pub(super) fn as_json(org: &Org, id: i32, rev: usize, fields: &Fields, wanted: Option<&[&str]>) -> Value {
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
    let given = |value: &Value| {
        if org.work_items.people_as_text {
            as_text(value)
        } else {
            value.clone()
        }
    };
    let fields: Fields = fields
        .iter()
        .filter(|(name, _)| wanted.is_none_or(|wanted| wanted.contains(&name.as_str())))
        .map(|(name, value)| (name.clone(), given(value)))
        .collect();
    json!({ "id": id, "rev": rev, "fields": fields, "url": url })
}

/// Returns a complete work item, with the links that lists and partial work items lack.
pub(super) fn whole(org: &Org, id: i32, rev: usize, fields: &Fields) -> Value {
    let mut json = as_json(org, id, rev, fields, None);
    let url = json["url"].clone();
    json["multilineFieldsFormat"] = json!({});
    json["_links"] = json!({
        "self": { "href": url }, "workItemUpdates": { "href": "u" }, "workItemRevisions": { "href": "u" },
        "workItemComments": { "href": "u" }, "html": { "href": "u" }, "workItemType": { "href": "u" },
        "fields": { "href": "u" }
    });
    json
}

/// Returns a person as `Name <account>`, and any other value unchanged.
fn as_text(value: &Value) -> Value {
    match (value["displayName"].as_str(), value["uniqueName"].as_str()) {
        (Some(name), Some(account)) => json!(format!("{name} <{account}>")),
        _ => value.clone(),
    }
}

/// Returns the response for a work item that does not exist or that the caller may not read.
pub(super) fn gone(id: i32) -> Response<Body> {
    error(
        404,
        "WorkItemUnauthorizedAccessException",
        &format!("TF401232: Work item {id} does not exist, or you do not have permissions to read it."),
    )
}

/// Responds with one work item.
pub(crate) fn read(org: &Org, by: Uuid, id: &str, fields: Option<&str>) -> FakeResponse {
    let id: i32 = parsed(id)?;
    let wanted: Option<Vec<&str>> = fields.map(|fields| fields.split(',').collect());
    if let Some(refused) = org.work_items.absent(wanted.as_deref().unwrap_or_default()) {
        return Ok(refused);
    }
    let Some(item) = org.work_items.readable(id, by) else {
        return Ok(gone(id));
    };
    let (rev, fields) = item.visible_revision();
    let body = match wanted.as_deref() {
        Some(wanted) => as_json(org, id, rev, fields, Some(wanted)),
        None => whole(org, id, rev, fields),
    };
    Ok(with_status(200, &body))
}

/// Responds with one revision of a work item.
pub(crate) fn revision(org: &Org, by: Uuid, id: &str, rev: &str) -> FakeResponse {
    let (id, rev): (i32, usize) = (parsed(id)?, parsed(rev)?);
    let item = org.work_items.readable(id, by);
    let found = item.and_then(|item| item.revisions.get(rev.checked_sub(1)?));
    Ok(match found {
        Some(fields) => with_status(200, &as_json(org, id, rev, fields, None)),
        None => gone(id),
    })
}

/// Responds with a page of the revisions of a work item.
pub(crate) fn revisions(org: &Org, by: Uuid, id: &str, top: usize, skip: usize) -> FakeResponse {
    let id: i32 = parsed(id)?;
    let Some(item) = org.work_items.readable(id, by) else {
        return Ok(gone(id));
    };
    let revisions = item.revisions.iter().enumerate().skip(skip).take(top.min(200));
    let value: Vec<Value> = revisions
        .map(|(n, fields)| as_json(org, id, n + 1, fields, None))
        .collect();
    Ok(list(&value))
}

/// Responds with several work items, and `null` for each one that the caller may not read.
pub(crate) fn batch(org: &Org, by: Uuid, body: &[u8]) -> FakeResponse {
    let body = json_of(body)?;
    let ids = list_of(&body, "ids")?;
    if ids.len() > LARGEST_BATCH {
        let message = "VS403474: You requested more than 200";
        return Ok(error(400, "VssPropertyValidationException", message));
    }
    if body["errorPolicy"] != "omit" {
        return Err(Malformed::new("errorPolicy"));
    }
    let wanted: Vec<&str> = list_of(&body, "fields")?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if let Some(refused) = org.work_items.absent(&wanted) {
        return Ok(refused);
    }
    let one = |id: &Value| {
        let id = id.as_i64().and_then(|id| i32::try_from(id).ok());
        let id = id.ok_or_else(|| Malformed::new("ids"))?;
        let item = org.work_items.readable(id, by);
        Ok(item.map_or(Value::Null, |item| {
            let (rev, fields) = item.visible_revision();
            as_json(org, id, rev, fields, Some(&wanted))
        }))
    };
    let value: Vec<Value> = ids.iter().map(one).collect::<Result<_, Malformed>>()?;
    Ok(list(&value))
}
