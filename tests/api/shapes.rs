//! Answers of Azure DevOps in unusual shapes: what is missing or cannot be read costs itself and nothing
//! else, and the product says what it left out.

mod fields;
mod people;
mod revisions;
mod states;
mod teams;
mod types;

use azure_devops_fake::{NewWorkItem, Person, Project};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::logging::PROJECT;
use crate::support::{Logging, Request};

/// A member of contoso with work items and a sheet.
struct Member {
    logging: Logging,
    me: Person,
    token: String,
}

impl Member {
    async fn new() -> Self {
        let logging = Logging::new().await;
        let me = logging.azure().person("Eva Silva", &["contoso"]);
        let token = logging.azure().pat(&me);
        Self { logging, me, token }
    }

    fn task(&self) -> NewWorkItem {
        NewWorkItem::task(PROJECT).of(&self.me)
    }

    fn add(&self, new: NewWorkItem) -> i32 {
        self.logging.azure().work_item("contoso", new)
    }

    fn project(&self) -> Project {
        let mut found = None;
        let look = |projects: &mut Vec<Project>| found = projects.first().cloned();
        self.logging.azure().edit_projects("contoso", look);
        found.unwrap()
    }

    fn team(&self, field: &str, areas: &[String]) -> Uuid {
        let azure = self.logging.azure();
        let team = azure.team("contoso", &self.project(), "Time A", &[self.me.id]);
        azure.team_field("contoso", team, field, areas);
        team
    }

    /// The path under `/timesheet` with these parameters.
    fn path(&self, under: &str, more: &str) -> String {
        let projeto = self.logging.tenants.projeto;
        format!("/api/v1/timesheet{under}?organization_name=contoso&project_id={projeto}{more}")
    }

    async fn get(&self, under: &str, more: &str) -> crate::support::Reply {
        let app = &self.logging.tenants.app;
        app.get_as(&self.token, &self.path(under, more)).await
    }

    async fn sheet(&self, more: &str) -> Value {
        self.get("", more).await.expect(200)
    }

    async fn post(&self, item: i32) -> crate::support::Reply {
        let body = self.logging.body_with(&json!({"work_item_id": item}));
        self.logging.post_as(&self.token, &body).await
    }

    async fn send(&self, request: Request) -> crate::support::Reply {
        self.logging.tenants.app.send(request.bearer(&self.token)).await
    }
}

/// Ids of the work items of a sheet without trees.
fn ids(sheet: &Value) -> Vec<i64> {
    let items = sheet["work_items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

/// Codes of what a sheet says that it left out.
fn hints(sheet: &Value) -> Vec<&str> {
    let hints = sheet["avisos"].as_array().unwrap();
    hints.iter().map(|hint| hint["code"].as_str().unwrap()).collect()
}
