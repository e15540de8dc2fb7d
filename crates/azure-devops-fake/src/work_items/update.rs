//! JSON Patch of a work item, with its revision test and the rules of the process.

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::reads::{gone, whole};
use crate::reply::{FakeResponse, Malformed, error, json_of, parsed, text_of, with_status};
use crate::store;
use crate::world::{Org, Person};

/// Changes a work item. Without a person the change is only validated.
pub(crate) fn update(
    org: &mut Org,
    person: Option<&Person>,
    id: &str,
    content_type: &str,
    body: &[u8],
) -> FakeResponse {
    let id: i32 = parsed(id)?;
    if content_type != "application/json-patch+json" {
        return Ok(error(
            400,
            "VssRequestContentTypeNotSupportedException",
            content_type,
        ));
    }
    let by = person.map_or(Uuid::nil(), |person| person.id);
    let changes = match changes(org, by, id, &json_of(body)?)? {
        Ok(changes) => changes,
        Err(refused) => return Ok(refused),
    };
    if let Some(person) = person {
        let by = person.reference(person.changes_as.unwrap_or(person.id));
        let item = org.work_items.item_mut(id);
        item.change(by, |fields| fields.extend(changes));
        store::write(org);
    }
    let item = org.work_items.item(id);
    Ok(with_status(200, &whole(org, id, item.rev(), item.fields())))
}

/// New values by reference name.
type Changes = Vec<(String, Value)>;

/// Returns the changes of a patch. The inner error is the response that rejects the patch.
fn changes(
    org: &Org,
    by: Uuid,
    id: i32,
    operations: &Value,
) -> Result<Result<Changes, Response<Body>>, Malformed> {
    let work_items = &org.work_items;
    let Some(item) = work_items.readable(id, by) else {
        return Ok(Err(gone(id)));
    };
    let closed = matches!(work_items.category(item.fields()), Some("Completed" | "Removed"));
    let known = work_items.type_of(item.fields());
    let mut changes = Vec::new();
    for operation in operations.as_array().ok_or_else(|| Malformed::new("patch"))? {
        let path = text_of(operation, "path")?;
        match text_of(operation, "op")? {
            "test" if path == "/rev" => {
                if operation["value"] != json!(item.rev()) {
                    let message = "VS403351: Test failed";
                    return Ok(Err(error(412, "TestPatchOperationFailedException", message)));
                }
            }
            "add" => {
                let field = path
                    .strip_prefix("/fields/")
                    .ok_or_else(|| Malformed::new(path))?;
                if !known.is_some_and(|known| known.fields.iter().any(|known| known == field)) {
                    let message = "TF51535: Cannot find field";
                    return Ok(Err(error(400, "WorkItemFieldNotFoundException", message)));
                }
                if closed && field.ends_with("RemainingWork") {
                    return Ok(Err(rule_violation(field, "invalidNotEmpty")));
                }
                changes.push((field.to_owned(), operation["value"].clone()));
            }
            other => return Err(Malformed::new(format!("operation {other}"))),
        }
    }
    Ok(Ok(changes))
}

/// Returns the error TF401320 for a field that a rule of the process rejects.
pub(crate) fn rule_violation(field: &str, flags: &str) -> Response<Body> {
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
