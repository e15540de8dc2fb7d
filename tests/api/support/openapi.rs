//! The OpenAPI document as a reader sees it.

use serde_json::Value;

/// Returns the document with its shared parameters, responses and examples in place; schemas stay references.
pub fn resolved_document() -> Value {
    let mut document = serde_json::to_value(aponta::app::openapi()).unwrap();
    let components = document["components"].clone();
    resolve(&mut document["paths"], &components);
    document
}

fn resolve(value: &mut Value, components: &Value) {
    let reference = value["$ref"]
        .as_str()
        .and_then(|text| text.strip_prefix("#/components"));
    if let Some(reference) = reference.filter(|text| !text.starts_with("/schemas/")) {
        *value = components.pointer(reference).unwrap().clone();
    }
    match value {
        Value::Object(map) => map.values_mut().for_each(|value| resolve(value, components)),
        Value::Array(list) => list.iter_mut().for_each(|value| resolve(value, components)),
        _ => {}
    }
}
