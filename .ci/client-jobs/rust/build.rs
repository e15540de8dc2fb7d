//! Generates the client from the 3.0 rendering of the OpenAPI document, whose path is in `APONTA_OPENAPI_3_0`.

use std::path::PathBuf;
use std::{env, fs};

use serde_json::Value;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    println!("cargo::rerun-if-env-changed=APONTA_OPENAPI_3_0");
    let path = env::var("APONTA_OPENAPI_3_0")?;
    println!("cargo::rerun-if-changed={path}");
    let mut document: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    prepare(&mut document);
    let document = serde_json::from_value(document)?;
    let mut settings = progenitor_impl::GenerationSettings::default();
    settings.with_interface(progenitor_impl::InterfaceStyle::Builder);
    let tokens = progenitor_impl::Generator::new(&settings).generate_tokens(&document)?;
    let text = prettyplease::unparse(&syn::parse2(tokens)?);
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("client.rs"), text)?;
    Ok(())
}

/// Adapts the document to limits of progenitor.
fn prepare(document: &mut Value) {
    // An operation has one type of errors, which `/ready` has not; probes need no client.
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        paths.remove("/ready");
    }
    // Bodies have a type only as `application/json`.
    for response in members(&mut document["components"]["responses"]) {
        if let Some(content) = response.get_mut("content").and_then(Value::as_object_mut)
            && let Some(problem) = content.remove("application/problem+json")
        {
            content.insert("application/json".to_owned(), problem);
        }
    }
    // Deprecated fields have twins, and the names of some become the same: `startDate` and `start_date`.
    for schema in members(&mut document["components"]["schemas"]) {
        let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
            continue;
        };
        properties.retain(|_, property| property["deprecated"] != true);
        let remaining = properties.clone();
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| name.as_str().is_some_and(|name| remaining.contains_key(name)));
        }
    }
}

fn members(object: &mut Value) -> impl Iterator<Item = &mut Value> {
    object
        .as_object_mut()
        .into_iter()
        .flat_map(serde_json::Map::values_mut)
}
