//! Booleans, integers, ids and lists, with the lenience of pydantic 2.5 and its codes for failures.

use serde_json::Value;
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use uuid::Uuid;
use validator::{ValidateLength, ValidateRange};

use super::schema::{or_null, typed};
use super::{Failure, FieldType, MOST_FAILURES};
use aponta_domain::text::trim;

impl FieldType for bool {
    type Value = Self;

    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let word = match value {
            Value::Bool(b) => return Ok(*b),
            Value::Number(n) => n.to_string(),
            Value::String(text) => text.to_ascii_lowercase(),
            _ => String::new(),
        };
        match word.as_str() {
            "true" | "1" | "1.0" | "yes" | "on" | "t" | "y" => Ok(true),
            "false" | "0" | "0.0" | "no" | "off" | "f" | "n" => Ok(false),
            _ => Err(vec![Failure::new("bool_parsing", "deve ser verdadeiro ou falso")]),
        }
    }

    fn schema() -> Schema {
        typed(Type::Boolean, None).into()
    }
}

impl FieldType for Uuid {
    type Value = Self;

    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let text = value.as_str().unwrap_or_default();
        Self::parse_str(text.trim())
            .map_err(|_| vec![Failure::new("uuid_parsing", "deve ser um UUID válido")])
    }

    fn schema() -> Schema {
        typed(Type::String, Some(KnownFormat::Uuid)).into()
    }
}

/// Integer from `MIN` to `MAX`.
#[derive(Debug)]
pub struct Int<const MIN: i64, const MAX: i64>;

impl<const MIN: i64, const MAX: i64> FieldType for Int<MIN, MAX> {
    type Value = i64;

    fn read(value: &Value) -> Result<i64, Vec<Failure>> {
        integer(value, MIN, MAX)
    }

    fn schema() -> Schema {
        let maximum = (MAX < i64::MAX).then_some(MAX);
        typed(Type::Integer, Some(KnownFormat::Int64))
            .minimum(Some(MIN))
            .maximum(maximum)
            .into()
    }
}

/// Reads an integer within bounds, also from a float or a text.
pub(super) fn integer(value: &Value, min: i64, max: i64) -> Result<i64, Vec<Failure>> {
    let fail = |kind, message: String| Err(vec![Failure::new(kind, message)]);
    let parsed = match value {
        Value::Number(n) if n.is_f64() => {
            let whole = integral(n.as_f64().unwrap_or(f64::NAN));
            if whole.is_none() {
                return fail("int_from_float", "deve ser um número inteiro".to_owned());
            }
            whole
        }
        Value::Number(n) => n.as_i64(),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| integral(text.parse().ok()?))
        }
        _ => None,
    };
    match parsed {
        None => fail("int_parsing", "deve ser um número inteiro".to_owned()),
        Some(number) if !number.validate_range(Some(min), None, None, None) => {
            fail("greater_than_equal", format!("deve ser maior ou igual a {min}"))
        }
        Some(number) if !number.validate_range(None, Some(max), None, None) => {
            fail("less_than_equal", format!("deve ser menor ou igual a {max}"))
        }
        Some(number) => Ok(number),
    }
}

/// Converts a float such as `2.0`, which old clients send. Returns `None` for a fraction, or beyond 2^53,
/// where floats no longer represent each integer.
fn integral(number: f64) -> Option<i64> {
    let exact = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    exact.then_some(number as i64)
}

/// Value or null.
#[derive(Debug)]
pub struct OrNull<T>(std::marker::PhantomData<T>);

impl<T: FieldType> FieldType for OrNull<T> {
    type Value = Option<T::Value>;

    fn read(value: &Value) -> Result<Self::Value, Vec<Failure>> {
        if value.is_null() {
            Ok(None)
        } else {
            T::read(value).map(Some)
        }
    }

    fn schema() -> Schema {
        or_null(T::schema())
    }
}

/// Value, null, or the `""` that old forms send for no value.
#[derive(Debug)]
pub struct OrBlank<T>(std::marker::PhantomData<T>);

impl<T: FieldType> FieldType for OrBlank<T> {
    type Value = Option<T::Value>;

    fn read(value: &Value) -> Result<Self::Value, Vec<Failure>> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) if trim(text).is_empty() && !text.contains('\0') => Ok(None),
            _ => T::read(value).map(Some),
        }
    }

    fn schema() -> Schema {
        or_null(T::schema())
    }
}

/// List of 1 to `MAX` values.
#[derive(Debug)]
pub struct List<T, const MAX: usize>(std::marker::PhantomData<T>);

impl<T: FieldType, const MAX: usize> FieldType for List<T, MAX> {
    type Value = Vec<T::Value>;

    fn read(value: &Value) -> Result<Self::Value, Vec<Failure>> {
        let Value::Array(elements) = value else {
            return Err(vec![Failure::new("list_type", "deve ser uma lista")]);
        };
        let mut read = Vec::new();
        let mut failures = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            if failures.len() >= MOST_FAILURES {
                break;
            }
            match T::read(element) {
                Ok(value) => read.push(value),
                Err(wrong) => failures.extend(wrong.into_iter().map(|f| Failure {
                    index: Some(index),
                    ..f
                })),
            }
        }
        if !failures.is_empty() {
            Err(failures)
        } else if !read.validate_length(Some(1), None, None) {
            Err(vec![Failure::new("too_short", "deve ter pelo menos 1 item")])
        } else if !read.validate_length(None, Some(MAX as u64), None) {
            let message = format!("deve ter no máximo {MAX} itens");
            Err(vec![Failure::new("too_long", message)])
        } else {
            Ok(read)
        }
    }

    fn schema() -> Schema {
        ArrayBuilder::new()
            .items(RefOr::T(T::schema()))
            .min_items(Some(1))
            .max_items(Some(MAX))
            .into()
    }
}
