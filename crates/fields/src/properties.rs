//! Property tests of the field types and of request structs with arbitrary JSON: each value is read as sent
//! or rejected with a failure, and no input causes a panic.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, SecondsFormat, Timelike, Utc};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use aponta_domain::apontamento::ProjetoNomeado;
use aponta_domain::arbitrary;
use aponta_domain::duracao::Duracao;
use aponta_domain::organizacao::NomeOrganizacao;
use aponta_domain::text::{composed, trim};
use aponta_domain::timesheet::Semana;

/// Returns a strategy for JSON, half of it texts that look like dates, instants, numbers, UUIDs or booleans:
/// arbitrary text is hardly ever one of these.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "-?[0-9]{1,4}-[0-9]{2}-[0-9]{2}",
        "[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]\
         (:[0-6][0-9](\\.[0-9]{1,9})?)?(Z|[+-][0-2][0-9]:[0-5][0-9])?",
        "[+-]?[0-9]{1,20}(\\.0{0,3})?(e[0-9]{1,3})?",
        "\\{?[0-9a-fA-F]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\\}?",
        "(true|FALSE|On|off|Yes|n|1\\.0|0)",
    ];
    prop_oneof![arbitrary::json(), text.prop_map(Value::from)]
}

/// Reads `value` as `T`. Returns `None` for a rejection, after asserting that it has at least one failure and
/// that each failure has a code and a message.
fn read_as<T: FieldType>(value: &Value) -> Result<Option<T::Value>, TestCaseError> {
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
    /// Checks that a value that is read stands for the same text, number, id or list as the JSON.
    #[test]
    fn scalars_are_read_as_sent(value in value()) {
        if let Some(text) = read_as::<String>(&value)? {
            let sent = composed(value.as_str().unwrap());
            prop_assert_eq!(&sent, &text);
            prop_assert!(!text.contains('\0'));
            let trimmed = read_as::<AnyTrimmed>(&value)?.unwrap();
            prop_assert!(text.contains(&trimmed) && trim(&trimmed) == trimmed);
        }
        if let Some(number) = read_as::<Any>(&value)? {
            let text = value.as_str().map(str::trim);
            let float = value.as_f64().or_else(|| text?.parse().ok()).unwrap();
            #[expect(clippy::cast_precision_loss, reason = "compared as the nearest float")]
            let nearest = number as f64;
            prop_assert!((nearest - float).abs() <= f64::EPSILON * float.abs(), "{} {}", value, number);
        }
        if let Some(id) = read_as::<WorkItemId>(&value)? {
            prop_assert!(id > 0);
            prop_assert_eq!(read_as::<Any>(&value)?, Some(i64::from(id)));
        }
        if let Some(id) = read_as::<Uuid>(&value)? {
            let digits = |text: &str| text.to_ascii_lowercase().replace(|c: char| !c.is_ascii_hexdigit(), "");
            prop_assert!(digits(value.as_str().unwrap()).ends_with(&digits(&id.to_string())));
        }
        if let Some(list) = read_as::<List<bool, 300>>(&value)? {
            prop_assert_eq!(value.as_array().map(Vec::len), Some(list.len()));
        }
        prop_assert_eq!(read_as::<OrNull<bool>>(&value)?.flatten(), read_as::<bool>(&value)?);
    }

    /// Checks that integers are read from JSON numbers and texts, and floats within 2^53 as well, beyond
    /// which floats do not represent each integer.
    #[test]
    fn every_number_is_read_in_all_its_spellings(
        number: i64,
        small in -9_007_199_254_740_992_i64..=9_007_199_254_740_992,
    ) {
        for value in [json!(number), json!(number.to_string()), json!(format!(" {number}\n"))] {
            prop_assert_eq!(read_as::<Any>(&value)?, Some(number));
        }
        #[expect(clippy::cast_precision_loss, reason = "within 2^53")]
        let float = small as f64;
        for value in [json!(float), json!(format!("{small}.0"))] {
            prop_assert_eq!(read_as::<Any>(&value)?, Some(small));
        }
    }

    /// Checks that a field of a domain type accepts what the parser of the type accepts; `Duracao` has a
    /// length of 4 or 5 characters in addition.
    #[test]
    fn domain_fields_agree_with_their_parsers(value in value()) {
        let text = &*composed(value.as_str().unwrap_or_default());
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

    /// Checks that instants and dates have a year that PostgreSQL and the wire format support, and that an
    /// instant that is written and read again keeps its microseconds.
    #[test]
    fn instants_are_within_range_of_postgresql(value in value()) {
        if let Some(at) = read_as::<DateTime<Utc>>(&value)? {
            prop_assert!((1..=9_999).contains(&at.year()));
            // During a leap second chrono counts more than 999,999,999 nanoseconds; the wire format has none.
            let at = at.with_nanosecond(at.nanosecond().min(999_999_999)).unwrap();
            let text = json!(at.to_rfc3339_opts(SecondsFormat::Micros, true));
            let again = read_as::<DateTime<Utc>>(&text)?.unwrap();
            let micros = at.nanosecond() / 1_000;
            prop_assert_eq!((again.timestamp(), again.nanosecond()), (at.timestamp(), micros * 1_000));
        }
        if let Some(date) = read_as::<NaiveDate>(&value)? {
            prop_assert!((1..=9_999).contains(&date.year()));
            prop_assert_eq!(read_as::<NaiveDate>(&json!(date.to_string()))?, Some(date));
            let semana = read_as::<Semana>(&value)?;
            prop_assert_eq!(semana.is_some(), date.to_string().as_str() <= "9999-12-26");
            for day in semana.into_iter().flat_map(Semana::days) {
                prop_assert!((1..=9_999).contains(&day.year()));
            }
        }
    }

    /// Checks that an instant at midnight stands for the day in its own offset, and that seconds since 1970
    /// are no day. The years 1 to 9999 have 3,652,059 days.
    #[test]
    fn day_is_the_same_in_all_its_spellings(days in 0_i32..3_652_059, hours in -12_i32..=14) {
        let date = NaiveDate::from_num_days_from_ce_opt(days + 1).unwrap();
        let seconds = date.and_time(NaiveTime::MIN).and_utc().timestamp();
        let sign = if hours < 0 { '-' } else { '+' };
        let hours = hours.abs();
        for value in [
            json!(date.to_string()),
            json!(format!(" {date}T00:00:00{sign}{hours:02}:00")),
            json!(format!("{date} 00:00:00")),
            json!(format!("{date}T00:00")),
        ] {
            prop_assert_eq!(read_as::<NaiveDate>(&value)?, Some(date), "{}", value);
        }
        let inexact = json!(format!("{date}T00:00:01Z"));
        prop_assert_eq!(read_as::<NaiveDate>(&inexact)?, None);
        for number in [json!(seconds), json!(seconds.to_string()), json!(seconds + 1)] {
            prop_assert_eq!(read_as::<NaiveDate>(&number)?, None, "{}", number);
        }
    }

    /// Checks that a text of white space, zero-width and control characters counts as no value.
    #[test]
    fn blank_values_are_absent(value in value(), blank in "[ \t\u{200b}\u{feff}\u{1b}]{0,4}") {
        if let Some(Some(text)) = read_as::<OrBlank<AnyTrimmed>>(&value)? {
            prop_assert!(!text.is_empty(), "{:?}", value);
        }
        prop_assert_eq!(read_as::<OrBlank<AnyTrimmed>>(&json!(blank))?, Some(None));
    }

    /// Checks that neither the `Debug` output of a secret nor the failures of a rejected one contain it.
    #[test]
    fn secret_is_never_shown(secret in prop_oneof![arbitrary::text(), "[!-~]{1,30}"]) {
        let value = json!(format!("{secret}c4n4ry{secret}"));
        match Secret::<1, 2_000>::read(&value) {
            Ok(read) => {
                prop_assert!(read.expose_secret().bytes().all(|b| b.is_ascii_graphic()));
                let printed = format!("{read:?}");
                prop_assert!(!printed.contains("c4n4ry"));
            }
            Err(failures) => {
                let printed = format!("{failures:?}");
                prop_assert!(!printed.contains("c4n4ry"));
            }
        }
    }

    /// Checks that a damaged body is read within all bounds of its fields, or that each failure names the
    /// part of the request and, unless the body is no object, a field.
    #[test]
    fn any_struct_is_read_or_every_failure_has_a_location(body in arbitrary::mutated(&valid())) {
        match read::<Sample>("body", &body) {
            Ok(sample) => {
                prop_assert!((1..=5).contains(&sample.nome.chars().count()));
                prop_assert!(sample.n.is_none_or(|n| (0..=10).contains(&n)));
                prop_assert!(sample.ids.is_none_or(|ids| (1..=300).contains(&ids.len())));
                prop_assert!(sample.texto.is_none_or(|text| text.chars().count() <= 4));
                let length = sample.pat.map(|pat| pat.expose_secret().len());
                prop_assert!(length.is_none_or(|length| (3..=8).contains(&length)));
            }
            Err(failures) => {
                prop_assert!((1..=MOST_FAILURES).contains(&failures.len()));
                let known = ["nome", "n", "ids", "texto", "pat"];
                for failure in failures {
                    let loc: Vec<String> = failure.loc.iter().map(ToString::to_string).collect();
                    prop_assert_eq!(loc[0].as_str(), "body");
                    prop_assert!(loc.len() > 1 || !body.is_object(), "{:?}", loc);
                    prop_assert!(loc.get(1).is_none_or(|name| known.contains(&name.as_str())));
                }
            }
        }
    }
}

/// Field type of any 64-bit integer.
type Any = Int<{ i64::MIN }, { i64::MAX }>;

fields! {
    /// One field of each kind.
    struct Sample {
        /// A name.
        nome: Required<Name<1, 5>>,
        /// A number.
        n: Optional<Int<0, 10>>,
        /// A list.
        ids: Nullable<List<Uuid, 300>>,
        /// A text.
        texto: Blankable<Trimmed<4>>,
        /// A secret.
        pat: Nullable<Secret<3, 8>>,
    }
}

/// Returns a valid body of [`Sample`]. Its list has more elements than a response has failures.
fn valid() -> Value {
    let ids = vec![json!(Uuid::from_u128(7)); 120];
    json!({"nome": "ok", "n": 3, "ids": ids, "texto": "x", "pat": "secret"})
}

#[test]
fn valid_struct_is_read() {
    assert!(read::<Sample>("body", &valid()).is_ok());
}

/// Checks that a text of invisible characters is absent, as in the parameter `team_id` of the timesheet.
#[test]
fn invisible_team_is_absent() {
    assert_eq!(OrBlank::<AnyTrimmed>::read(&json!("\u{200b} ")), Ok(None));
    assert!(
        OrBlank::<AnyTrimmed>::read(&json!("\0")).is_err(),
        "U+0000 is refused, not blank"
    );
}
