//! Texts and secrets, with lengths in characters.

use secrecy::SecretString;
use serde_json::Value;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::Type;
use validator::ValidateLength;

use super::schema::typed;
use super::{Failure, FieldType};
use aponta_domain::text::{composed, trim};

/// Regular expression for texts without U+0000, which PostgreSQL cannot store.
const TEXT: &str = r"^[^\u0000]*$";

/// Regular expression for a visible character.
const VISIBLE: &str = r"[^\s\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2060\ufeff]";

/// Text with composed characters, as it is stored.
impl FieldType for String {
    type Value = Self;

    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        match value {
            Value::String(text) if text.contains('\0') => Err(vec![Failure::new(
                "value_error",
                "não pode conter o caractere nulo (U+0000)",
            )]),
            Value::String(text) => Ok(composed(text).into_owned()),
            _ => Err(vec![Failure::new("string_type", "deve ser um texto")]),
        }
    }

    fn schema() -> Schema {
        typed(Type::String, None).pattern(Some(TEXT)).into()
    }
}

/// Text of at most `MAX` characters.
#[derive(Debug)]
pub struct Text<const MAX: usize>;

impl<const MAX: usize> FieldType for Text<MAX> {
    type Value = String;

    fn read(value: &Value) -> Result<String, Vec<Failure>> {
        bounded(String::read(value)?, 0, MAX)
    }

    fn schema() -> Schema {
        typed(Type::String, None)
            .max_length((MAX < usize::MAX).then_some(MAX))
            .pattern(Some(TEXT))
            .into()
    }
}

/// Text that is trimmed and then has at most `MAX` characters.
#[derive(Debug)]
pub struct Trimmed<const MAX: usize>;

impl<const MAX: usize> FieldType for Trimmed<MAX> {
    type Value = String;

    fn read(value: &Value) -> Result<String, Vec<Failure>> {
        bounded(trim(&String::read(value)?).to_owned(), 0, MAX)
    }

    fn schema() -> Schema {
        Text::<MAX>::schema()
    }
}

/// Trimmed text of any length.
pub type AnyTrimmed = Trimmed<{ usize::MAX }>;

/// Text that is trimmed and then has `MIN` to `MAX` characters.
#[derive(Debug)]
pub struct Name<const MIN: usize, const MAX: usize>;

impl<const MIN: usize, const MAX: usize> FieldType for Name<MIN, MAX> {
    type Value = String;

    fn read(value: &Value) -> Result<String, Vec<Failure>> {
        bounded(trim(&String::read(value)?).to_owned(), MIN, MAX)
    }

    fn schema() -> Schema {
        let visible = format!(r"[^\u0000]*{VISIBLE}").repeat(MIN);
        typed(Type::String, None)
            .min_length(Some(MIN))
            .max_length(Some(MAX))
            .pattern(Some(format!(r"^{visible}[^\u0000]*$")))
            .into()
    }
}

/// Text of a search, which is trimmed: 2 to `MAX` characters, or a single digit, which is an id.
#[derive(Debug)]
pub struct SearchText<const MAX: usize>;

impl<const MAX: usize> FieldType for SearchText<MAX> {
    type Value = String;

    fn read(value: &Value) -> Result<String, Vec<Failure>> {
        let text = String::read(value)?;
        let text = trim(&text);
        let least = if matches!(text.as_bytes(), [b'0'..=b'9']) {
            1
        } else {
            2
        };
        bounded(text.to_owned(), least, MAX)
    }

    fn schema() -> Schema {
        let visible = format!(r"[^\u0000]*{VISIBLE}").repeat(2);
        typed(Type::String, None)
            .min_length(Some(1))
            .max_length(Some(MAX))
            .pattern(Some(format!(r"^([0-9]|{visible}[^\u0000]*)$")))
            .into()
    }
}

/// Secret of `MIN` to `MAX` visible ASCII characters. The secret is never printed, not even in failures.
#[derive(Debug)]
pub struct Secret<const MIN: usize, const MAX: usize>;

impl<const MIN: usize, const MAX: usize> FieldType for Secret<MIN, MAX> {
    type Value = SecretString;

    fn read(value: &Value) -> Result<SecretString, Vec<Failure>> {
        let text = String::read(value)?;
        let text = text.trim();
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            let message = "não pode conter espaços nem caracteres fora do ASCII";
            return Err(vec![Failure::new("value_error", message)]);
        }
        bounded(text, MIN, MAX).map(SecretString::from)
    }

    fn schema() -> Schema {
        typed(Type::String, None)
            .min_length(Some(MIN))
            .max_length(Some(MAX))
            .pattern(Some("^[!-~]+$"))
            .into()
    }
}

/// Returns `text` if its number of characters is within the bounds.
pub(super) fn bounded<T: AsRef<str>>(text: T, min: usize, max: usize) -> Result<T, Vec<Failure>> {
    let characters =
        |count: usize| format!("{count} {}", if count == 1 { "caractere" } else { "caracteres" });
    let (lower, upper) = (Some(min as u64), Some(max as u64));
    if !text.as_ref().validate_length(lower, None, None) {
        let message = format!("deve ter pelo menos {}", characters(min));
        Err(vec![Failure::new("string_too_short", message)])
    } else if !text.as_ref().validate_length(None, upper, None) {
        let message = format!("deve ter no máximo {}", characters(max));
        Err(vec![Failure::new("string_too_long", message)])
    } else {
        Ok(text)
    }
}
