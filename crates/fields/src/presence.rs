//! Presence of a field: whether its key is required, and the value of an absent key.

use serde_json::{Value, json};
use utoipa::openapi::Schema;

use super::schema::with_default;
use super::values::{Int, OrBlank, OrNull};
use super::{Failure, FieldType};

/// Rule for a present or absent key of a request struct.
pub trait Presence {
    /// Type of the field in the struct.
    type Value;

    /// `true` if the key is required.
    const REQUIRED: bool;

    /// Reads the value of the key; `None` stands for an absent key.
    ///
    /// # Errors
    /// Returns at least one failure.
    fn read(value: Option<&Value>) -> Result<Self::Value, Vec<Failure>>;

    /// Returns the OpenAPI schema of the value.
    fn schema() -> Schema;
}

/// Required key.
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

/// Key that may be absent, with the value `None`.
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

/// Key that may be absent or null, in both cases with the value `None`.
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

/// Key that may be absent, null or blank, in all three cases with the value `None`.
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

/// Boolean with the value `DEFAULT` if its key is absent.
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

/// Integer from `MIN` to `MAX`, with the value `DEFAULT` if its key is absent.
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
