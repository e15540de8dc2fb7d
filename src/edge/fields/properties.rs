//! What every reader of request values promises, whatever a client sends.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike, Utc};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;
use validator::Validate;

use super::*;
use crate::arbitrary;
use crate::edge::instant::Instant;
use crate::models::apontamento::ProjetoNomeado;
use crate::models::duracao::Duracao;
use crate::models::organizacao::NomeOrganizacao;
use crate::models::text::trim;

/// JSON, with more of what readers take: texts that look like dates, numbers, UUIDs.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "-?[0-9]{1,4}-[0-9]{2}-[0-9]{2}",
        "[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9](:[0-6][0-9](\\.[0-9]{1,9})?)?(Z|[+-][0-2][0-9]:[0-5][0-9])?",
        "[+-]?[0-9]{1,20}(\\.0{0,3})?(e[0-9]{1,3})?",
        "\\{?[0-9a-fA-F]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\\}?",
        "(true|FALSE|On|off|Yes|n|1\\.0|0)",
    ];
    prop_oneof![arbitrary::json(), text.prop_map(Value::from)]
}

/// What `T` makes of it; a refusal says at least one thing.
fn read_as<T: Read>(value: &Value) -> Result<Option<T>, TestCaseError> {
    match T::read(value) {
        Ok(read) => Ok(Some(read)),
        Err(failures) => {
            prop_assert!(!failures.is_empty());
            for failure in failures {
                prop_assert!(!failure.kind.is_empty() && !failure.message.is_empty());
            }
            Ok(None)
        }
    }
}

proptest! {
    #[test]
    fn texts_numbers_and_words_are_what_was_sent(value in value()) {
        if let Some(text) = read_as::<String>(&value)? {
            prop_assert_eq!(value.as_str(), Some(text.as_str()));
            prop_assert!(!text.contains('\0'));
            let Trimmed(trimmed) = read_as(&value)?.unwrap();
            prop_assert!(text.contains(&trimmed) && trim(&trimmed) == trimmed);
        }
        if let Some(number) = read_as::<i64>(&value)? {
            let text = value.as_str().map(str::trim);
            let float = value.as_f64().or_else(|| text?.parse().ok()).unwrap();
            #[expect(clippy::cast_precision_loss, reason = "compared as the nearest float")]
            let nearest = number as f64;
            prop_assert!((nearest - float).abs() <= f64::EPSILON * float.abs(), "{} {}", value, number);
        }
        if let Some(WorkItemId(id)) = read_as(&value)? {
            prop_assert!(id > 0);
            prop_assert_eq!(read_as::<i64>(&value)?, Some(i64::from(id)));
        }
        if let Some(id) = read_as::<Uuid>(&value)? {
            let digits = |text: &str| text.to_ascii_lowercase().replace(|c: char| !c.is_ascii_hexdigit(), "");
            prop_assert!(digits(value.as_str().unwrap()).ends_with(&digits(&id.to_string())));
        }
        if let Some(list) = read_as::<Vec<bool>>(&value)? {
            prop_assert_eq!(value.as_array().map(Vec::len), Some(list.len()));
        }
        prop_assert_eq!(read_as::<Option<bool>>(&value)?.flatten(), read_as::<bool>(&value)?);
    }

    #[test]
    fn every_number_is_read_in_all_its_spellings(number: i64, small in -9_007_199_254_740_992_i64..=9_007_199_254_740_992) {
        for value in [json!(number), json!(number.to_string()), json!(format!(" {number}\n"))] {
            prop_assert_eq!(read_as::<i64>(&value)?, Some(number));
        }
        #[expect(clippy::cast_precision_loss, reason = "within 2^53")]
        let float = small as f64;
        for value in [json!(float), json!(format!("{small}.0"))] {
            prop_assert_eq!(read_as::<i64>(&value)?, Some(small));
        }
    }

    #[test]
    fn names_durations_and_projects_are_as_their_own_parsers_say(value in value()) {
        let text = value.as_str().unwrap_or_default();
        prop_assert_eq!(read_as::<NomeOrganizacao>(&value)?, NomeOrganizacao::parse(text).ok());
        let length = (4..=5).contains(&text.chars().count());
        prop_assert_eq!(read_as::<Duracao>(&value)?, Duracao::parse(text).ok().filter(|_| length));
        match read_as::<ProjetoNomeado>(&value)? {
            Some(ProjetoNomeado::Nome(nome)) => {
                prop_assert!((1..=255).contains(&nome.chars().count()) && !nome.contains('\0'));
                prop_assert_eq!(nome, trim(text));
            }
            Some(ProjetoNomeado::Id(id)) => prop_assert_eq!(read_as::<Uuid>(&json!(trim(text)))?, Some(id)),
            None => {}
        }
    }

    #[test]
    fn moments_are_those_that_postgresql_and_the_wire_can_hold(value in value()) {
        if let Some(at) = read_as::<DateTime<Utc>>(&value)? {
            prop_assert!((1..=9_999).contains(&at.year()));
            let text = serde_json::to_value(Instant(at)).unwrap();
            prop_assert_eq!(text.as_str().map(str::len), Some(27));
            let again = read_as::<DateTime<Utc>>(&text)?.unwrap();
            let micros = at.nanosecond().min(999_999_999) / 1_000;
            prop_assert_eq!((again.timestamp(), again.nanosecond()), (at.timestamp(), micros * 1_000));
        }
        if let Some(date) = read_as::<NaiveDate>(&value)? {
            prop_assert!((1..=9_999).contains(&date.year()));
            prop_assert_eq!(read_as::<NaiveDate>(&json!(date.to_string()))?, Some(date));
        }
    }

    /// An instant at midnight is the day where it is midnight; seconds are those of UTC.
    #[test]
    fn a_day_is_the_same_in_all_its_spellings(days in 0_i32..3_652_059, hours in -12_i32..=14) {
        let date = NaiveDate::from_num_days_from_ce_opt(days + 1).unwrap();
        let seconds = date.and_time(NaiveTime::MIN).and_utc().timestamp();
        let sign = if hours < 0 { '-' } else { '+' };
        let hours = hours.abs();
        for value in [
            json!(date.to_string()),
            json!(format!(" {date}T00:00:00{sign}{hours:02}:00")),
            json!(format!("{date} 00:00:00")),
            json!(format!("{date}T00:00")),
            json!(seconds),
        ] {
            prop_assert_eq!(read_as::<NaiveDate>(&value)?, Some(date), "{}", value);
        }
        let inexact = json!(format!("{date}T00:00:01Z"));
        prop_assert_eq!(read_as::<NaiveDate>(&inexact)?, None);
        prop_assert_eq!(read_as::<NaiveDate>(&json!(seconds + 1))?, None);
    }

    #[test]
    fn what_says_nothing_is_blank(value in value(), blank in "[ \t\u{200b}\u{feff}\u{1b}]{0,4}") {
        if let Some(OrBlank(Some(Trimmed(text)))) = read_as(&value)? {
            prop_assert!(!text.is_empty(), "{:?}", value);
        }
        prop_assert_eq!(read_as::<OrBlank<Trimmed>>(&json!(blank))?, Some(OrBlank(None)));
    }

    #[test]
    fn a_secret_is_never_shown(secret in prop_oneof![arbitrary::text(), "[!-~]{1,30}"]) {
        let value = json!(format!("{secret}c4n4ry{secret}"));
        match Secret::read(&value) {
            Ok(read) => {
                prop_assert!(read.0.expose_secret().bytes().all(|b| b.is_ascii_graphic()));
                let shown = format!("{read:?} {}", serde_json::to_value(&read).unwrap());
                prop_assert!(!shown.contains("c4n4ry"));
            }
            Err(failures) => {
                let shown = format!("{failures:?}");
                prop_assert!(!shown.contains("c4n4ry"));
            }
        }
    }

    #[test]
    fn a_struct_is_read_or_each_failure_is_placed(body in arbitrary::mutated(&valid())) {
        match read::<Sample>("body", body.clone()) {
            Ok(sample) => {
                prop_assert!(sample.validate().is_ok());
                prop_assert!(sample.fields().iter().all(|(_, failures)| failures.is_empty()));
                prop_assert!(sample.nome.as_value().is_some());
            }
            Err(failures) => {
                prop_assert!((1..=MOST_FAILURES).contains(&failures.len()));
                let known = ["nome", "n", "ids", "texto", "pat"];
                for failure in failures {
                    let place: Vec<String> = failure.loc.iter().map(ToString::to_string).collect();
                    prop_assert_eq!(place[0].as_str(), "body");
                    prop_assert!(place.len() > 1 || !body.is_object(), "{:?}", place);
                    prop_assert!(place.get(1).is_none_or(|name| known.contains(&name.as_str())));
                }
            }
        }
    }
}

#[derive(Debug, Default, Deserialize, Validate)]
#[serde(default)]
struct Sample {
    #[validate(required, length(min = 1, max = 5))]
    nome: Field<Trimmed>,
    #[validate(range(min = 0, max = 10))]
    n: Field<i64>,
    #[validate(length(min = 1, max = 300))]
    ids: Field<Option<Vec<Uuid>>>,
    #[validate(length(max = 4))]
    texto: Field<OrBlank<Trimmed>>,
    #[validate(length(min = 3, max = 8))]
    pat: Field<Option<Secret>>,
}
fields!(Sample {
    nome,
    n,
    ids,
    texto,
    pat
});

fn valid() -> Value {
    let ids = vec![json!(Uuid::from_u128(7)); 120];
    json!({"nome": "ok", "n": 3, "ids": ids, "texto": "x", "pat": "secret"})
}

#[test]
fn a_right_struct_is_read() {
    assert!(read::<Sample>("body", valid()).is_ok());
}

#[test]
fn what_cannot_be_seen_names_no_team() {
    assert_eq!(OrBlank::<Trimmed>::read(&json!("\u{200b} ")), Ok(OrBlank(None)));
    assert!(
        OrBlank::<Trimmed>::read(&json!("\0")).is_err(),
        "U+0000 is refused, not blank"
    );
}
