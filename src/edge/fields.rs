//! Reading of bodies and queries in which every failure is found, not only the first.
//!
//! A request struct has [`Field`]s, which remember a wrong value instead of ending the parse, derives
//! [`validator::Validate`] for the constraints and lists its fields with [`fields!`](crate::fields). [`read()`]
//! then puts wrong types and broken constraints together, in the order of declaration. What counts as a boolean,
//! an integer or a UUID, and the codes of failures, follow pydantic 2.5, as the FastAPI service had them.

mod read;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use validator::{Validate, ValidateLength, ValidateRange, ValidateRequired, ValidationError};

pub use self::read::{Failure, OrBlank, Read, Secret, Trimmed, WorkItemId};
use crate::error::{FieldError, Segment};

/// A value that a client may have left out or got wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Field<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// A value of the right type.
    Value(T),
    /// Not of the right type, for these reasons.
    Wrong(Vec<Failure>),
}

impl<T> Field<T> {
    /// The value, if there is a right one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Wrong(_) => None,
        }
    }

    /// The same by reference.
    pub fn as_value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Wrong(_) => None,
        }
    }

    /// What is wrong with the value's type.
    pub fn failures(&self) -> &[Failure] {
        match self {
            Self::Wrong(failures) => failures,
            Self::Absent | Self::Value(_) => &[],
        }
    }
}

impl<'de, T: Read> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(T::read(&value).map_or_else(Self::Wrong, Self::Value))
    }
}

/// `validator` puts the value into its errors, from where `constraint_failure` reads a length's unit.
impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_value().serialize(serializer)
    }
}

impl<T> ValidateRequired for Field<T> {
    /// A value of the wrong type is there; it has its own failure.
    fn is_some(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

impl ValidateLength<u64> for Field<Trimmed> {
    fn length(&self) -> Option<u64> {
        self.as_value().map(|text| text.0.chars().count() as u64)
    }
}

impl ValidateLength<u64> for Field<Option<String>> {
    fn length(&self) -> Option<u64> {
        self.as_value()
            .and_then(Option::as_ref)
            .map(|text| text.chars().count() as u64)
    }
}

impl ValidateLength<u64> for Field<OrBlank<Trimmed>> {
    fn length(&self) -> Option<u64> {
        let text = self.as_value().and_then(|text| text.0.as_ref());
        text.map(|text| text.0.chars().count() as u64)
    }
}

impl ValidateLength<u64> for Field<Secret> {
    fn length(&self) -> Option<u64> {
        self.as_value().map(|secret| secret.length() as u64)
    }
}

impl ValidateLength<u64> for Field<Option<Secret>> {
    fn length(&self) -> Option<u64> {
        let secret = self.as_value().and_then(Option::as_ref);
        secret.map(|secret| secret.length() as u64)
    }
}

impl<T> ValidateLength<u64> for Field<Option<Vec<T>>> {
    fn length(&self) -> Option<u64> {
        self.as_value()
            .and_then(Option::as_ref)
            .map(|list| list.len() as u64)
    }
}

impl ValidateRange<i64> for Field<i64> {
    fn greater_than(&self, max: i64) -> Option<bool> {
        self.as_value().map(|value| *value > max)
    }

    fn less_than(&self, min: i64) -> Option<bool> {
        self.as_value().map(|value| *value < min)
    }
}

/// Most failures that are kept of a list and that an answer lists. An input with more is an attack, not a mistake.
pub const MOST_FAILURES: usize = 100;

/// Longest list that a body may hold.
pub const MOST_ELEMENTS: u64 = super::body::MOST_ELEMENTS as u64;

/// The fields of a request struct in the order of declaration, which is the order of reported failures.
pub trait Fields {
    /// Names of the fields, which are keys on the wire.
    const NAMES: &'static [&'static str];

    /// Name of each field and what is wrong with its type.
    fn fields(&self) -> Vec<(&'static str, &[Failure])>;
}

/// Implements [`Fields`]: `fields!(AtividadeCreate { nome, descricao })`.
#[macro_export]
macro_rules! fields {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::edge::fields::Fields for $name {
            const NAMES: &'static [&'static str] = &[$(stringify!($field)),+];

            fn fields(&self) -> Vec<(&'static str, &[$crate::edge::fields::Failure])> {
                vec![$((stringify!($field), self.$field.failures())),+]
            }
        }
    };
}

/// Reads a request struct out of an object that came from `part` (`body` or `query`).
///
/// # Errors
/// Every failure, in the order of declaration.
pub fn read<T>(part: &str, value: Value) -> Result<T, Vec<FieldError>>
where
    T: DeserializeOwned + Fields + Validate,
{
    if !value.is_object() {
        return Err(vec![FieldError {
            loc: vec![part.into()],
            kind: "model_attributes_type",
            message: "deve ser um objeto JSON".to_owned(),
        }]);
    }
    let request: T = serde_json::from_value(value).map_err(|error| {
        vec![FieldError {
            loc: vec![part.into()],
            kind: "model_attributes_type",
            message: error.to_string(),
        }]
    })?;
    let mut failures = failures(part, &request);
    failures.truncate(MOST_FAILURES);
    if failures.is_empty() {
        Ok(request)
    } else {
        Err(failures)
    }
}

fn failures<T: Fields + Validate>(part: &str, request: &T) -> Vec<FieldError> {
    let broken = request.validate().err();
    let broken = broken
        .as_ref()
        .map(validator::ValidationErrors::field_errors)
        .unwrap_or_default();
    // Rules over several fields stand under `__all__` and say which field they blame.
    let cross_field = broken
        .get("__all__")
        .map(|errors| errors.as_slice())
        .unwrap_or_default();
    let mut found = Vec::new();
    for (name, wrong) in request.fields() {
        let own = broken
            .get(name)
            .map(|errors| errors.as_slice())
            .unwrap_or_default();
        let blamed = cross_field
            .iter()
            .filter(|e| e.params.get("field").and_then(Value::as_str) == Some(name));
        let constraints = own.iter().chain(blamed).map(constraint_failure);
        for failure in wrong.iter().cloned().chain(constraints) {
            let mut loc: Vec<Segment> = vec![part.into(), name.into()];
            loc.extend(failure.index.map(Segment::Index));
            found.push(FieldError {
                loc,
                kind: failure.kind,
                message: failure.message,
            });
        }
    }
    found
}

/// A failure of `validator` in pydantic's words.
fn constraint_failure(error: &ValidationError) -> Failure {
    let bound = |name: &str| error.params.get(name).and_then(Value::as_i64);
    let value = error.params.get("value");
    let number = |v: &Value| v.as_i64();
    match (error.code.as_ref(), value) {
        ("length", Some(Value::Array(list))) => match (bound("min"), bound("max")) {
            (Some(min), _) if (list.len() as u64) < min.unsigned_abs() => Failure::new(
                "too_short",
                format!("deve ter pelo menos {}", counted(min, "item", "itens")),
            ),
            (_, max) => Failure::new(
                "too_long",
                format!(
                    "deve ter no máximo {}",
                    counted(max.unwrap_or(0), "item", "itens")
                ),
            ),
        },
        ("length", value) => {
            let length = value
                .and_then(Value::as_str)
                .map_or(0, |text| text.chars().count());
            match (bound("min"), bound("max")) {
                (Some(min), _) if (length as u64) < min.unsigned_abs() => Failure::new(
                    "string_too_short",
                    format!("deve ter pelo menos {}", counted(min, "caractere", "caracteres")),
                ),
                (_, max) => Failure::new(
                    "string_too_long",
                    format!(
                        "deve ter no máximo {}",
                        counted(max.unwrap_or(0), "caractere", "caracteres")
                    ),
                ),
            }
        }
        ("range", Some(value)) => match (bound("min"), bound("max")) {
            (Some(min), _) if number(value).is_some_and(|n| n < min) => {
                Failure::new("greater_than_equal", format!("deve ser maior ou igual a {min}"))
            }
            (_, max) => Failure::new(
                "less_than_equal",
                format!("deve ser menor ou igual a {}", max.unwrap_or(0)),
            ),
        },
        ("required" | "missing", _) => Failure::new("missing", "campo obrigatório"),
        _ => Failure::new("value_error", "valor inválido"),
    }
}

fn counted(n: i64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// For `#[validate(schema(...))]`: the rule over several fields leaves `field` missing.
#[must_use]
pub fn missing(field: &'static str) -> ValidationError {
    let mut error = ValidationError::new("missing");
    error.add_param("field".into(), &field);
    error
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[derive(Debug, Default, Deserialize, Validate)]
    #[serde(default)]
    struct Sample {
        #[validate(required, length(min = 1, max = 5))]
        nome: Field<Trimmed>,
        ativo: Field<bool>,
        #[validate(range(min = 0, max = 10))]
        n: Field<i64>,
        #[validate(length(min = 1))]
        ids: Field<Option<Vec<Uuid>>>,
    }
    fields!(Sample { nome, ativo, n, ids });

    fn kinds(value: Value) -> Vec<(String, &'static str)> {
        let place = |e: &FieldError| {
            e.loc
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(".")
        };
        read::<Sample>("body", value)
            .map_or_else(|e| e.iter().map(|e| (place(e), e.kind)).collect(), |_| vec![])
    }

    #[test]
    fn every_failure_is_found_in_the_order_of_declaration() {
        let found = kinds(json!({"ids": ["x", Uuid::nil(), 3], "n": 11, "ativo": "talvez", "nome": "  "}));
        let expected = [
            ("body.nome", "string_too_short"),
            ("body.ativo", "bool_parsing"),
            ("body.n", "less_than_equal"),
            ("body.ids.0", "uuid_parsing"),
            ("body.ids.2", "uuid_parsing"),
        ];
        assert_eq!(found, expected.map(|(place, kind)| (place.to_owned(), kind)));
    }

    #[test]
    fn each_kind_of_failure_has_its_code() {
        let with = |name: &str, value: Value| {
            let mut object = json!({"nome": "ok"});
            object[name] = value;
            kinds(object)
                .into_iter()
                .map(|(_, kind)| kind)
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds(json!({})), [("body.nome".to_owned(), "missing")]);
        assert_eq!(kinds(json!([1])), [("body".to_owned(), "model_attributes_type")]);
        assert_eq!(with("nome", json!(null)), ["string_type"]);
        assert_eq!(with("nome", json!("a\0b")), ["value_error"]);
        assert_eq!(with("nome", json!("seis 6")), ["string_too_long"]);
        assert_eq!(with("n", json!(-1)), ["greater_than_equal"]);
        assert_eq!(with("n", json!("dez")), ["int_parsing"]);
        assert_eq!(with("n", json!(1.5)), ["int_from_float"]);
        assert_eq!(with("n", json!(u64::MAX)), ["int_parsing"]);
        assert_eq!(with("ids", json!([])), ["too_short"]);
        assert_eq!(with("ids", json!("x")), ["list_type"]);
    }

    #[test]
    fn old_clients_spellings_are_understood() {
        let id = Uuid::from_u128(7);
        let spellings = [
            id.to_string(),
            id.simple().to_string(),
            id.urn().to_string(),
            id.braced().to_string(),
        ];
        let body = json!({"nome": " ok ", "ativo": "YES", "n": "7", "ids": spellings});
        let sample: Sample = read("body", body).unwrap();
        assert_eq!(sample.nome.value().unwrap().0, "ok");
        assert_eq!(sample.ativo.value(), Some(true));
        assert_eq!(sample.n.value(), Some(7));
        assert_eq!(sample.ids.value().flatten(), Some(vec![id; 4]));
    }
}
