//! OpenAPI schemas of request structs.

use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{Deprecated, RefOr, Required};

use super::Presence;

/// Field with its schema and description.
pub struct Described {
    name: &'static str,
    description: String,
    required: bool,
    schema: Schema,
    example: Option<Value>,
    deprecated: bool,
}

impl Described {
    /// Creates the description from the presence, the lines of the doc comment and the example of a field.
    #[must_use]
    pub fn new<P: Presence>(name: &'static str, doc: &[&str], example: Option<Value>) -> Self {
        Self {
            name,
            description: text(doc),
            required: P::REQUIRED,
            schema: P::schema(),
            example,
            deprecated: false,
        }
    }

    /// Marks the field as deprecated in favour of another one, which the description names.
    #[must_use]
    pub fn replaced_by(mut self, name: &str) -> Self {
        self.description = format!("{} Use `{name}`.", self.description);
        self.deprecated = true;
        self
    }
}

/// Returns the schema of a body.
#[must_use]
pub fn object(doc: &[&str], fields: Vec<Described>, example: Option<Value>) -> RefOr<Schema> {
    let mut object = ObjectBuilder::new();
    for field in fields {
        if field.required {
            object = object.required(field.name);
        }
        let mut schema = described(field.schema, field.description, field.example);
        if field.deprecated {
            deprecate(&mut schema);
        }
        object = object.property(field.name, schema);
    }
    RefOr::T(described(object.into(), text(doc), example))
}

/// Returns the parameters of a query, whose values are never null.
#[must_use]
pub fn parameters(fields: Vec<Described>) -> Vec<Parameter> {
    let parameter = |field: Described| {
        ParameterBuilder::new()
            .name(field.name)
            .parameter_in(ParameterIn::Query)
            .description(Some(field.description))
            .required(if field.required {
                Required::True
            } else {
                Required::False
            })
            .schema(Some(without_null(field.schema)))
            .example(field.example)
            .deprecated(field.deprecated.then_some(Deprecated::True))
            .build()
    };
    fields.into_iter().map(parameter).collect()
}

fn text(doc: &[&str]) -> String {
    doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n")
}

/// Returns the builder of a schema with one type.
pub(super) fn typed(schema_type: Type, format: Option<KnownFormat>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(schema_type)
        .format(format.map(SchemaFormat::KnownFormat))
}

fn described(mut schema: Schema, text: String, value: Option<Value>) -> Schema {
    match &mut schema {
        Schema::Object(object) => {
            object.description = Some(text);
            object.example = value;
        }
        Schema::Array(array) => array.description = Some(text),
        _ => {}
    }
    schema
}

fn deprecate(schema: &mut Schema) {
    match schema {
        Schema::Object(object) => object.deprecated = Some(Deprecated::True),
        Schema::Array(array) => array.deprecated = Some(Deprecated::True),
        _ => {}
    }
}

pub(super) fn with_default(mut schema: Schema, value: Value) -> Schema {
    if let Schema::Object(object) = &mut schema {
        object.default = Some(value);
    }
    schema
}

/// Returns the schema of the same values or null.
pub(super) fn or_null(schema: Schema) -> Schema {
    with_type(schema, |schema_type| match schema_type {
        SchemaType::Type(one) => SchemaType::Array(vec![one, Type::Null]),
        other => other,
    })
}

fn without_null(schema: Schema) -> Schema {
    with_type(schema, |schema_type| match schema_type {
        SchemaType::Array(types) => match types.first() {
            Some(first) => SchemaType::Type(first.clone()),
            None => SchemaType::AnyValue,
        },
        other => other,
    })
}

fn with_type(mut schema: Schema, change: impl FnOnce(SchemaType) -> SchemaType) -> Schema {
    let place = match &mut schema {
        Schema::Object(object) => &mut object.schema_type,
        Schema::Array(array) => &mut array.schema_type,
        _ => return schema,
    };
    *place = change(std::mem::take(place));
    schema
}
