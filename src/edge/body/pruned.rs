//! Parses the part of a JSON body that a request struct can read into a [`Value`]; the rest is validated and
//! dropped.
//!
//! A [`Value`] of a whole body takes up to 32 times the body's size (`[1,1,1,…]`). Therefore unknown keys are
//! skipped, a list is cut after `MOST_ELEMENTS` elements plus one, and arrays and objects nested deeper than
//! any field are left empty.

use std::fmt;

use crate::edge::fields::MOST_ELEMENTS;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Parses a body whose object has the `known` keys. The last one of equal keys counts, as in `serde_json`.
///
/// # Errors
/// Only when the bytes are not JSON, or nested deeper than the limit of `serde_json` (128 levels).
pub(super) fn from_slice(bytes: &[u8], known: &'static [&'static str]) -> serde_json::Result<Value> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = Part::Body(known).deserialize(&mut json)?;
    json.end()?;
    Ok(value)
}

/// Position of a value in a body, which determines the stored part of the value.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// The whole body: the known keys of an object.
    Body(&'static [&'static str]),
    /// The value of a known key: a scalar, or the first elements of a list.
    Field,
    /// An element of a list: a scalar.
    Element,
}

/// A dropped value. It is parsed nevertheless, because the whole body must be JSON; `IgnoredAny` would not
/// check numbers, UTF-8 and depth.
#[derive(Debug, Clone, Copy)]
struct Skipped;

impl<'de> DeserializeSeed<'de> for Part {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut retained = Vec::new();
        while matches!(self, Self::Field) && retained.len() <= MOST_ELEMENTS {
            match elements.next_element_seed(Self::Element)? {
                Some(element) => retained.push(element),
                None => return Ok(Value::Array(retained)),
            }
        }
        while elements.next_element_seed(Skipped)?.is_some() {}
        Ok(Value::Array(retained))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let known = match self {
            Self::Body(known) => known,
            _ => &[],
        };
        let mut retained = Map::new();
        while let Some(key) = entries.next_key_seed(Key(known))? {
            match key {
                Some(key) => {
                    let value = entries.next_value_seed(Self::Field)?;
                    retained.insert(key.to_owned(), value);
                }
                None => entries.next_value_seed(Skipped)?,
            }
        }
        Ok(Value::Object(retained))
    }
}

impl<'de> DeserializeSeed<'de> for Skipped {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_key_seed(Key(&[]))?.is_some() {
            entries.next_value_seed(self)?;
        }
        Ok(())
    }
}

/// Deserializes a key without copying it, to the equal known key or `None`.
struct Key(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<&'static str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().copied().find(|known| *known == key))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::arbitrary;

    const KNOWN: [&str; 3] = ["a", "ids", "é"];

    /// Returns the expected result for `value`, computed from the whole value.
    fn expected(value: Value) -> Value {
        let scalar = |value: Value| match value {
            Value::Array(_) => json!([]),
            Value::Object(_) => json!({}),
            scalar => scalar,
        };
        let field = |value: Value| match value {
            Value::Array(list) => list.into_iter().take(MOST_ELEMENTS + 1).map(scalar).collect(),
            other => scalar(other),
        };
        match value {
            Value::Object(map) => {
                let known = map.into_iter().filter(|(key, _)| KNOWN.contains(&key.as_str()));
                known.map(|(key, value)| (key, field(value))).collect()
            }
            other => scalar(other),
        }
    }

    proptest! {
        #[test]
        fn any_body_is_read_as_serde_json_reads_it_and_pruned(
            body in arbitrary::body(&json!({"a": [1, [2], {"b": 3}], "b": {"a": 1}, "é": "x", "ids": {"a": []}})),
        ) {
            match (from_slice(&body, &KNOWN), serde_json::from_slice::<Value>(&body)) {
                (Ok(found), Ok(whole)) => prop_assert_eq!(found, expected(whole)),
                (Err(found), Err(expected)) => {
                    prop_assert_eq!((found.line(), found.column()), (expected.line(), expected.column()));
                }
                (found, expected) => prop_assert!(false, "{:?} {:?}", found, expected),
            }
        }
    }

    #[test]
    fn list_ends_at_its_maximum_and_the_rest_is_still_json() {
        let body = format!(r#"{{"ids":[{}1],"a":2}}"#, "1,".repeat(5_000));
        let value = from_slice(body.as_bytes(), &KNOWN).unwrap();
        assert_eq!(value["ids"].as_array().unwrap().len(), MOST_ELEMENTS + 1);
        assert_eq!(value["a"], 2);
        let broken = format!(r#"{{"ids":[{}1e999]}}"#, "1,".repeat(5_000));
        assert!(from_slice(broken.as_bytes(), &KNOWN).is_err());
    }

    #[test]
    fn of_equal_keys_the_last_one_counts() {
        let value = from_slice(br#"{"a":1,"b":9,"a":[2]}"#, &KNOWN).unwrap();
        assert_eq!(value, json!({"a": [2]}));
    }

    #[test]
    fn nesting_ends_where_that_of_serde_json_does() {
        for depth in [126, 127, 128, 129, 5_000] {
            for key in ["a", "b"] {
                let body = format!(r#"{{"{key}":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
                let expected = serde_json::from_str::<Value>(&body).is_ok();
                assert_eq!(from_slice(body.as_bytes(), &KNOWN).is_ok(), expected, "{depth}");
            }
        }
    }
}
