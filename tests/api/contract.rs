//! The OpenAPI document as a contract: committed, complete, and no operation open by accident.

use std::collections::HashSet;
use std::path::Path;

use axum::http::Method;
use serde_json::Value;

use crate::support::{AUTH_ON, Request, TestApp, resolved_document};

/// Operations that answer without credentials. This list only shrinks.
const OPEN: [&str; 5] = [
    "GET /",
    "GET /health",
    "GET /healthz",
    "GET /ready",
    "GET /api/v1",
];

/// Method, path and description of each operation.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    found
}

#[test]
fn committed_document_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let current = aponta::app::openapi_text().unwrap();
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == current,
        "docs/openapi.json is stale: run `aponta openapi > docs/openapi.json`"
    );
}

#[tokio::test]
async fn every_operation_off_the_list_demands_credentials() {
    let app = TestApp::with(AUTH_ON).await;
    let mut open: HashSet<&str> = OPEN.into();
    for (method, path, operation) in operations(&resolved_document()) {
        let name = format!("{method} {path}");
        let filled = path
            .replace("{atividade_id}", "0190b5a0-0000-7000-8000-000000000000")
            .replace("{pat_id}", "0190b5a0-0000-7000-8000-000000000000")
            .replace("{apontamento_id}", "0190b5a0-0000-7000-8000-000000000000")
            .replace("{iteration_id}", "0190b5a0-0000-7000-8000-000000000000")
            .replace("{work_item_id}", "1");
        assert!(!filled.contains('{'), "give {name} an example here");
        let reply = app
            .send(Request::new(method.parse::<Method>().unwrap(), &filled))
            .await;
        let needs_none = operation["security"].as_array().is_some_and(Vec::is_empty);
        if open.remove(name.as_str()) {
            assert_eq!(reply.status.as_u16(), 200, "{name}");
            assert!(needs_none, "{name} must declare that it needs no credentials");
        } else {
            assert_eq!(reply.problem(401)["code"], "nao_autenticado", "{name}");
            assert!(!needs_none, "{name} declares that it needs no credentials");
        }
    }
    assert!(open.is_empty(), "not operations any more: {open:?}");
}

#[test]
fn every_operation_is_described_in_full() {
    let document = resolved_document();
    let mut ids = HashSet::new();
    for (method, path, operation) in operations(&document) {
        let name = format!("{method} {path}");
        for key in ["summary", "description", "operationId"] {
            assert!(
                operation[key].as_str().is_some_and(|text| !text.is_empty()),
                "{name} lacks {key}"
            );
        }
        assert!(
            ids.insert(operation["operationId"].to_string()),
            "{name} repeats an operationId"
        );
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{name}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(
                parameter["description"].as_str().is_some_and(|d| !d.is_empty()),
                "{name}: {parameter}"
            );
        }
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            assert!(
                response["description"].as_str().is_some_and(|d| !d.is_empty()),
                "{name} {status}"
            );
            let content = response["content"].as_object();
            assert_eq!(
                content.is_none(),
                ["204", "304"].contains(&status.as_str()),
                "{name} {status}"
            );
            let problem = content.is_some_and(|c| c.contains_key("application/problem+json"));
            // A replica that is not ready says why in the body of a ready one.
            let is_error =
                status.starts_with(['4', '5']) && (path.as_str(), status.as_str()) != ("/ready", "503");
            assert_eq!(problem, is_error, "{name} {status}");
        }
        if !OPEN.contains(&name.as_str()) {
            for status in ["401", "403", "429", "500", "502", "503", "504"] {
                assert!(responses.contains_key(status), "{name} lacks {status}");
            }
        }
        if operation.get("requestBody").is_some() {
            for status in ["413", "415", "422"] {
                assert!(responses.contains_key(status), "{name} lacks {status}");
            }
        }
    }
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["basic", "bearer"]);
}

/// Every `$ref` in `value`.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|inner| references(inner, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = resolved_document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let pointer = reference
            .strip_prefix('#')
            .expect("a reference within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

/// What one of two keys can make up for, so that neither is required by itself.
const EITHER: [&str; 2] = [
    "POST /api/v1/atividades body.ids_projetos",
    "POST /api/v1/integracao/reconciliar body.work_item_id",
];

#[tokio::test]
async fn required_fields_match_validation() {
    let app = TestApp::new().await;
    let document = resolved_document();
    for (method, path, operation) in operations(&document) {
        let name = format!("{method} {path}");
        let filled = path
            .replace("{work_item_id}", "1")
            .replace("{iteration_id}", "0190b5a0-0000-7000-8000-000000000000");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let mut required: Vec<String> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true)
            .map(|parameter| format!("query.{}", parameter["name"].as_str().unwrap()))
            .collect();
        let mut request = Request::new(method.parse::<Method>().unwrap(), &filled);
        if let Some(body) = operation.get("requestBody") {
            request = request.json(&serde_json::json!({}));
            let schema = &body["content"]["application/json"]["schema"];
            let pointer = schema["$ref"].as_str().unwrap().strip_prefix('#').unwrap();
            let schema = document.pointer(pointer).unwrap();
            let fields = schema["required"].as_array().cloned().unwrap_or_default();
            required.extend(
                fields
                    .iter()
                    .map(|field| format!("body.{}", field.as_str().unwrap())),
            );
        }
        if filled.contains('{') {
            continue;
        }
        let reply = app.send(request).await;
        let mut missed: Vec<String> = Vec::new();
        if reply.status == 422 {
            let failures = reply.failures();
            let missing = failures
                .iter()
                .filter_map(|failure| failure.strip_suffix(" missing"));
            missed.extend(missing.map(str::to_owned));
        }
        missed.retain(|field| !EITHER.contains(&format!("{name} {field}").as_str()));
        missed.sort();
        required.sort();
        assert_eq!(missed, required, "{name}");
    }
}

#[test]
fn inputs_have_limits_and_problems_their_status() {
    for (method, path, operation) in operations(&resolved_document()) {
        let name = format!("{method} {path}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            // Tools send what has an example: a filter would leave nothing to see, a tag would be refused.
            let is_optional = parameter["required"] == false;
            assert_eq!(
                parameter.get("example").is_none(),
                is_optional,
                "{name}: {parameter}"
            );
            if parameter["schema"]["type"] == "integer" {
                assert!(
                    parameter["schema"].get("minimum").is_some(),
                    "{name}: {parameter}"
                );
            }
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let problem = &response["content"]["application/problem+json"];
            for example in problem["examples"].as_object().into_iter().flatten() {
                assert_eq!(example.1["value"]["status"].to_string(), *status, "{name}");
            }
        }
    }
}

/// Returns the properties of all components, as `Component.field`.
fn properties(document: &Value) -> Vec<(String, &Value)> {
    let schemas = document["components"]["schemas"].as_object().unwrap().iter();
    let mut found = Vec::new();
    for (name, schema) in schemas {
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            found.push((format!("{name}.{field}"), property));
        }
    }
    found
}

#[test]
fn twin_fields_of_old_clients_are_deprecated() {
    let document = serde_json::to_value(aponta::app::openapi()).unwrap();
    let mut deprecated = 0;
    for (name, property) in properties(&document) {
        let text = property["description"].as_str().unwrap_or_default();
        let is_deprecated = property["deprecated"] == true;
        assert!(is_deprecated || !text.starts_with("Equal to "), "{name}");
        deprecated += usize::from(is_deprecated);
    }
    assert_eq!(deprecated, 17);
}

#[test]
fn integers_have_formats() {
    let document = serde_json::to_value(aponta::app::openapi()).unwrap();
    for (name, property) in properties(&document) {
        let is_integer = property["type"].to_string().contains("integer");
        assert!(!is_integer || property["format"].is_string(), "{name}");
    }
}
