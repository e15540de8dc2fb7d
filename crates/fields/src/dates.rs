//! Dates and instants.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde_json::Value;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{KnownFormat, Type};

use super::schema::typed;
use super::{Failure, FieldType};

/// Accepts RFC 3339; a value without an offset is UTC (D-34). A date alone is rejected.
impl FieldType for DateTime<Utc> {
    type Value = Self;

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
            // Range of years that PostgreSQL and the wire format support.
            .filter(|at| (1..=9_999).contains(&at.year()))
            .ok_or_else(|| {
                vec![Failure::new(
                    "datetime_parsing",
                    "deve ser uma data e hora (RFC 3339)",
                )]
            })
    }

    fn schema() -> Schema {
        typed(Type::String, Some(KnownFormat::DateTime)).into()
    }
}

/// Accepts `YYYY-MM-DD` or an instant at midnight. Seconds since 1970, which pydantic took for days, are
/// refused.
impl FieldType for NaiveDate {
    type Value = Self;

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
        // An instant at midnight of its own offset stands for that day.
        let local = DateTime::parse_from_rfc3339(text).map(|at| at.naive_local()).ok();
        let local = local
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

    fn schema() -> Schema {
        typed(Type::String, Some(KnownFormat::Date)).into()
    }
}
