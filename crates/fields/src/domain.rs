//! Domain types as fields of requests.

use chrono::{Datelike, NaiveDate};
use serde_json::Value;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{KnownFormat, Type};
use uuid::Uuid;

use super::schema::typed;
use super::text::bounded;
use super::values::integer;
use super::{Failure, FieldType, Name, Text};
use aponta_domain::apontamento::ProjetoNomeado;
use aponta_domain::atividade::NomeAtividade;
use aponta_domain::duracao::{Duracao, DuracaoInvalida};
use aponta_domain::organizacao::NomeOrganizacao;
use aponta_domain::organization_pat::OrganizationUrl;
use aponta_domain::text::trim;
use aponta_domain::timesheet::Semana;

/// Regular expression for names of organisations.
const ORGANISATION: &str =
    r"^[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]]([A-Za-z0-9À-ÖØ-öø-ÿ()\[\]_. -]*[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]])?$";

/// Regular expression for addresses; the parser checks the remaining rules.
const URL: &str =
    r"^(https://[^\s@?#\\]+|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,4})?(/[^\s@?#\\]*)?)?$";

/// Maximum number of characters of an address.
const URL_MAX: usize = 500;

/// Regular expression for durations, `H:mm` or `HH:mm`.
const DURATION: &str = "^(?!0?0:00$)(([01]?[0-9]|2[0-3]):[0-5][0-9]|24:00)$";

impl FieldType for NomeOrganizacao {
    type Value = Self;

    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let text = String::read(value)?;
        Self::parse(&text).map_err(|_| {
            let message = "deve ser o nome de uma organização (letras, dígitos e -)";
            vec![Failure::new("value_error", message)]
        })
    }

    fn schema() -> Schema {
        typed(Type::String, None)
            .min_length(Some(1))
            .max_length(Some(64))
            .pattern(Some(ORGANISATION))
            .into()
    }
}

impl FieldType for Duracao {
    type Value = Self;

    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let text = bounded(String::read(value)?, 4, 5)?;
        Self::parse(&text).map_err(|why| {
            let message = match why {
                DuracaoInvalida::Formato => "deve estar no formato HH:mm (ex.: 01:00, 02:30, 08:00)",
                DuracaoInvalida::Zero => "deve ser maior que 00:00",
                DuracaoInvalida::MaisDe24Horas => "não pode exceder 24 horas",
            };
            vec![Failure::new("value_error", message)]
        })
    }

    fn schema() -> Schema {
        typed(Type::String, None)
            .min_length(Some(4))
            .max_length(Some(5))
            .pattern(Some(DURATION))
            .into()
    }
}

/// Accepts any day of a week that ends in the year 9999 or before.
impl FieldType for Semana {
    type Value = Self;

    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let semana = Self::of(NaiveDate::read(value)?);
        if semana.last().year() > 9_999 {
            let message = "deve ser uma data até 9999-12-26";
            return Err(vec![Failure::new("less_than_equal", message)]);
        }
        Ok(semana)
    }

    fn schema() -> Schema {
        NaiveDate::schema()
    }
}

/// Accepts a UUID in any spelling, else a name.
impl FieldType for ProjetoNomeado {
    type Value = Self;

    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let text = String::read(value)?;
        match Uuid::parse_str(trim(&text)) {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => Name::<1, 255>::read(value).map(Self::Nome),
        }
    }

    fn schema() -> Schema {
        Name::<1, 255>::schema()
    }
}

impl FieldType for NomeAtividade {
    type Value = Self;

    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let text = Name::<1, 255>::read(value)?;
        Self::parse(&text).ok_or_else(|| vec![Failure::new("value_error", "não é um nome válido")])
    }

    fn schema() -> Schema {
        Name::<1, 255>::schema()
    }
}

impl FieldType for OrganizationUrl {
    type Value = Self;

    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let url = Self::parse(&String::read(value)?);
        let url = url.map_err(|why| vec![Failure::new("value_error", why)])?;
        Text::<URL_MAX>::read(&url.as_str().into())?;
        Ok(url)
    }

    fn schema() -> Schema {
        typed(Type::String, None)
            .max_length(Some(URL_MAX))
            .pattern(Some(URL))
            .into()
    }
}

/// Id of a work item: a positive 32-bit integer, as in Azure DevOps.
#[derive(Debug)]
pub struct WorkItemId;

impl FieldType for WorkItemId {
    type Value = i32;

    fn read(value: &Value) -> Result<i32, Vec<Failure>> {
        let id = integer(value, 1, i32::MAX.into())?;
        i32::try_from(id).map_err(|_| vec![Failure::new("int_parsing", "deve ser um número inteiro")])
    }

    fn schema() -> Schema {
        typed(Type::Integer, Some(KnownFormat::Int32))
            .minimum(Some(1))
            .into()
    }
}
