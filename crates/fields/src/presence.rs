//! Whether a field must be there, and what an absent one means.

use serde_json::{Value, json};
use utoipa::openapi::Schema;

use super::schema::with_default;
use super::values::{Int, OrBlank, OrNull};
use super::{Failure, FieldType};

/// What a request struct does with the value of a key, or with its absence.
pub trait Presence {
    /// Type of the field in the struct.
    type Value;

    /// Whether the key must be there.
    const REQUIRED: bool;

    /// Reads the value of the key; `None` when the key is absent.
    ///
    /// # Errors
    /// At least one failure.
    fn read(value: Option<&Value>) -> Result<Self::Value, Vec<Failure>>;

    /// Returns the schema of the key's value.
    fn schema() -> Schema;
}

/// A key that must be there.
#[derive(Debug)]
pub struct Required<T>(std::marker::PhantomData<T>);

impl<T: FieldType> Presence for Required<T> {
    type Value = T::Value;
    const REQUIRED: bool = true;

    fn read(value: Option<&Value>) -> Result<T::Value, Vec<Failure>> {
        let value = value.ok_or_else(|| vec![Failure::new("missing", "campo obrigatório")])?;
        T::read(value)
    }

    fn schema() -> Schema {
        T::schema()
    }
}

/// A key that may be absent: `None`.
#[derive(Debug)]
pub struct Optional<T>(std::marker::PhantomData<T>);

impl<T: FieldType> Presence for Optional<T> {
    type Value = Option<T::Value>;
    const REQUIRED: bool = false;

    fn read(value: Option<&Value>) -> Result<Option<T::Value>, Vec<Failure>> {
        value.map(T::read).transpose()
    }

    fn schema() -> Schema {
        T::schema()
    }
}

/// A key that may be absent or null: `None`, either way.
#[derive(Debug)]
pub struct Nullable<T>(std::marker::PhantomData<T>);

impl<T: FieldType> Presence for Nullable<T> {
    type Value = Option<T::Value>;
    const REQUIRED: bool = false;

    fn read(value: Option<&Value>) -> Result<Option<T::Value>, Vec<Failure>> {
        value.map_or(Ok(None), OrNull::<T>::read)
    }

    fn schema() -> Schema {
        OrNull::<T>::schema()
    }
}

/// A key that may be absent, null or blank: `None` in all three cases.
#[derive(Debug)]
pub struct Blankable<T>(std::marker::PhantomData<T>);

impl<T: FieldType> Presence for Blankable<T> {
    type Value = Option<T::Value>;
    const REQUIRED: bool = false;

    fn read(value: Option<&Value>) -> Result<Option<T::Value>, Vec<Failure>> {
        value.map_or(Ok(None), OrBlank::<T>::read)
    }

    fn schema() -> Schema {
        OrBlank::<T>::schema()
    }
}

/// A boolean that is `DEFAULT` when its key is absent.
#[derive(Debug)]
pub struct Flag<const DEFAULT: bool>;

impl<const DEFAULT: bool> Presence for Flag<DEFAULT> {
    type Value = bool;
    const REQUIRED: bool = false;

    fn read(value: Option<&Value>) -> Result<bool, Vec<Failure>> {
        value.map_or(Ok(DEFAULT), bool::read)
    }

    fn schema() -> Schema {
        with_default(bool::schema(), json!(DEFAULT))
    }
}

/// An integer from `MIN` to `MAX` that is `DEFAULT` when its key is absent.
#[derive(Debug)]
pub struct Number<const MIN: i64, const MAX: i64, const DEFAULT: i64>;

impl<const MIN: i64, const MAX: i64, const DEFAULT: i64> Presence for Number<MIN, MAX, DEFAULT> {
    type Value = i64;
    const REQUIRED: bool = false;

    fn read(value: Option<&Value>) -> Result<i64, Vec<Failure>> {
        value.map_or(Ok(DEFAULT), Int::<MIN, MAX>::read)
    }

    fn schema() -> Schema {
        with_default(Int::<MIN, MAX>::schema(), json!(DEFAULT))
    }
}
