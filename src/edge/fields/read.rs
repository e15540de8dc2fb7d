//! What counts as a text, a boolean, an integer or a UUID: as lenient as pydantic 2.5 was, with its codes for failures.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::MOST_FAILURES;
use crate::models::apontamento::ProjetoNomeado;
use crate::models::duracao::{Duracao, DuracaoInvalida};
use crate::models::organizacao::NomeOrganizacao;
use crate::models::text::trim;

/// What is wrong with one value, or with one element of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Position in the list, when the value is one.
    pub(in crate::edge) index: Option<usize>,
    pub(in crate::edge) kind: &'static str,
    pub(in crate::edge) message: String,
}

impl Failure {
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            index: None,
            kind,
            message: message.into(),
        }
    }
}

/// A type that can be read out of JSON leniently.
pub trait Read: Sized {
    /// The value, or all that is wrong with it.
    ///
    /// # Errors
    /// At least one failure.
    fn read(value: &Value) -> Result<Self, Vec<Failure>>;
}

/// A secret: never printed, and written into failures as nothing but its length.
#[derive(Debug, Clone)]
pub struct Secret(pub SecretString);

impl Secret {
    /// Characters.
    pub(super) fn length(&self) -> usize {
        self.0.expose_secret().chars().count()
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&"*".repeat(self.length()))
    }
}

impl Read for Secret {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let text = String::read(value)?;
        let text = text.trim();
        if text.chars().all(|c| c.is_ascii_graphic()) {
            Ok(Self(SecretString::from(text)))
        } else {
            let message = "não pode conter espaços nem caracteres fora do ASCII";
            Err(vec![Failure::new("value_error", message)])
        }
    }
}

/// A value that old forms send as `""` when there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OrBlank<T>(pub Option<T>);

impl<T: Read> Read for OrBlank<T> {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        match value {
            Value::Null => Ok(Self(None)),
            Value::String(text) if trim(text).is_empty() && !text.contains('\0') => Ok(Self(None)),
            _ => T::read(value).map(|value| Self(Some(value))),
        }
    }
}

/// Id of a work item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct WorkItemId(pub i32);

/// Text whose surrounding white space does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Trimmed(pub String);

impl Read for String {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        match value {
            // PostgreSQL cannot store U+0000 in a text.
            Value::String(text) if text.contains('\0') => Err(vec![Failure::new(
                "value_error",
                "não pode conter o caractere nulo (U+0000)",
            )]),
            Value::String(text) => Ok(text.clone()),
            _ => Err(vec![Failure::new("string_type", "deve ser um texto")]),
        }
    }
}

impl Read for Trimmed {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        String::read(value).map(|text| Self(trim(&text).to_owned()))
    }
}

impl Read for bool {
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
}

impl Read for i64 {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let parsed = match value {
            Value::Number(n) if n.is_f64() => {
                return integral(n.as_f64().unwrap_or(f64::NAN))
                    .ok_or_else(|| vec![Failure::new("int_from_float", "deve ser um número inteiro")]);
            }
            Value::Number(n) => n.as_i64(),
            Value::String(text) => {
                let text = text.trim();
                text.parse().ok().or_else(|| integral(text.parse().ok()?))
            }
            _ => None,
        };
        parsed.ok_or_else(|| vec![Failure::new("int_parsing", "deve ser um número inteiro")])
    }
}

/// `2.0` is an integer to old clients; beyond 2^53 a float no longer says which one.
fn integral(number: f64) -> Option<i64> {
    let exact = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    exact.then_some(number as i64)
}

impl Read for Uuid {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let text = value.as_str().unwrap_or_default();
        Self::parse_str(text.trim())
            .map_err(|_| vec![Failure::new("uuid_parsing", "deve ser um UUID válido")])
    }
}

impl Read for NomeOrganizacao {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let text = String::read(value)?;
        Self::parse(&text).map_err(|_| {
            let message = "deve ser o nome de uma organização (letras, dígitos e -)";
            vec![Failure::new("value_error", message)]
        })
    }
}

/// RFC 3339; without an offset it is UTC (D-34). A bare date says too little.
impl Read for DateTime<Utc> {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let text = value.as_str().unwrap_or_default().trim();
        let naive = || {
            let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
            formats
                .iter()
                .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        };
        let at = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()).ok();
        at.or_else(|| naive().map(|at| at.and_utc()))
            // What PostgreSQL and the wire can hold.
            .filter(|at| (1..=9_999).contains(&at.year()))
            .ok_or_else(|| {
                vec![Failure::new(
                    "datetime_parsing",
                    "deve ser uma data e hora (RFC 3339)",
                )]
            })
    }
}

/// `YYYY-MM-DD`, or an instant at midnight, or seconds since 1970 that make whole days: what pydantic took.
impl Read for NaiveDate {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let text = value.as_str().unwrap_or_default().trim();
        let plain = || {
            let digits = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            digits
                .then(|| Self::parse_from_str(text, "%Y-%m-%d").ok())
                .flatten()
        };
        if let Some(date) = plain().filter(|date| (1..=9_999).contains(&date.year())) {
            return Ok(date);
        }
        // Whatever its offset, an instant at midnight there is that day; a count of seconds is a day of UTC.
        let local = DateTime::parse_from_rfc3339(text).map(|at| at.naive_local()).ok();
        let counted = || DateTime::from_timestamp(value.as_i64()?, 0).map(|at| at.naive_utc());
        let local = local
            .or_else(counted)
            .filter(|at| (1..=9_999).contains(&at.year()))
            .map_or_else(|| DateTime::<Utc>::read(value).map(|at| at.naive_utc()), Ok);
        match local {
            Ok(at) if at.time() == NaiveTime::MIN => Ok(at.date()),
            Ok(_) => Err(vec![Failure::new(
                "date_from_datetime_inexact",
                "deve ser uma data sem horário",
            )]),
            Err(_) => Err(vec![Failure::new(
                "date_from_datetime_parsing",
                "deve ser uma data (AAAA-MM-DD)",
            )]),
        }
    }
}

impl Read for Duracao {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let text = String::read(value)?;
        let length = text.chars().count();
        if length < 4 {
            let message = "deve ter pelo menos 4 caracteres";
            return Err(vec![Failure::new("string_too_short", message)]);
        }
        if length > 5 {
            let message = "deve ter no máximo 5 caracteres";
            return Err(vec![Failure::new("string_too_long", message)]);
        }
        Self::parse(&text).map_err(|why| {
            let message = match why {
                DuracaoInvalida::Formato => "deve estar no formato HH:mm (ex.: 01:00, 02:30, 08:00)",
                DuracaoInvalida::Zero => "deve ser maior que 00:00",
                DuracaoInvalida::MaisDe24Horas => "não pode exceder 24 horas",
            };
            vec![Failure::new("value_error", message)]
        })
    }
}

/// A UUID in any spelling, else a name.
impl Read for ProjetoNomeado {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let text = String::read(value)?;
        let text = trim(&text);
        if let Ok(id) = Uuid::parse_str(text) {
            return Ok(Self::Id(id));
        }
        match text.chars().count() {
            0 => Err(vec![Failure::new(
                "string_too_short",
                "deve ter pelo menos 1 caractere",
            )]),
            1..=255 => Ok(Self::Nome(text.to_owned())),
            _ => Err(vec![Failure::new(
                "string_too_long",
                "deve ter no máximo 255 caracteres",
            )]),
        }
    }
}

/// Ids of Azure DevOps are positive and fit into 32 bits.
impl Read for WorkItemId {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let id = i64::read(value)?;
        if id < 1 {
            return Err(vec![Failure::new(
                "greater_than_equal",
                "deve ser maior ou igual a 1",
            )]);
        }
        i32::try_from(id).map(Self).map_err(|_| {
            let message = format!("deve ser menor ou igual a {}", i32::MAX);
            vec![Failure::new("less_than_equal", message)]
        })
    }
}

impl<T: Read> Read for Option<T> {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        if value.is_null() {
            Ok(None)
        } else {
            T::read(value).map(Some)
        }
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let Value::Array(elements) = value else {
            return Err(vec![Failure::new("list_type", "deve ser uma lista")]);
        };
        let mut read = Self::new();
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
        if failures.is_empty() {
            Ok(read)
        } else {
            Err(failures)
        }
    }
}
