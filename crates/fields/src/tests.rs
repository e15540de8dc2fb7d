//! Tests of all failures of a request struct, and of the spellings that old clients send.

use serde_json::json;
use uuid::Uuid;

use super::*;

fields! {
    /// One field of each kind.
    struct Sample {
        /// A name.
        nome: Required<Name<1, 5>>,
        /// A flag.
        ativo: Optional<bool>,
        /// A number.
        n: Optional<Int<0, 10>>,
        /// A list.
        ids: Nullable<List<Uuid, 300>>,
    }
}

fn kinds(value: &Value) -> Vec<(String, &'static str)> {
    let loc = |e: &FieldError| {
        e.loc
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(".")
    };
    read::<Sample>("body", value).map_or_else(|e| e.iter().map(|e| (loc(e), e.kind)).collect(), |_| vec![])
}

#[test]
fn every_failure_is_found_in_the_order_of_declaration() {
    let found = kinds(&json!({"ids": ["x", Uuid::nil(), 3], "n": 11, "ativo": "talvez", "nome": "  "}));
    let expected = [
        ("body.nome", "string_too_short"),
        ("body.ativo", "bool_parsing"),
        ("body.n", "less_than_equal"),
        ("body.ids.0", "uuid_parsing"),
        ("body.ids.2", "uuid_parsing"),
    ];
    assert_eq!(found, expected.map(|(loc, kind)| (loc.to_owned(), kind)));
}

#[test]
fn each_kind_of_failure_has_its_code() {
    let with = |name: &str, value: Value| {
        let mut object = json!({"nome": "ok"});
        object[name] = value;
        kinds(&object)
            .into_iter()
            .map(|(_, kind)| kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(&json!({})), [("body.nome".to_owned(), "missing")]);
    assert_eq!(kinds(&json!([1])), [("body".to_owned(), "model_attributes_type")]);
    assert_eq!(with("nome", json!(null)), ["string_type"]);
    assert_eq!(with("nome", json!("a\0b")), ["value_error"]);
    assert_eq!(with("nome", json!("seis 6")), ["string_too_long"]);
    assert_eq!(with("n", json!(-1)), ["greater_than_equal"]);
    assert_eq!(with("n", json!("dez")), ["int_parsing"]);
    assert_eq!(with("n", json!(1.5)), ["int_from_float"]);
    assert_eq!(with("n", json!(u64::MAX)), ["int_parsing"]);
    assert_eq!(with("ids", json!([])), ["too_short"]);
    assert_eq!(with("ids", json!("x")), ["list_type"]);
}

#[test]
fn unknown_names_fail_once_each_and_not_without_end() {
    let known = ["skip".to_owned()];
    let found = unknown(["skip", "Skip", "x", "x"], &known);
    let names: Vec<String> = found.iter().map(|failure| failure.loc[1].to_string()).collect();
    assert_eq!(names, ["Skip", "x"]);
    let many = (0..1_000).map(|n| n.to_string());
    assert_eq!(unknown(many, &known).len(), MOST_FAILURES);
}

#[test]
fn old_clients_spellings_are_understood() {
    let id = Uuid::from_u128(7);
    let spellings = [
        id.to_string(),
        id.simple().to_string(),
        id.urn().to_string(),
        id.braced().to_string(),
    ];
    let body = json!({"nome": " ok ", "ativo": "YES", "n": "7", "ids": spellings});
    let sample: Sample = read("body", &body).unwrap();
    assert_eq!(sample.nome, "ok");
    assert_eq!(sample.ativo, Some(true));
    assert_eq!(sample.n, Some(7));
    assert_eq!(sample.ids, Some(vec![id; 4]));
}

fields! {
    /// A field and the one that took its place.
    struct Renamed {
        /// The values.
        values: Nullable<List<Uuid, 300>>,
        /// The only value.
        #[deprecated = "values"]
        value: Nullable<Uuid>,
    }
}

#[test]
fn deprecated_field_names_its_replacement() {
    let body: Renamed = read("body", &json!({"value": Uuid::nil()})).unwrap();
    assert_eq!((body.value, body.values), (Some(Uuid::nil()), None));
    let schema = serde_json::to_value(<Renamed as utoipa::PartialSchema>::schema()).unwrap();
    let property = &schema["properties"]["value"];
    assert_eq!(property["deprecated"], true);
    assert_eq!(property["description"], "The only value. Use `values`.");
    assert_eq!(schema["properties"]["values"]["deprecated"], Value::Null);
}
