//! Work items found by id, `#id` or a part of their title.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use super::WorkItemService;
use crate::auth::{CurrentUser, Membership};
use crate::azure_devops::queries::{Literal, Literals};
use crate::azure_devops::work_items::WorkItem;
use crate::error::Result;
use crate::models::apontamento::ProjetoNomeado;
use crate::services::projetos::ProjetoService;

/// What is searched for.
#[derive(Debug, Clone)]
pub struct Search {
    /// Text of a person: an id, `#id`, or a part of a title.
    pub text: String,
    /// Only in this project.
    pub projeto: Option<ProjetoNomeado>,
    /// Only of these types; empty: of all.
    pub types: Vec<String>,
    /// At the most so many.
    pub limit: usize,
}

/// A work item that was found.
#[derive(Debug)]
pub struct Found {
    /// The work item.
    pub item: WorkItem,
    /// Picture of its type.
    pub icon: Arc<str>,
}

impl WorkItemService {
    /// What matches, the last changed first.
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
        let nome = membership.organizacao().nome();
        let project = match &search.projeto {
            Some(projeto) => Some(projetos.find_or_fetch(user, nome, projeto).await?.external_id),
            None => None,
        };
        let project = project.map(|project| project.to_string());
        let wiql = wiql(search, project.is_some());
        let ids = self
            .query(membership, project.as_deref(), &wiql, Some(search.limit))
            .await?;
        let ids = ids.get(..search.limit).unwrap_or(&ids);
        let items = self.read_many(membership, ids).await?;
        let mut icons: HashMap<String, Arc<str>> = HashMap::new();
        let mut found = Vec::with_capacity(items.len());
        for item in items {
            let icon = if let Some(icon) = icons.get(&item.tipo) {
                Arc::clone(icon)
            } else {
                let icon = self.icon(membership, None, &item.tipo).await;
                icons.insert(item.tipo.clone(), Arc::clone(&icon));
                icon
            };
            found.push(Found { item, icon });
        }
        Ok(found)
    }
}

/// Text stays text: it becomes a literal, whatever it holds.
fn wiql(search: &Search, in_project: bool) -> String {
    let mut wiql = "SELECT [System.Id] FROM WorkItems WHERE ".to_owned();
    if in_project {
        wiql.push_str("[System.TeamProject] = @project AND ");
    }
    let text = search.text.trim();
    let id = |text: &str| text.parse::<i32>().ok().filter(|id| *id > 0);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let condition = match text.strip_prefix('#').filter(|rest| digits(rest)) {
        Some(rest) => id(rest).map_or_else(
            || format!("[System.Title] CONTAINS {}", Literal(text)),
            |id| format!("[System.Id] = {id}"),
        ),
        None => match id(text).filter(|_| digits(text)) {
            Some(id) => format!(
                "([System.Id] = {id} OR [System.Title] CONTAINS {})",
                Literal(text)
            ),
            None => format!("[System.Title] CONTAINS {}", Literal(text)),
        },
    };
    wiql.push_str(&condition);
    if !search.types.is_empty() {
        // Writing into a String does not fail.
        let _ = write!(wiql, " AND [System.WorkItemType] IN {}", Literals(&search.types));
    }
    wiql.push_str(" ORDER BY [System.ChangedDate] DESC");
    wiql
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn d_40_an_id_is_an_id_and_text_is_text() {
        assert_eq!(of("#123", &[]), "[System.Id] = 123");
        assert_eq!(
            of(" 123 ", &[]),
            "([System.Id] = 123 OR [System.Title] CONTAINS '123')"
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
}
