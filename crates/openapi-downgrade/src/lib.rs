//! Turns an OpenAPI 3.1 document into one of version 3.0.3, for tools that do not read 3.1.
//!
//! [`to_3_0`] rewrites what 3.0 says differently and drops what 3.0 cannot say. A schema never becomes
//! stricter: values that the 3.1 document allows are allowed by the 3.0.3 document, too.

mod schema;

use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// Version that the result of [`to_3_0`] names.
pub const VERSION: &str = "3.0.3";

/// Operations of a path item. The other members are no operations.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// Returns an OpenAPI 3.1 document as one of version 3.0.3. Webhooks and shared path items are dropped,
/// because 3.0 has neither.
#[must_use]
pub fn to_3_0(document: &Value) -> Value {
    let mut result = document.clone();
    if let Value::Object(members) = &mut result {
        Downgrade { original: document }.document(members);
    }
    result
}

/// Adapts the objects of a copy of a document.
struct Downgrade<'a> {
    /// Document in which references are looked up.
    original: &'a Value,
}

impl Downgrade<'_> {
    fn document(&self, members: &mut Object) {
        members.insert("openapi".to_owned(), json!(VERSION));
        for name in ["jsonSchemaDialect", "webhooks"] {
            members.remove(name);
        }
        if let Some(Value::Object(info)) = members.get_mut("info") {
            describe(info);
        }
        self.each_declared(members.get_mut("paths"), Self::path_item);
        if let Some(Value::Object(components)) = members.get_mut("components") {
            self.components(components);
        }
    }

    fn components(&self, components: &mut Object) {
        components.remove("pathItems");
        self.each(components.get_mut("schemas"), Self::schema);
        self.each(components.get_mut("responses"), Self::response);
        self.each(components.get_mut("parameters"), Self::parameter);
        self.each(components.get_mut("headers"), Self::parameter);
        self.each(components.get_mut("requestBodies"), Self::body);
        self.each(components.get_mut("callbacks"), Self::callback);
        self.each(components.get_mut("examples"), Self::plain_reference);
        self.each(components.get_mut("links"), Self::plain_reference);
    }

    fn path_item(&self, item: &mut Value) {
        self.each_of(item.get_mut("parameters"), Self::parameter);
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                self.operation(operation);
            }
        }
    }

    fn operation(&self, operation: &mut Value) {
        self.each_of(operation.get_mut("parameters"), Self::parameter);
        if let Some(body) = operation.get_mut("requestBody") {
            self.body(body);
        }
        self.each_declared(operation.get_mut("responses"), Self::response);
        self.each(operation.get_mut("callbacks"), Self::callback);
    }

    fn callback(&self, callback: &mut Value) {
        self.plain_reference(callback);
        self.each_declared(Some(callback), Self::path_item);
    }

    /// Adapts a parameter or a header, which have the same form.
    fn parameter(&self, parameter: &mut Value) {
        self.plain_reference(parameter);
        self.media(parameter);
        self.each(parameter.get_mut("content"), Self::media);
    }

    fn body(&self, body: &mut Value) {
        self.plain_reference(body);
        self.each(body.get_mut("content"), Self::media);
    }

    fn response(&self, response: &mut Value) {
        self.plain_reference(response);
        self.each(response.get_mut("headers"), Self::parameter);
        self.each(response.get_mut("content"), Self::media);
        self.each(response.get_mut("links"), Self::plain_reference);
    }

    /// Adapts an object with a schema, with examples and perhaps with encodings.
    fn media(&self, media: &mut Value) {
        if let Some(schema) = media.get_mut("schema") {
            self.schema(schema);
        }
        self.each(media.get_mut("examples"), Self::plain_reference);
        if let Some(Value::Object(encodings)) = media.get_mut("encoding") {
            for encoding in encodings.values_mut() {
                self.each(encoding.get_mut("headers"), Self::parameter);
            }
        }
    }

    /// Removes the members beside a reference, which 3.0 ignores.
    #[expect(clippy::unused_self, reason = "has the form of the other changes")]
    fn plain_reference(&self, object: &mut Value) {
        if let Value::Object(members) = object
            && members.get("$ref").is_some_and(Value::is_string)
        {
            members.retain(|name, _| name == "$ref");
        }
    }

    /// Applies a change to each member of an object.
    fn each(&self, object: Option<&mut Value>, change: fn(&Self, &mut Value)) {
        for (_, member) in object.and_then(Value::as_object_mut).into_iter().flatten() {
            change(self, member);
        }
    }

    /// Applies a change to each member of an object but to extensions, which begin with `x-`.
    fn each_declared(&self, object: Option<&mut Value>, change: fn(&Self, &mut Value)) {
        let members = object.and_then(Value::as_object_mut).into_iter().flatten();
        for (_, member) in members.filter(|(name, _)| !name.starts_with("x-")) {
            change(self, member);
        }
    }

    /// Applies a change to each item of a list.
    fn each_of(&self, list: Option<&mut Value>, change: fn(&Self, &mut Value)) {
        for item in list.and_then(Value::as_array_mut).into_iter().flatten() {
            change(self, item);
        }
    }

    /// Returns the format of a text that a reference of this document names, if the schema has no other rule.
    fn text_of(&self, reference: &Value) -> Option<Value> {
        let pointer = reference.as_str()?.strip_prefix('#')?;
        let schema = self.original.pointer(pointer)?.as_object()?;
        let rules = ["type", "format", "description", "example"];
        let is_plain =
            schema.get("type")? == "string" && schema.keys().all(|name| rules.contains(&name.as_str()));
        schema.get("format").filter(|_| is_plain).cloned()
    }

    /// Returns the type of a schema that a reference of this document names, if it is one type.
    fn type_of(&self, reference: &Value) -> Option<Value> {
        let pointer = reference.as_str()?.strip_prefix('#')?;
        match self.original.pointer(pointer)?.get("type")? {
            Value::Array(types) => {
                let mut types = types.iter().filter(|name| *name != "null");
                types.next().filter(|_| types.next().is_none()).cloned()
            }
            name => Some(name.clone()),
        }
    }
}

/// Adapts the information about the API. The identifier of a licence becomes its address at SPDX.
fn describe(info: &mut Object) {
    info.remove("summary");
    let Some(Value::Object(license)) = info.get_mut("license") else {
        return;
    };
    if let Some(Value::String(identifier)) = license.remove("identifier") {
        let url = format!("https://spdx.org/licenses/{identifier}.html");
        license.entry("url").or_insert(json!(url));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the 3.0.3 rendering of a document with these members.
    fn rendered(members: &Value) -> Value {
        let mut document = json!({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}});
        for (name, value) in members.as_object().into_iter().flatten() {
            document[name] = value.clone();
        }
        to_3_0(&document)
    }

    #[test]
    fn document_names_its_version_and_drops_members_of_3_1() {
        let document = rendered(&json!({"jsonSchemaDialect": "d", "webhooks": {}, "x-own": 1}));
        assert_eq!(
            document,
            json!({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}, "x-own": 1})
        );
    }

    #[test]
    fn license_identifier_becomes_an_address() {
        let info = |license: Value| json!({"info": {"summary": "s", "license": license}});
        let document = rendered(&info(json!({"name": "MIT", "identifier": "MIT"})));
        let url = "https://spdx.org/licenses/MIT.html";
        assert_eq!(document["info"], json!({"license": {"name": "MIT", "url": url}}));
        let own = json!({"name": "Own", "url": "https://example.org/licence"});
        assert_eq!(rendered(&info(own.clone()))["info"]["license"], own);
    }

    #[test]
    fn schemas_are_adapted_wherever_they_stand() {
        let (old, new) = (
            json!({"type": ["string", "null"]}),
            json!({"type": "string", "nullable": true}),
        );
        let document = |s: &Value| {
            let parts = json!({
                "parameters": [{"name": "a", "in": "query", "schema": s}],
                "get": {
                    "parameters": [{"name": "b", "in": "query", "content": {"text/plain": {"schema": s}}}],
                    "requestBody": {"content": {"a/b": {
                        "schema": s,
                        "encoding": {"c": {"headers": {"D": {"schema": s}}}},
                    }}},
                    "responses": {"200": {
                        "description": "d",
                        "headers": {"E": {"schema": s}},
                        "content": {"a/b": {"schema": s}},
                    }},
                    "callbacks": {"f": {"{$url}": {"post": {"requestBody": {"content": {"a/b": {"schema": s}}}}}}},
                },
            });
            json!({"paths": {"/schema": parts}, "components": {
                "schemas": {"schema": s},
                "responses": {"R": {"description": "d", "content": {"a/b": {"schema": s}}}},
                "parameters": {"schema": {"name": "g", "in": "query", "schema": s}},
                "headers": {"H": {"schema": s}},
                "requestBodies": {"B": {"content": {"a/b": {"schema": s}}}},
            }})
        };
        let found = rendered(&document(&old));
        let wanted = rendered(&document(&new));
        assert_eq!(found, wanted);
        assert!(!found.to_string().contains("null\""));
    }

    #[test]
    fn values_of_examples_stay() {
        let example = json!({"type": ["string", "null"], "schema": {"const": 1}, "examples": [1]});
        let members = json!({"components": {
            "examples": {"e": {"value": example}},
            "schemas": {"S": {"type": "object", "example": example, "default": example}},
            "responses": {"R": {"description": "d", "content": {"a/b": {
                "example": example,
                "examples": {"e": {"value": example}},
            }}}},
        }});
        assert_eq!(rendered(&members)["components"], members["components"]);
    }

    #[test]
    fn extensions_stay_and_names_with_their_prefix_are_adapted() {
        let paths =
            json!({"x-own": {"get": {"responses": {"x-more": {"headers": {"a": {"schema": true}}}}}}});
        assert_eq!(rendered(&json!({"paths": paths.clone()}))["paths"], paths);
        let schemas = json!({"schemas": {"S": {"properties": {"x-a": {"const": 1}}}}});
        let document = rendered(&json!({"components": schemas}));
        let property = &document["components"]["schemas"]["S"]["properties"]["x-a"];
        assert_eq!(*property, json!({"enum": [1]}));
    }

    #[test]
    fn reference_outside_of_schemas_loses_its_siblings() {
        let reference = json!({"$ref": "#/components/responses/R"});
        let mut described = reference.clone();
        described["description"] = json!("d");
        let paths = |response: &Value| json!({"paths": {"/": {"get": {"responses": {"404": response}}}}});
        assert_eq!(rendered(&paths(&described)), rendered(&paths(&reference)));
    }
}
