//! Lenient parser of JSON that does not always match its specification: byte order marks, `null` in lists,
//! single broken elements. Dates and enumerations stay text, because `0001-01-01T00:00:00` without a zone and
//! unknown words are both legal.

use aponta_domain::text::{NAME_MAX, from_upstream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Parses the body as `T` and skips a byte order mark.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body))
}

/// Maximum number of characters of a description, a path or an address.
const TEXT_MAX: usize = 10_000;

/// Deserializes a name in the form in which it is stored and shown.
pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(from_upstream(&text, NAME_MAX))
}

/// Deserializes a name that may be absent.
pub(super) fn optional_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| from_upstream(&text, NAME_MAX)))
}

/// Deserializes a longer text that may be absent.
pub(super) fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| from_upstream(&text, TEXT_MAX)))
}

/// `{"count": n, "value": [...]}`; a broken element does not invalidate the page.
#[derive(Debug, Deserialize)]
pub(super) struct List<T: DeserializeOwned> {
    #[serde(alias = "values", deserialize_with = "elements")]
    pub(super) value: Elements<T>,
}

/// Elements of a list.
#[derive(Debug)]
pub(super) struct Elements<T> {
    /// Parsed elements, in order.
    pub(super) good: Vec<T>,
    /// Number of elements that could not be parsed.
    pub(super) unreadable: usize,
    /// Number of rows of the page, including `null`.
    pub(super) rows: usize,
}

fn elements<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Elements<T>, D::Error> {
    let all = Vec::<Value>::deserialize(deserializer)?;
    let mut found = Elements {
        good: Vec::with_capacity(all.len()),
        unreadable: 0,
        rows: all.len(),
    };
    for element in all.into_iter().filter(|element| !element.is_null()) {
        match serde_json::from_value(element) {
            Ok(element) => found.good.push(element),
            Err(_) => found.unreadable += 1,
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_with_malformed_element_and_bom_is_read() {
        let page: List<u8> = parse(b"\xef\xbb\xbf{\"count\":4,\"values\":[1,null,\"x\",2]}").unwrap();
        assert_eq!((page.value.good, page.value.unreadable), (vec![1, 2], 1));
        assert_eq!(page.value.rows, 4);
    }
}
