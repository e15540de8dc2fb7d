//! Request structs whose fields state each rule once, in their type: the parsing of a value, its validation,
//! and its OpenAPI schema.
//!
//! [`fields!`] declares such a struct, for a body or a query. [`read()`] returns all failures, not only the
//! first. The accepted forms of booleans, integers and UUIDs and the codes of failures follow pydantic 2.5,
//! as in the FastAPI service.

mod dates;
mod domain;
mod presence;
mod schema;
mod text;
mod values;

use serde_json::{Map, Value};
use validator::ValidationError;

pub use self::domain::WorkItemId;
pub use self::presence::{Blankable, Flag, Nullable, Number, Optional, Presence, Required};
pub use self::schema::{Described, object, parameters};
pub use self::text::{AnyTrimmed, Name, SearchText, Secret, Text, Trimmed};
pub use self::values::{Int, List, OrBlank, OrNull};
use aponta_domain::field_error::{FieldError, Segment};

/// Maximum number of failures in a response. Input with more failures is an attack, not a mistake.
pub const MOST_FAILURES: usize = 100;

/// Maximum number of elements of a list in a body.
pub const MOST_ELEMENTS: usize = 1_000;

/// Failure of one value, or of one element of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Position of the element in the list; `None` if the value is no list.
    pub index: Option<usize>,
    /// Stable code, spelled as in pydantic 2.5.
    pub kind: &'static str,
    /// Sentence fragment in Portuguese that can follow the field's name.
    pub message: String,
}

impl Failure {
    /// Creates the failure of a value that is no list.
    #[must_use]
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            index: None,
            kind,
            message: message.into(),
        }
    }
}

/// Rule of one kind of value.
pub trait FieldType {
    /// Type of a valid value.
    type Value;

    /// Parses and validates a value.
    ///
    /// # Errors
    /// Returns at least one failure.
    fn read(value: &Value) -> Result<Self::Value, Vec<Failure>>;

    /// Returns the OpenAPI schema of the valid values.
    fn schema() -> utoipa::openapi::Schema;
}

/// Request struct declared by [`fields!`].
pub trait Fields: Sized {
    /// Keys of the fields on the wire.
    const NAMES: &'static [&'static str];

    /// Reads all fields. Returns `None` if a field failed.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

/// Reads the fields of one object and collects their failures in the order of reading.
#[derive(Debug)]
pub struct Reader<'a> {
    part: &'static str,
    object: &'a Map<String, Value>,
    failures: Vec<FieldError>,
}

impl Reader<'_> {
    /// Reads one field. Returns `None` and records the failures if it is invalid.
    pub fn field<P: Presence>(&mut self, name: &'static str) -> Option<P::Value> {
        match P::read(self.object.get(name)) {
            Ok(value) => Some(value),
            Err(failures) => {
                self.failures.extend(
                    failures
                        .into_iter()
                        .map(|failure| placed(self.part, name, failure)),
                );
                None
            }
        }
    }

    /// Applies a rule over several fields. The failure of the rule names the field in its parameter `field`.
    pub fn check(&mut self, rule: impl FnOnce(&Map<String, Value>) -> Result<(), ValidationError>) {
        let Err(error) = rule(self.object) else { return };
        let field = error.params.get("field").and_then(Value::as_str);
        let mut loc: Vec<Segment> = vec![self.part.into()];
        loc.extend(field.map(Segment::from));
        let (kind, message) = match error.code.as_ref() {
            "missing" => ("missing", "campo obrigatório"),
            _ => ("value_error", "valor inválido"),
        };
        self.failures.push(FieldError {
            loc,
            kind,
            message: message.to_owned(),
        });
    }
}

fn placed(part: &str, name: &str, failure: Failure) -> FieldError {
    let mut loc: Vec<Segment> = vec![part.into(), name.into()];
    loc.extend(failure.index.map(Segment::Index));
    FieldError {
        loc,
        kind: failure.kind,
        message: failure.message,
    }
}

/// Reads a request struct from an object of the part `part` of a request (`body` or `query`).
///
/// # Errors
/// Returns the failures in the order of declaration; rules over several fields come last.
pub fn read<T: Fields>(part: &'static str, value: &Value) -> Result<T, Vec<FieldError>> {
    let Value::Object(object) = value else {
        return Err(vec![FieldError {
            loc: vec![part.into()],
            kind: "model_attributes_type",
            message: "deve ser um objeto JSON".to_owned(),
        }]);
    };
    let mut reader = Reader {
        part,
        object,
        failures: Vec::new(),
    };
    let request = T::read(&mut reader);
    let mut failures = reader.failures;
    failures.truncate(MOST_FAILURES);
    match request {
        Some(request) if failures.is_empty() => Ok(request),
        _ => Err(failures),
    }
}

/// Returns a failure for each name of a query that is not in `known`, each once.
pub fn unknown<N: AsRef<str>>(names: impl IntoIterator<Item = N>, known: &[String]) -> Vec<FieldError> {
    let mut failures: Vec<FieldError> = Vec::new();
    for name in names {
        let name = name.as_ref();
        let failure = FieldError {
            loc: vec!["query".into(), name.into()],
            kind: "extra_forbidden",
            message: "não é um parâmetro desta operação".to_owned(),
        };
        if failures.len() == MOST_FAILURES {
            break;
        }
        if !known.iter().any(|known| known == name) && !failures.contains(&failure) {
            failures.push(failure);
        }
    }
    failures
}

/// Returns the failure of a rule over several fields that requires `field`.
#[must_use]
pub fn missing(field: &'static str) -> ValidationError {
    let mut error = ValidationError::new("missing");
    error.add_param("field".into(), &field);
    error
}

/// Declares a request struct. Each field has a [`Presence`] with a [`FieldType`], and optionally an example.
/// A field with `#[deprecated = "name"]` is deprecated in the OpenAPI document in favour of the field `name`.
///
/// ```
/// use aponta_fields::{Name, Nullable, Required, Text, fields, read};
/// use serde_json::json;
///
/// fields! {
///     /// A new activity.
///     struct AtividadeCreate {
///         /// Name.
///         nome: Required<Name<1, 255>> = "Revisão",
///         /// Free text; null or absent: none.
///         descricao: Nullable<Text<500>>,
///     }
///     example = json!({"nome": "Revisão"});
/// }
///
/// let body: AtividadeCreate = read("body", &json!({"nome": " Revisão "})).unwrap();
/// assert_eq!((body.nome.as_str(), body.descricao), ("Revisão", None));
/// ```
#[macro_export]
macro_rules! fields {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $(#[deprecated = $replacement:literal])?
                $field_vis:vis $field:ident: $presence:ty $(= $field_example:expr)?
            ),+ $(,)?
        }
        $(check = $check:path;)?
        $(example = $example:expr;)?
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug)]
        $vis struct $name {
            $(
                $(#[doc = $field_doc])*
                $field_vis $field: <$presence as $crate::Presence>::Value
            ),+
        }

        impl $crate::Fields for $name {
            const NAMES: &'static [&'static str] = &[$(stringify!($field)),+];

            fn read(reader: &mut $crate::Reader<'_>) -> Option<Self> {
                $(let $field = reader.field::<$presence>(stringify!($field));)+
                $(reader.check($check);)?
                Some(Self { $($field: $field?),+ })
            }
        }

        impl $name {
            fn described() -> Vec<$crate::Described> {
                vec![$(
                    $crate::Described::new::<$presence>(
                        stringify!($field), &[$($field_doc),*],
                        $crate::fields!(@example $($field_example)?),
                    )
                    $(.replaced_by($replacement))?
                ),+]
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::object(
                    &[$($doc),*], Self::described(), $crate::fields!(@example $($example)?),
                )
            }
        }

        impl utoipa::ToSchema for $name {}

        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                $crate::parameters(Self::described())
            }
        }
    };
    (@example) => { None };
    (@example $example:expr) => { Some(serde_json::json!($example)) };
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
