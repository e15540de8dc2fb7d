//! Input for property tests: hostile text, JSON of any shape, and valid JSON with damaged parts. The expected
//! properties are asserted in the tests of each parser.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Number, Value};

/// Pieces of text that are known to break parsers.
const PIECES: [&str; 34] = [
    ".", "..", "/", "\\", "%", "%2e", "%2F", "\t", "\n", "\r", " ", "\0", "'", "''", "\"", "--", ",", ";",
    ":", "=", "@", "#", "?", "&", "[", "]", "{", "-", "+", "0", "1e999", "\u{200b}", "\u{feff}", "É",
];

/// Returns a strategy for text; most of the characters have a meaning in some syntax.
pub fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(&PIECES[..]).prop_map(str::to_owned),
        2 => "[A-Za-z0-9]{1,6}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop_oneof![
        3 => vec(piece, 0..8).prop_map(|pieces| pieces.concat()),
        1 => "(?s).{0,60}",
        1 => "[ -~]{0,60}",
    ]
}

/// Returns a strategy for bytes that are allowed in the value of a header. The bytes need not be text.
pub fn header_bytes() -> impl Strategy<Value = Vec<u8>> {
    let allowed = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    prop_oneof![vec(any::<u8>(), 0..60), text().prop_map(String::into_bytes),]
        .prop_map(move |bytes| bytes.into_iter().filter(allowed).collect())
}

fn number() -> impl Strategy<Value = Number> {
    let float = any::<f64>().prop_filter_map("JSON has no NaN", Number::from_f64);
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        (-3_i64..100).prop_map(Number::from),
        float,
    ]
}

/// Returns a strategy for any JSON.
pub fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number().prop_map(Value::Number),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        let entries = vec((text(), inner.clone()), 0..5);
        prop_oneof![
            vec(inner, 0..5).prop_map(Value::from),
            entries.prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Returns a strategy for `valid` with fewer than four of its parts removed or replaced by any JSON.
pub fn mutated(valid: &Value) -> impl Strategy<Value = Value> + use<> {
    let change = (any::<Index>(), prop::option::of(json()));
    (Just(valid.clone()), vec(change, 0..4)).prop_map(|(mut value, changes)| {
        for (place, replacement) in changes {
            let place = place.index(size(&value));
            change_at(&mut value, &mut { place }, replacement.as_ref());
        }
        value
    })
}

/// Returns a strategy for the body of a response: mutations of `valid`, any JSON, or bytes that only resemble
/// JSON. Such bytes are cut, damaged, deeply nested, or contain numbers beyond any type.
pub fn body(valid: &Value) -> impl Strategy<Value = Vec<u8>> + use<> {
    let text = valid.to_string();
    let damaged = (Just(text.clone()), any::<Index>(), any::<u8>()).prop_map(|(text, place, byte)| {
        let mut bytes = text.into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        bytes
    });
    let cut = (Just(text), any::<Index>()).prop_map(|(text, end)| {
        let bytes = text.into_bytes();
        bytes[..end.index(bytes.len())].to_vec()
    });
    let nested = (
        select(&["[", "{\"value\":", "{\"fields\":{\"a\":"][..]),
        1_usize..20_000,
    );
    let numbers = select(
        &[
            "1e999",
            "-1e999",
            "{\"value\":[1e400]}",
            "123456789012345678901234567890",
            "0.1e-400",
        ][..],
    );
    prop_oneof![
        6 => mutated(valid).prop_map(|value| value.to_string().into_bytes()),
        2 => json().prop_map(|value| value.to_string().into_bytes()),
        1 => damaged,
        1 => cut,
        1 => nested.prop_map(|(open, depth)| open.repeat(depth).into_bytes()),
        1 => numbers.prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..60),
    ]
}

/// Counts the values in `value`, including itself.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(size).sum(),
        Value::Object(entries) => entries.values().map(size).sum::<usize>(),
        _ => 0,
    }
}

/// Replaces the value that comes after `left` others; without a replacement, removes its key. Returns `true`
/// if the value was found.
fn change_at(value: &mut Value, left: &mut usize, replacement: Option<&Value>) -> bool {
    if *left == 0 {
        *value = replacement.cloned().unwrap_or_default();
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(elements) => elements
            .iter_mut()
            .any(|element| change_at(element, left, replacement)),
        Value::Object(entries) => change_entry(entries, left, replacement),
        _ => false,
    }
}

fn change_entry(entries: &mut Map<String, Value>, left: &mut usize, replacement: Option<&Value>) -> bool {
    let mut gone = None;
    for (key, value) in entries.iter_mut() {
        let here = *left == 0;
        if change_at(value, left, replacement) {
            if here && replacement.is_none() {
                gone = Some(key.clone());
                break;
            }
            return true;
        }
    }
    gone.is_some_and(|key| entries.remove(&key).is_some())
}

#[test]
fn every_part_of_a_value_can_be_changed() {
    let value = serde_json::json!({"a": [1, {"b": 2}], "c": 3});
    assert_eq!(size(&value), 6);
    let texts: std::collections::BTreeSet<String> = (0..6)
        .map(|place| {
            let mut changed = value.clone();
            assert!(change_at(&mut changed, &mut { place }, Some(&Value::from("x"))));
            changed.to_string()
        })
        .collect();
    assert_eq!(texts.len(), 6);
    let mut without = value.clone();
    assert!(change_at(&mut without, &mut 5, None));
    assert_eq!(without, serde_json::json!({"a": [1, {"b": 2}]}));
}
