//! WIQL: the query language of work items. WIQL has no bind parameters, so text is escaped as a literal here
//! and only here.

use std::fmt;

use chrono::NaiveDate;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::json;

use super::credential::Credential;
use super::error::Error;
use super::operation::{Host, QUERY_WORK_ITEMS};
use super::organizacao::Organizacao;
use super::transport::Body;

/// Maximum length of a query in bytes. Azure DevOps limits the number of characters, which is never greater.
pub const LONGEST_QUERY: usize = 32_000;

/// Text as a WIQL literal: in quotes, with quotes doubled and control characters removed (D-09).
#[derive(Debug, Clone, Copy)]
pub struct Literal<'a>(pub &'a str);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("'")?;
        for c in self.0.chars().filter(|c| !c.is_control()) {
            if c == '\'' {
                f.write_str("''")?;
            } else {
                write!(f, "{c}")?;
            }
        }
        f.write_str("'")
    }
}

/// Texts as a list of literals in parentheses, for `IN`.
#[derive(Debug, Clone, Copy)]
pub struct Literals<'a>(pub &'a [String]);

impl fmt::Display for Literals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (n, text) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{}", Literal(text))?;
        }
        f.write_str(")")
    }
}

/// First day of a WIQL literal. SQL Server's `datetime` begins with 1753, and no work item is older.
const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(1900, 1, 1).unwrap();

/// Returns `date` as a WIQL literal, including the quotes; an earlier day than 1900-01-01 becomes that day.
#[must_use]
pub fn wiql_date(date: NaiveDate) -> String {
    date.max(FIRST_DAY).format("'%Y-%m-%d'").to_string()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct WiqlResult {
    work_items: Vec<Reference>,
    work_item_relations: Vec<Relation>,
}

#[derive(Debug, Deserialize)]
struct Reference {
    id: i32,
}

#[derive(Debug, Deserialize)]
pub(super) struct Relation {
    #[serde(default)]
    source: Option<Reference>,
    #[serde(default)]
    target: Option<Reference>,
}

impl Organizacao {
    /// Returns the ids of the work items that `wiql` selects, in its order, each once. `project` is the value
    /// of `@project`; `most` limits the number of ids.
    ///
    /// # Errors
    /// [`Error::Rejected`] if the query selects more than 20,000 work items.
    pub async fn query_work_items(
        &self,
        credential: &Credential,
        project: Option<&str>,
        wiql: &str,
        most: Option<usize>,
    ) -> Result<Vec<i32>, Error> {
        let rest = ["_apis", "wit", "wiql"];
        let segments: Vec<&str> = project.into_iter().chain(rest).collect();
        let body = Body::new(
            HeaderValue::from_static("application/json"),
            &json!({ "query": wiql }),
        );
        let most = most.map(|most| most.to_string());
        let query: Vec<(&str, &str)> = most.iter().map(|most| ("$top", most.as_str())).collect();
        let answer = self
            .send_query(&QUERY_WORK_ITEMS, Host::Api, &segments, &query, body, credential)
            .await?;
        let answer: WiqlResult = answer.json()?;
        let flat = answer.work_items.into_iter().map(|item| item.id);
        Ok(distinct(flat.chain(ids_of(answer.work_item_relations))))
    }
}

/// Returns the ids of the sources and targets of relations.
pub(super) fn ids_of(relations: Vec<Relation>) -> impl Iterator<Item = i32> {
    relations
        .into_iter()
        .flat_map(|relation| [relation.source, relation.target])
        .flatten()
        .map(|item| item.id)
}

/// Removes duplicates and keeps the first occurrence of each id.
pub(super) fn distinct(ids: impl Iterator<Item = i32>) -> Vec<i32> {
    let mut seen = std::collections::HashSet::new();
    ids.filter(|id| seen.insert(*id)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use aponta_domain::arbitrary;

    #[test]
    fn d_09_text_cannot_escape_its_quotes() {
        let literal = |text| Literal(text).to_string();
        assert_eq!(literal("O'Neil"), "'O''Neil'");
        assert_eq!(literal("x' OR [System.Id] > 0 --"), "'x'' OR [System.Id] > 0 --'");
        assert_eq!(literal("a\u{0}b\nc"), "'abc'");
        assert_eq!(literal("[x] @Me Ação"), "'[x] @Me Ação'");
        assert_eq!(
            Literals(&["A".to_owned(), "B'C".to_owned()]).to_string(),
            "('A', 'B''C')"
        );
    }

    #[test]
    fn wiql_date_before_1900_is_the_first_of_1900() {
        let literal = |text: &str| wiql_date(text.parse().unwrap());
        assert_eq!(literal("0001-01-01"), "'1900-01-01'");
        assert_eq!(literal("2026-01-12"), "'2026-01-12'");
        assert_eq!(literal("9999-12-31"), "'9999-12-31'");
    }

    proptest! {
        #[test]
        fn d_09_any_text_is_one_exact_literal(text in arbitrary::text()) {
            let literal = Literal(&text).to_string();
            let inner = literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            let inner = inner.unwrap();
            let visible: String = text.chars().filter(|c| !c.is_control()).collect();
            prop_assert_eq!(inner.replace("''", "'"), visible);
            // Every quote inside is doubled, so no quote ends the literal.
            prop_assert!(!inner.replace("''", "").contains('\''));
        }
    }
}
