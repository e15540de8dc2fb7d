//! Schemas: JSON Schema 2020-12 as the dialect of OpenAPI 3.0.

use serde_json::{Value, json};

use super::{Downgrade, Object};

/// Keywords of a schema in OpenAPI 3.0. All others are dropped.
const KEYWORDS: &[&str] = &[
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "deprecated",
    "description",
    "discriminator",
    "enum",
    "example",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "externalDocs",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "nullable",
    "oneOf",
    "pattern",
    "properties",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
    "xml",
];

impl Downgrade<'_> {
    /// Adapts a schema and those in it.
    pub(super) fn schema(&self, value: &mut Value) {
        match value {
            Value::Bool(true) => *value = json!({}),
            Value::Bool(false) => *value = json!({"not": {}}),
            Value::Object(object) => {
                self.below(object);
                constant(object);
                first_example(object);
                encoded_content(object);
                limit(object, "minimum", "exclusiveMinimum", f64::max);
                limit(object, "maximum", "exclusiveMaximum", f64::min);
                own_types(object);
                for name in ["oneOf", "anyOf"] {
                    without_null(object, name);
                }
                lone_reference(object);
                self.inline_nullable_text(object);
                self.typed_nullable(object);
                open_patterns(object);
                object.retain(|name, _| KEYWORDS.contains(&name.as_str()) || is_kept_beside(name));
                if object.get("type") == Some(&json!("array")) {
                    object.entry("items").or_insert_with(|| json!({}));
                }
            }
            _ => {}
        }
    }

    /// Adapts the schemas in a schema.
    fn below(&self, object: &mut Object) {
        self.each(object.get_mut("properties"), Self::schema);
        for name in ["allOf", "anyOf", "oneOf"] {
            self.each_of(object.get_mut(name), Self::schema);
        }
        for name in ["items", "not"] {
            if let Some(found) = object.get_mut(name) {
                self.schema(found);
            }
        }
        // Here, 3.0 has booleans as well.
        if let Some(found @ Value::Object(_)) = object.get_mut("additionalProperties") {
            self.schema(found);
        }
    }

    /// Replaces a nullable reference to a text, such as an instant, by the type and the format of the text: a
    /// strict reader allows no null beside `allOf`.
    fn inline_nullable_text(&self, object: &mut Object) {
        let Some([only]) = object.get("allOf").and_then(Value::as_array).map(Vec::as_slice) else {
            return;
        };
        let text = only.get("$ref").and_then(|reference| self.text_of(reference));
        let (Some(format), true) = (text, object.contains_key("nullable")) else {
            return;
        };
        object.remove("allOf");
        object.insert("type".to_owned(), json!("string"));
        object.insert("format".to_owned(), format);
    }

    /// Repeats the type of the only schema in `allOf` beside `nullable`, which 3.0 demands there.
    fn typed_nullable(&self, object: &mut Object) {
        if object.contains_key("nullable")
            && !object.contains_key("type")
            && let Some([only]) = object.get("allOf").and_then(Value::as_array).map(Vec::as_slice)
            && let Some(name) = only
                .get("$ref")
                .map_or_else(|| only.get("type").cloned(), |reference| self.type_of(reference))
        {
            object.insert("type".to_owned(), name);
        }
    }
}

/// Returns `true` for a reference and for extensions.
fn is_kept_beside(name: &str) -> bool {
    name == "$ref" || name.starts_with("x-")
}

/// Turns a constant into an enum of one value.
fn constant(object: &mut Object) {
    if let Some(value) = object.remove("const") {
        object.insert("enum".to_owned(), json!([value]));
    }
}

/// Keeps the first of several examples.
fn first_example(object: &mut Object) {
    if let Some(Value::Array(examples)) = object.remove("examples")
        && let Some(first) = examples.into_iter().next()
    {
        object.entry("example").or_insert(first);
    }
}

/// Turns the encoding and the type of a string's content into formats.
fn encoded_content(object: &mut Object) {
    let encoding = object.remove("contentEncoding");
    let media_type = object.remove("contentMediaType");
    let format = match (encoding.as_ref().and_then(Value::as_str), media_type) {
        (Some("base64"), _) => "byte",
        (None, Some(_)) => "binary",
        _ => return,
    };
    object.entry("format").or_insert(json!(format));
}

/// Turns an exclusive limit, which is a number in 3.1, into a limit and a flag. Of two limits the stricter
/// one stays.
fn limit(object: &mut Object, inclusive: &str, exclusive: &str, stricter: fn(f64, f64) -> f64) {
    let Some(bound) = object.get(exclusive).filter(|bound| bound.is_number()).cloned() else {
        return;
    };
    object.remove(exclusive);
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let bounds = (object.get(inclusive).map(number), number(&bound));
    let is_stricter = match bounds {
        (Some(other), own) => other.total_cmp(&own).is_eq() || stricter(other, own).total_cmp(&own).is_eq(),
        (None, _) => true,
    };
    if is_stricter {
        object.insert(inclusive.to_owned(), bound);
        object.insert(exclusive.to_owned(), json!(true));
    }
}

/// Turns a list of types into one type, or into a choice of types. The type `null` becomes `nullable`.
fn own_types(object: &mut Object) {
    let types = match object.get("type") {
        Some(Value::Array(types)) => types.clone(),
        Some(Value::String(name)) if name == "null" => vec![json!("null")],
        _ => return,
    };
    object.remove("type");
    let (nulls, others): (Vec<Value>, Vec<Value>) = types.into_iter().partition(|name| name == "null");
    let is_nullable = !nulls.is_empty();
    match others.as_slice() {
        [] => {
            object.insert("enum".to_owned(), json!([null]));
        }
        [one] => {
            object.insert("type".to_owned(), one.clone());
        }
        several => {
            let choice: Vec<Value> = several.iter().map(|name| one_of(name, is_nullable)).collect();
            also(object, json!({ "anyOf": choice }));
            return;
        }
    }
    if is_nullable {
        object.insert("nullable".to_owned(), json!(true));
    }
}

/// Returns the schema of a type that stands in a choice of types.
fn one_of(name: &Value, is_nullable: bool) -> Value {
    let mut schema = json!({ "type": name });
    if is_nullable {
        schema["nullable"] = json!(true);
    }
    if name == "array" {
        schema["items"] = json!({});
    }
    schema
}

/// Demands a schema in addition to the members of an object.
fn also(object: &mut Object, schema: Value) {
    match object.entry("allOf").or_insert_with(|| json!([])) {
        Value::Array(all) => all.push(schema),
        other => *other = json!([schema]),
    }
}

/// Removes the choice `null`, which makes the schema nullable. A choice that remains alone becomes the schema
/// itself; a reference stays in `allOf`, beside which tools read `nullable` as a choice of `null`.
fn without_null(object: &mut Object, name: &str) {
    let Some(Value::Array(choices)) = object.get_mut(name) else {
        return;
    };
    let before = choices.len();
    choices.retain(|choice| !is_null(choice));
    if choices.len() == before {
        return;
    }
    object.insert("nullable".to_owned(), json!(true));
    let Some(Value::Array(choices)) = object.remove(name) else {
        return;
    };
    match <[Value; 1]>::try_from(choices) {
        Ok([Value::Object(only)]) if only.contains_key("$ref") || repeats(object, &only) => {
            also(object, Value::Object(only));
        }
        Ok([Value::Object(only)]) => object.extend(only),
        Ok([only]) => also(object, only),
        Err(choices) if choices.is_empty() => {
            object.insert("enum".to_owned(), json!([null]));
        }
        Err(choices) => {
            object.insert(name.to_owned(), Value::Array(choices));
        }
    }
}

/// Returns `true` if both objects have a member of the same name.
fn repeats(object: &Object, other: &Object) -> bool {
    other.keys().any(|name| object.contains_key(name))
}

/// Returns `true` for the adapted schema of `null`.
fn is_null(schema: &Value) -> bool {
    schema.get("enum") == Some(&json!([null]))
}

/// Moves a reference with siblings, which 3.0 would ignore, into `allOf`.
fn lone_reference(object: &mut Object) {
    if object.len() > 1
        && let Some(reference) = object.remove("$ref")
    {
        also(object, json!({ "$ref": reference }));
    }
}

/// Allows further members of an object whose members are described by patterns, which 3.0 lacks.
fn open_patterns(object: &mut Object) {
    if object.contains_key("patternProperties") {
        object.remove("additionalProperties");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the adapted form of a schema in a document with the schemas `a`, a string, and `b`.
    fn adapted(mut value: Value) -> Value {
        let original = json!({"a": {"type": ["string", "null"]}, "b": {"type": ["string", "integer"]}});
        Downgrade { original: &original }.schema(&mut value);
        value
    }

    /// Asserts the adapted form of a schema, and that it is its own adapted form.
    #[track_caller]
    fn assert_adapted(from: Value, to: &Value) {
        assert_eq!(adapted(from), *to);
        assert_eq!(adapted(to.clone()), *to);
    }

    #[test]
    fn lists_of_types_become_one_type_or_a_choice() {
        assert_adapted(
            json!({"type": ["string", "null"], "enum": ["a", null]}),
            &json!({"type": "string", "nullable": true, "enum": ["a", null]}),
        );
        assert_adapted(json!({"type": ["integer"]}), &json!({"type": "integer"}));
        assert_adapted(
            json!({"type": ["string", "array", "null"]}),
            &json!({"allOf": [{"anyOf": [
                {"type": "string", "nullable": true},
                {"type": "array", "nullable": true, "items": {}},
            ]}]}),
        );
        assert_adapted(
            json!({"type": "null"}),
            &json!({"nullable": true, "enum": [null]}),
        );
    }

    #[test]
    fn nullable_reference_to_a_text_becomes_the_text() {
        let original = json!({"at": {"type": "string", "format": "date-time", "description": "d"},
            "code": {"type": "string", "format": "code", "enum": ["a"]}});
        let adapted = |name: &str| {
            let mut value = json!({"oneOf": [{"type": "null"}, {"$ref": name}]});
            Downgrade { original: &original }.schema(&mut value);
            value
        };
        assert_eq!(
            adapted("#/at"),
            json!({"type": "string", "format": "date-time", "nullable": true})
        );
        assert_eq!(
            adapted("#/code"),
            json!({"type": "string", "nullable": true, "allOf": [{"$ref": "#/code"}]})
        );
    }

    #[test]
    fn choice_of_null_makes_the_schema_nullable() {
        assert_adapted(
            json!({"oneOf": [{"$ref": "#/a", "description": "d"}, {"type": "null"}]}),
            &json!({"type": "string", "nullable": true, "allOf": [{"$ref": "#/a"}], "description": "d"}),
        );
        assert_adapted(
            json!({"anyOf": [{"type": "null"}, {"$ref": "#/a"}], "description": "d"}),
            &json!({"type": "string", "nullable": true, "allOf": [{"$ref": "#/a"}], "description": "d"}),
        );
        assert_adapted(
            json!({"oneOf": [{"$ref": "#/a"}, {"$ref": "#/b"}, {"type": "null"}]}),
            &json!({"nullable": true, "oneOf": [{"$ref": "#/a"}, {"$ref": "#/b"}]}),
        );
        assert_adapted(
            json!({"oneOf": [{"type": "string", "description": "inner"}, {"type": "null"}], "description": "d"}),
            &json!({"type": "string", "nullable": true, "description": "d",
                    "allOf": [{"type": "string", "description": "inner"}]}),
        );
        assert_adapted(
            json!({"oneOf": [{"$ref": "#/b"}, {"type": "null"}]}),
            &json!({"nullable": true, "allOf": [{"$ref": "#/b"}]}),
        );
        assert_adapted(
            json!({"oneOf": [{"type": "null"}]}),
            &json!({"nullable": true, "enum": [null]}),
        );
    }

    #[test]
    fn reference_with_siblings_moves_into_all_of() {
        assert_adapted(json!({"$ref": "#/a"}), &json!({"$ref": "#/a"}));
        assert_adapted(
            json!({"$ref": "#/a", "description": "d", "deprecated": true}),
            &json!({"allOf": [{"$ref": "#/a"}], "description": "d", "deprecated": true}),
        );
        assert_adapted(
            json!({"$ref": "#/a", "allOf": [{"$ref": "#/b"}]}),
            &json!({"allOf": [{"$ref": "#/b"}, {"$ref": "#/a"}]}),
        );
    }

    #[test]
    fn constants_and_examples_take_their_old_form() {
        assert_adapted(json!({"const": "a"}), &json!({"enum": ["a"]}));
        assert_adapted(json!({"examples": ["a", "b"]}), &json!({"example": "a"}));
        assert_adapted(json!({"examples": [], "example": 1}), &json!({"example": 1}));
    }

    #[test]
    fn exclusive_limits_become_flags() {
        assert_adapted(
            json!({"exclusiveMinimum": 0, "exclusiveMaximum": 1.5}),
            &json!({"minimum": 0, "exclusiveMinimum": true, "maximum": 1.5, "exclusiveMaximum": true}),
        );
        assert_adapted(
            json!({"minimum": 1, "exclusiveMinimum": 0, "maximum": 9, "exclusiveMaximum": 9}),
            &json!({"minimum": 1, "maximum": 9, "exclusiveMaximum": true}),
        );
    }

    #[test]
    fn encoded_contents_become_formats() {
        assert_adapted(
            json!({"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}),
            &json!({"type": "string", "format": "byte"}),
        );
        assert_adapted(
            json!({"type": "string", "contentMediaType": "application/octet-stream"}),
            &json!({"type": "string", "format": "binary"}),
        );
    }

    #[test]
    fn keywords_that_3_0_lacks_are_dropped() {
        assert_adapted(
            json!({"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": true,
                   "$comment": "c", "x-own": 1}),
            &json!({"type": "object", "additionalProperties": true, "x-own": 1}),
        );
        assert_adapted(
            json!({"type": "object", "patternProperties": {"^a": true}, "additionalProperties": false}),
            &json!({"type": "object"}),
        );
        assert_adapted(
            json!({"type": "array", "prefixItems": [{"type": "string"}]}),
            &json!({"type": "array", "items": {}}),
        );
    }

    #[test]
    fn boolean_schemas_become_objects_where_3_0_wants_them() {
        assert_adapted(
            json!({"properties": {"a": true, "b": false}, "additionalProperties": false}),
            &json!({"properties": {"a": {}, "b": {"not": {}}}, "additionalProperties": false}),
        );
    }

    #[test]
    fn property_with_the_name_of_a_keyword_is_adapted() {
        assert_adapted(
            json!({"properties": {"const": {"type": ["string", "null"]}, "examples": {"const": 1}}}),
            &json!({"properties": {"const": {"type": "string", "nullable": true}, "examples": {"enum": [1]}}}),
        );
    }
}
