//! Whole bodies as snapshots. `INSTA_UPDATE=always cargo test` writes them; a difference fails the test.

use chrono::DateTime;
use serde_json::Value;
use uuid::Uuid;

use super::logging::day;

/// Returns the body with what differs from run to run replaced: ids become `[id 1]`, `[id 2]` … in the order
/// in which they first appear, instants `[instant]`, today `[today]`, `data:` URIs their media type.
pub fn stable(mut body: Value) -> Value {
    replace(&mut body, &mut Vec::new());
    body
}

fn replace(value: &mut Value, ids: &mut Vec<Uuid>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|element| replace(element, ids)),
        Value::Object(object) => object.values_mut().for_each(|element| replace(element, ids)),
        Value::String(text) => {
            if let Ok(id) = Uuid::parse_str(text) {
                let known = ids.iter().position(|other| *other == id);
                let number = known.unwrap_or_else(|| {
                    ids.push(id);
                    ids.len() - 1
                });
                *text = format!("[id {}]", number + 1);
            } else if DateTime::parse_from_rfc3339(text).is_ok() {
                "[instant]".clone_into(text);
            } else if *text == day(0) {
                "[today]".clone_into(text);
            } else if let Some((media, _)) = text.strip_prefix("data:").and_then(|rest| rest.split_once(','))
            {
                *text = format!("[data:{media}]");
            }
        }
        _ => {}
    }
}

/// Compares a whole body with the snapshot of this name.
#[macro_export]
macro_rules! assert_body {
    ($name:literal, $body:expr) => {
        insta::assert_json_snapshot!($name, $crate::support::snapshot::stable($body.clone()))
    };
}
