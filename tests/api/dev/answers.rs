//! The examples of answers in the OpenAPI document: recorded from `aponta dev`, and of the same shape as its
//! answers now.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Client, Method};
use serde_json::{Map, Value};

use super::demo::Demo;
use crate::support::openapi::resolved_document;
use crate::support::process::open_folder;

/// File with the recorded answers, by component. `RECORD_ANSWERS=1` writes it.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/edge/openapi/answers.json");
/// Maximum length of a text in an example; pictures are longer.
const TEXT_MAX: usize = 90;

/// An operation of the document with its example values.
struct Operation {
    method: Method,
    path_and_query: String,
    body: Option<Value>,
    /// Name of the schema of the answer, or of its items.
    component: String,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(component) = answer_of(operation) else {
                continue;
            };
            found.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path_and_query: with_parameters(path, operation),
                body: body_of(document, operation),
                component,
            });
        }
    }
    // Reads come first, so that they show the data of the beginning. The audit trail comes last, when it has
    // entries.
    found.sort_by_key(|operation| {
        (
            operation.component.starts_with("Auditoria"),
            operation.method != Method::GET,
        )
    });
    found
}

/// Returns the component of the successful answer, if it is JSON.
fn answer_of(operation: &Value) -> Option<String> {
    let answers = operation["responses"].as_object()?.iter();
    let (_, answer) = answers.into_iter().find(|(status, _)| status.starts_with('2'))?;
    let schema = &answer["content"]["application/json"]["schema"];
    let reference = schema["$ref"]
        .as_str()
        .or_else(|| schema["items"]["$ref"].as_str())?;
    Some(reference.rsplit('/').next()?.to_owned())
}

fn with_parameters(path: &str, operation: &Value) -> String {
    let (mut path, mut query) = (path.to_owned(), Vec::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        let example = [&parameter["example"], &parameter["schema"]["example"]];
        let Some(example) = example.into_iter().find(|example| !example.is_null()) else {
            continue;
        };
        let text = example
            .as_str()
            .map_or_else(|| example.to_string(), str::to_owned);
        match parameter["in"].as_str() {
            Some("path") => path = path.replace(&format!("{{{name}}}"), &text),
            Some("query") => query.push((name, text)),
            _ => {}
        }
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(query)
        .finish();
    if query.is_empty() {
        path
    } else {
        format!("{path}?{query}")
    }
}

fn body_of(document: &Value, operation: &Value) -> Option<Value> {
    let content = &operation["requestBody"]["content"]["application/json"];
    let reference = content["schema"]["$ref"].as_str()?;
    let schema = document.pointer(reference.strip_prefix('#')?)?;
    Some(schema["example"].clone())
}

/// Shortens an answer: one element of each list, no long texts.
fn shortened(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.first().map(shortened).into_iter().collect(),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| match key.as_str() {
                // The tree of a week is as deep as the work items are; one of them is enough.
                "children" => (key.clone(), Value::Array(Vec::new())),
                // Work items and days with entries say more than those without.
                "work_items" | "dias" if value.is_array() => {
                    let items = value.as_array().into_iter().flatten();
                    let longest = items.max_by_key(|item| item.to_string().len());
                    (key.clone(), longest.map(shortened).into_iter().collect())
                }
                _ => (key.clone(), shortened(value)),
            });
            Value::Object(pairs.collect::<Map<_, _>>())
        }
        Value::String(text) if text.chars().count() > TEXT_MAX => {
            text.chars().take(TEXT_MAX).collect::<String>().into()
        }
        other => other.clone(),
    }
}

/// Returns the keys of an answer with their paths; elements of a list share one path.
fn keys(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(list) => list
            .iter()
            .for_each(|item| keys(item, &format!("{path}[]"), found)),
        Value::Object(map) => {
            for (key, value) in map {
                let path = format!("{path}.{key}");
                found.insert(path.clone());
                keys(value, &path, found);
            }
        }
        _ => {}
    }
}

async fn answers() -> BTreeMap<String, Value> {
    let home = open_folder();
    let demo = Demo::start(home.path(), &home.path().join("data"), &[]).await;
    let origin = demo.api().trim_end_matches("/api/v1").to_owned();
    let mut found = BTreeMap::new();
    for operation in operations(&resolved_document()) {
        if found.contains_key(&operation.component) {
            continue;
        }
        let url = format!("{origin}{}", operation.path_and_query);
        let mut request = Client::new().request(operation.method.clone(), &url);
        if let Some(body) = &operation.body {
            request = request.json(body);
        }
        let reply = request.send().await.unwrap();
        let status = reply.status();
        let text = reply.text().await.unwrap();
        assert!(status.is_success(), "{} {url}: {status} {text}", operation.method);
        let answer: Value = serde_json::from_str(&text).unwrap();
        let one = match answer {
            Value::Array(list) => list.into_iter().next().unwrap(),
            other => other,
        };
        found.insert(operation.component, one);
    }
    demo.stop().await;
    found
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "asked for on the command line")]
async fn examples_of_answers_are_those_of_the_service() {
    let answers = answers().await;
    if std::env::var_os("RECORD_ANSWERS").is_some() {
        let short: BTreeMap<_, _> = answers
            .iter()
            .map(|(name, answer)| (name, shortened(answer)))
            .collect();
        std::fs::write(FILE, serde_json::to_string_pretty(&short).unwrap() + "\n").unwrap();
    }
    let recorded: BTreeMap<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    for (component, example) in &recorded {
        let (mut promised, mut answered) = (BTreeSet::new(), BTreeSet::new());
        keys(example, "", &mut promised);
        keys(&answers[component], "", &mut answered);
        let missing: Vec<_> = promised.difference(&answered).collect();
        assert!(
            missing.is_empty(),
            "the service does not answer {missing:?} in {component}"
        );
        let new: Vec<_> = answered
            .difference(&promised)
            .filter(|path| path.matches('.').count() == 1)
            .collect();
        assert!(
            new.is_empty(),
            "the example of {component} lacks {new:?}: RECORD_ANSWERS=1"
        );
    }
}

#[test]
fn every_answer_has_a_whole_example() {
    let document = resolved_document();
    for operation in operations(&document) {
        let schema = &document["components"]["schemas"][&operation.component];
        assert!(
            schema["example"].is_object(),
            "{} has no example",
            operation.component
        );
    }
}
