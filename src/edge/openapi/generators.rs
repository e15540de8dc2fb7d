//! Forms of the OpenAPI document that code generators and other tools need: plain header parameters, display
//! names of tags, closed sets as enums, and headers that many responses have.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, OneOfBuilder, SchemaFormat, SchemaType};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{OpenApi, Ref, RefOr, Required, Schema, Server, Type};

use super::shared::operations_mut;
use super::{INTEGRACAO, ORGANIZATION_PATS};
use crate::edge::partial::describe_header;
use crate::error::Code;

/// Tags whose display name gives generators no good name of a module.
const DISPLAY_NAMES: &[(&str, &str)] = &[
    (INTEGRACAO, "Integração"),
    (ORGANIZATION_PATS, "Organization PATs"),
];

/// Headers of every response to an authenticated request.
const HEADERS: &[(&str, &str)] = &[
    (
        "X-Request-Id",
        "Id of the request, which the log has as well: that of the request if it is valid, else a new one",
    ),
    (
        "RateLimit",
        "Requests left and seconds until the quota is full again",
    ),
    ("RateLimit-Policy", "Quota and its window in seconds"),
];

/// Answers of `aponta dev` by component, recorded by the test `examples_of_answers_are_those_of_the_service`.
const ANSWERS: &str = include_str!("answers.json");

/// Header of lists in pages.
const NEXT_PAGE: &str = "Reference to the next page with `rel=\"next\"` (RFC 8288); absent on the last page";

/// Fields with a closed set of values: component, field, values.
const ENUMS: &[(&str, &str, &[&str])] = &[
    ("NoResponse", "state_category", CATEGORIES),
    ("StateCategoryResponse", "state_category", CATEGORIES),
    (
        "OrganizacaoSincronizadaResponse",
        "source",
        &["database", "environment", "caller"],
    ),
    ("OrganizacaoSincronizadaResponse", "status", &["success", "error"]),
    ("SincronizacaoResponse", "status", &["success", "partial"]),
    (
        "SituacaoResponse",
        "estado",
        &["pendente", "sincronizado", "falhou"],
    ),
    (
        "OrganizationPatResponse",
        "status_validacao",
        &[
            "não verificado",
            "válido",
            "expira em breve",
            "expirado",
            "ilegível",
        ],
    ),
    ("ReadyResponse", "status", &["ready", "unavailable", "draining"]),
    ("HealthResponse", "status", &["healthy"]),
    ("UserResponse", "papel", &["admin", "membro"]),
];
const CATEGORIES: &[&str] = &["Proposed", "InProgress", "Resolved", "Completed", "Removed"];

/// Completes the document; called before repeated parameters are shared.
pub(super) fn adapt(document: &mut OpenApi) {
    document.servers = Some(vec![Server::new("/")]);
    for (name, description) in HEADERS {
        describe_header(document, name, description, |_, _| true);
    }
    describe_header(document, "Link", NEXT_PAGE, |_, operation| is_paged(operation));
    plain_header_parameters(document);
    options_without_examples(document);
    operations_without_credentials(document);
    display_names(document);
    for (component, field, values) in ENUMS {
        restrict(document, component, field, values);
    }
    answers(document);
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    restrict(document, "Problem", "code", &codes);
    integer_formats(document);
}

/// Gives integers without a format, which come of `usize`, the widest one.
fn integer_formats(document: &mut OpenApi) {
    let schemas = &mut document.components.get_or_insert_default().schemas;
    for component in schemas.values_mut() {
        let RefOr::T(Schema::Object(object)) = component else {
            continue;
        };
        for property in object.properties.values_mut() {
            let RefOr::T(Schema::Object(schema)) = property else {
                continue;
            };
            let is_integer = match &schema.schema_type {
                SchemaType::Type(one) => *one == Type::Integer,
                SchemaType::Array(types) => types.contains(&Type::Integer),
                SchemaType::AnyValue => false,
            };
            if is_integer {
                let widest = SchemaFormat::KnownFormat(KnownFormat::Int64);
                schema.format.get_or_insert(widest);
            }
        }
    }
}

/// Adds recorded answers of the service as examples of the components that have none.
fn answers(document: &mut OpenApi) {
    let answers: BTreeMap<String, Value> = serde_json::from_str(ANSWERS).unwrap_or_default();
    let components = document.components.get_or_insert_default();
    for (name, answer) in answers {
        if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(&name) {
            object.example.get_or_insert(answer);
        }
    }
}

/// Returns `true` for lists in pages.
fn is_paged(operation: &Operation) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(
        |parameter| matches!(parameter, RefOr::T(found) if found.name == "skip" || found.name == "cursor"),
    )
}

/// Makes the type of optional header parameters a plain string: a header is absent, never null.
fn plain_header_parameters(document: &mut OpenApi) {
    for operation in operations_mut(document) {
        for parameter in operation.parameters.iter_mut().flatten() {
            if let RefOr::T(parameter) = parameter
                && parameter.parameter_in == ParameterIn::Header
                && let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
            {
                schema.schema_type = SchemaType::Type(Type::String);
            }
        }
    }
}

/// Removes the examples of optional parameters. Tools send all of them: nothing matches all filters together,
/// and the example of a tag or of a key is refused.
fn options_without_examples(document: &mut OpenApi) {
    for operation in operations_mut(document) {
        for parameter in operation.parameters.iter_mut().flatten() {
            if let RefOr::T(parameter) = parameter
                && parameter.required != Required::True
            {
                *parameter = ParameterBuilder::from(parameter.clone()).example(None).build();
                if let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema {
                    schema.example = None;
                    schema.examples.clear();
                }
            }
        }
    }
}

/// Writes `security: []` for operations without credentials: tools read `[{}]` as an unknown scheme.
fn operations_without_credentials(document: &mut OpenApi) {
    for operation in operations_mut(document) {
        let open = vec![SecurityRequirement::default()];
        if operation.security.as_ref() == Some(&open) {
            operation.security = Some(Vec::new());
        }
    }
}

fn display_names(document: &mut OpenApi) {
    for tag in document.tags.iter_mut().flatten() {
        if let Some((_, display)) = DISPLAY_NAMES.iter().find(|(name, _)| *name == tag.name) {
            let extensions = Extensions::builder().add("x-displayName", *display).build();
            tag.extensions = Some(extensions);
        }
    }
}

/// Lists the values of a field. The values of a nullable field are a component, because generators make one
/// type of each place where `null` stands in an enum.
fn restrict(document: &mut OpenApi, component: &str, field: &str, values: &[&str]) {
    let schemas = &mut document.components.get_or_insert_default().schemas;
    let Some(RefOr::T(Schema::Object(object))) = schemas.get_mut(component) else {
        return;
    };
    let Some(property) = object.properties.get_mut(field) else {
        return;
    };
    let RefOr::T(Schema::Object(schema)) = property else {
        return;
    };
    schema.enum_values = Some(values.iter().map(|value| json!(value)).collect());
    if schema.schema_type == SchemaType::Array(vec![Type::String, Type::Null]) {
        let name = enum_name(field);
        let mut named = std::mem::take(schema);
        named.schema_type = SchemaType::Type(Type::String);
        let mut reference = Ref::from_schema_name(&name);
        reference.description = named.description.take().unwrap_or_default();
        let choice = OneOfBuilder::new().item(reference);
        let choice = choice.item(ObjectBuilder::new().schema_type(Type::Null));
        *property = choice.into();
        schemas.insert(name, named.into());
    }
}

/// Returns the name of the component with the values of a field: `StatusValidacao` of `status_validacao`.
fn enum_name(field: &str) -> String {
    let capitalized = |word: &str| {
        word.chars()
            .take(1)
            .flat_map(char::to_uppercase)
            .chain(word.chars().skip(1))
            .collect::<String>()
    };
    field.split('_').map(capitalized).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::models::outbox::Estado;
    use crate::models::papel::Papel;

    #[test]
    fn enums_restrict_fields_that_exist() {
        let document = serde_json::to_value(crate::app::openapi()).unwrap();
        let schemas = &document["components"]["schemas"];
        for (component, field, values) in ENUMS {
            let property = &schemas[component]["properties"][field];
            let found = if property["oneOf"].is_array() {
                &schemas[enum_name(field)]["enum"]
            } else {
                &property["enum"]
            };
            let found = found.as_array();
            let found: Vec<&str> = found
                .unwrap_or_else(|| panic!("{component}.{field}"))
                .iter()
                .filter_map(Value::as_str)
                .collect();
            assert_eq!(found, *values);
        }
        assert!(schemas["Problem"]["properties"]["code"]["enum"].is_array());
    }

    #[test]
    fn enums_are_those_of_the_domain() {
        let values = |component: &str, field: &str| {
            let found = ENUMS
                .iter()
                .find(|(of, name, _)| (*of, *name) == (component, field));
            found.unwrap().2
        };
        let papeis = [Papel::Admin, Papel::Membro].map(Papel::as_str);
        assert_eq!(values("UserResponse", "papel"), papeis);
        let estados = [Estado::Pendente, Estado::Sincronizado, Estado::Falhou].map(Estado::as_str);
        assert_eq!(values("SituacaoResponse", "estado"), estados);
    }
}
