//! Search for work items by id, `#id` or a part of their title.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::WorkItemService;
use super::stale::Reading;
use crate::auth::{CurrentUser, Membership};
use crate::azure_devops::queries::{Literal, Literals};
use crate::azure_devops::work_items::WorkItem;
use crate::error::Result;
use crate::models::apontamento::ProjetoNomeado;
use crate::repositories::projetos::Located;
use crate::services::projetos::ProjetoService;

/// Maximum wait of a search for the types of projects, which determine the icons.
const TYPES_PATIENCE: Duration = Duration::from_secs(1);

/// Criteria of a search.
#[derive(Debug, Clone)]
pub struct Search {
    /// Text that a person entered: an id, `#id`, or a part of a title.
    pub text: String,
    /// Project to search in; `None` for all projects.
    pub projeto: Option<ProjetoNomeado>,
    /// Types to search for; empty for all types.
    pub types: Vec<String>,
    /// Maximum number of results.
    pub limit: usize,
}

/// A work item that was found.
#[derive(Debug)]
pub struct Found {
    /// The work item.
    pub item: WorkItem,
    /// Icon of its type, as a `data:` URI.
    pub icon: Arc<str>,
}

impl WorkItemService {
    /// Returns the matching work items, the last changed first.
    ///
    /// # Errors
    /// When Azure DevOps gives no usable answer.
    pub async fn search(
        &self,
        user: &CurrentUser,
        membership: &Membership,
        projetos: &ProjetoService,
        search: &Search,
    ) -> Result<Vec<Found>> {
        let chave = membership.chave();
        let located = match &search.projeto {
            Some(projeto) => Some(projetos.find_or_fetch(user, chave, projeto).await?),
            None => None,
        };
        let exact = exact_id(&search.text);
        // A single digit is in too many titles to be a part of one.
        let text = search.text.trim();
        let only_the_id = exact.is_some() && (text.starts_with('#') || text.len() == 1);
        let mut ids = if only_the_id {
            Vec::new()
        } else {
            let project = located.as_ref().map(|located| located.external_id.to_string());
            let wiql = wiql(search, project.is_some());
            self.query(membership, project.as_deref(), &wiql, Some(search.limit))
                .await?
                .to_vec()
        };
        if let Some(id) = exact {
            // The work item with this id comes first, however many titles contain the number.
            ids.retain(|other| *other != id);
            ids.insert(0, id);
        }
        let mut items = self.read_many(membership, &ids).await?;
        if let Some(first) = items.first().filter(|first| Some(first.id) == exact)
            && !self
                .matches_search(membership, projetos, located.as_ref(), search, first)
                .await?
        {
            items.remove(0);
        }
        items.truncate(search.limit);
        Ok(self.with_icons(membership, items).await)
    }

    /// Returns the work items with the icons of their types. If the types of a project cannot be read, the
    /// usual icons are used.
    async fn with_icons(&self, membership: &Membership, items: Vec<WorkItem>) -> Vec<Found> {
        let until = Instant::now() + TYPES_PATIENCE;
        let mut icons: HashMap<(String, String), Arc<str>> = HashMap::new();
        let mut found = Vec::with_capacity(items.len());
        for item in items {
            let key = (item.project.clone(), item.tipo.clone());
            let icon = if let Some(icon) = icons.get(&key) {
                Arc::clone(icon)
            } else {
                let types = match membership.service_credential() {
                    Ok(credential) => {
                        let reading = Reading::strict(membership.organizacao(), credential);
                        self.caches.types_until(reading, &item.project, until).await
                    }
                    Err(_) => None,
                };
                let icon = self.icon(membership, types.as_deref(), &item.tipo).await;
                icons.insert(key, Arc::clone(&icon));
                icon
            };
            found.push(Found { item, icon });
        }
        found
    }
}

impl WorkItemService {
    /// Returns `true` if a work item that was read by its id matches the search.
    async fn matches_search(
        &self,
        membership: &Membership,
        projetos: &ProjetoService,
        located: Option<&Located>,
        search: &Search,
        item: &WorkItem,
    ) -> Result<bool> {
        let tipo = item.tipo.to_lowercase();
        if !search.types.is_empty() && !search.types.iter().any(|wanted| wanted.to_lowercase() == tipo) {
            return Ok(false);
        }
        match located {
            Some(located) => projetos.is_in_project(membership, located, item).await,
            None => Ok(true),
        }
    }
}

/// Returns the id that a text represents, with or without a leading `#`.
fn exact_id(text: &str) -> Option<i32> {
    let text = text.trim();
    let digits = text.strip_prefix('#').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|id| is_number && *id > 0)
}

/// Returns the query of a search. The text always becomes a literal, whatever it contains.
fn wiql(search: &Search, in_project: bool) -> String {
    let mut wiql = "SELECT [System.Id] FROM WorkItems WHERE ".to_owned();
    if in_project {
        wiql.push_str("[System.TeamProject] = @project AND ");
    }
    // Writing into a String does not fail.
    let _ = write!(wiql, "[System.Title] CONTAINS {}", Literal(search.text.trim()));
    if !search.types.is_empty() {
        let _ = write!(wiql, " AND [System.WorkItemType] IN {}", Literals(&search.types));
    }
    wiql.push_str(" ORDER BY [System.ChangedDate] DESC");
    wiql
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    fn of(text: &str, types: &[&str]) -> String {
        let search = Search {
            text: text.to_owned(),
            projeto: None,
            types: types.iter().map(|tipo| (*tipo).to_owned()).collect(),
            limit: 10,
        };
        let wiql = wiql(&search, false);
        let condition = wiql
            .strip_prefix("SELECT [System.Id] FROM WorkItems WHERE ")
            .unwrap();
        condition
            .strip_suffix(" ORDER BY [System.ChangedDate] DESC")
            .unwrap()
            .to_owned()
    }

    #[test]
    fn d_40_digits_search_ids_and_text_searches_titles() {
        assert_eq!(of(" 123 ", &[]), "[System.Title] CONTAINS '123'");
        assert_eq!(
            [exact_id(" 123 "), exact_id("#7"), exact_id("²")],
            [Some(123), Some(7), None]
        );
        for text in ["²³", "#", "#x", "-1", "99999999999", "0"] {
            assert_eq!(
                of(text, &[]),
                format!("[System.Title] CONTAINS '{text}'"),
                "{text}"
            );
        }
        assert_eq!(
            of("D'Ávila] OR 1=1", &["Task", "B'ug"]),
            "[System.Title] CONTAINS 'D''Ávila] OR 1=1' AND [System.WorkItemType] IN ('Task', 'B''ug')"
        );
    }

    /// Returns the query with each literal as `?`, and the values of the literals, parsed as Azure DevOps
    /// does.
    fn split_literals(wiql: &str) -> (String, Vec<String>) {
        let (mut structure, mut literals) = (String::new(), Vec::new());
        let mut rest = wiql.chars().peekable();
        while let Some(c) = rest.next() {
            if c != '\'' {
                structure.push(c);
                continue;
            }
            let mut literal = String::new();
            while let Some(c) = rest.next() {
                if c == '\'' && rest.next_if_eq(&'\'').is_none() {
                    break;
                }
                literal.push(c);
            }
            structure.push('?');
            literals.push(literal);
        }
        (structure, literals)
    }

    proptest! {
        #[test]
        fn d_09_any_text_keeps_the_query_structure(
            text in arbitrary::text(), types in prop::collection::vec(arbitrary::text(), 0..4), in_project: bool,
        ) {
            let search = Search { text: text.clone(), projeto: None, types: types.clone(), limit: 10 };
            let (structure, literals) = split_literals(&wiql(&search, in_project));
            let plain = Search { text: "x".to_owned(), types: vec!["x".to_owned(); types.len()], ..search };
            prop_assert_eq!(structure, split_literals(&wiql(&plain, in_project)).0);
            let visible = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
            let expected: Vec<String> =
                std::iter::once(visible(text.trim())).chain(types.iter().map(|tipo| visible(tipo))).collect();
            prop_assert_eq!(literals, expected);
        }

        #[test]
        fn d_40_id_is_digits_alone(text in prop_oneof![arbitrary::text(), " ?#?[0-9]{0,12} ?"]) {
            let digits = text.trim().strip_prefix('#').unwrap_or(text.trim());
            let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok());
            let expected = number.flatten().filter(|id| (1..=2_147_483_647).contains(id));
            prop_assert_eq!(exact_id(&text).map(|id| u64::try_from(id).unwrap()), expected);
        }
    }
}
