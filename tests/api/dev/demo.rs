//! The organisation that `aponta dev` brings along: its printed commands, its people, its memory.

use std::path::Path;

use azure_devops_fake::FakeAzure;
use serde_json::{Value, json};

use crate::support::process::{Running, aponta, open_folder};
use crate::timesheet::frontend::replay;

const PROJECT: &str = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001";

/// Holds a development server with its organisation, and the lines that it printed.
pub struct Demo {
    server: Running,
    lines: Vec<String>,
}

impl Demo {
    pub async fn start(home: &Path, data: &Path, more: &[&str]) -> Self {
        let mut arguments = vec!["dev", "--port", "0", "--data-dir", data.to_str().unwrap()];
        arguments.extend(more);
        let mut server = Running::start(aponta(home, &arguments));
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains("Ctrl-C")) {
            lines.push(server.line_with("").await);
        }
        Self { server, lines }
    }

    fn line(&self, part: &str) -> &str {
        let found = self.lines.iter().find(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("no line has {part}: {:#?}", self.lines))
    }

    /// Returns the address of the API.
    pub fn api(&self) -> &str {
        self.line("API      http").split_whitespace().nth(1).unwrap()
    }

    /// Returns the PAT of a person.
    fn pat(&self, name: &str) -> &str {
        self.line(&format!("({name}")).split_whitespace().nth(1).unwrap()
    }

    /// Sends the printed command that logs an hour, and returns the new entry.
    async fn log_an_hour(&self) -> Value {
        let command = self.line("/apontamentos -H");
        let url = part(command, " http", " ");
        let body: Value = serde_json::from_str(&part(command, "-d '", "'")).unwrap();
        let request = reqwest::Client::new().post(format!("http{url}")).json(&body);
        let request = match command.split_once("-u :") {
            Some((_, rest)) => request.basic_auth("", rest.split_whitespace().next()),
            None => request,
        };
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), 201);
        reply.json().await.unwrap()
    }

    /// Sends the printed command that shows the figure of Azure DevOps.
    async fn completed_work(&self) -> f64 {
        let command = self.line("CompletedWork&api-version");
        let (_, upstream) = command.rsplit_once("curl").unwrap();
        let pat = part(upstream, "-u :", " ");
        let request = reqwest::Client::new().get(part(upstream, "'", "'"));
        let reply = request.basic_auth("", Some(pat)).send().await.unwrap();
        let text = reply.text().await.unwrap();
        let item: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
        item["fields"]["Microsoft.VSTS.Scheduling.CompletedWork"]
            .as_f64()
            .unwrap()
    }

    async fn get(&self, path: &str, pat: Option<&str>) -> Value {
        let request = reqwest::Client::new().get(format!("{}{path}", self.api()));
        let request = match pat {
            Some(pat) => request.basic_auth("", Some(pat)),
            None => request,
        };
        request.send().await.unwrap().json().await.unwrap()
    }

    pub async fn stop(self) {
        assert_eq!(self.server.signal("INT").await, 0);
    }
}

/// Returns the text between two marks.
fn part(text: &str, start: &str, end: &str) -> String {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split_once(end).unwrap().0.to_owned()
}

/// Returns the hours of a work item in a week, wherever it stands in the tree.
fn week_of(sheet: &Value, id: i64) -> Option<f64> {
    let nodes = |value: &Value, list: &str| value[list].as_array().cloned().unwrap_or_default();
    let mut open = nodes(sheet, "work_items");
    while let Some(node) = open.pop() {
        if node["id"] == id {
            return node["total_semana_horas"].as_f64();
        }
        open.extend(nodes(&node, "children"));
    }
    None
}

#[tokio::test]
async fn hour_logged_shows_in_the_week_and_upstream_and_stays() {
    let folder = open_folder();
    let data = folder.path().join("d");
    let demo = Demo::start(folder.path(), &data, &[]).await;
    let sheet = part(demo.line("/timesheet?"), "/api/v1", "'");
    let before = week_of(&demo.get(&sheet, None).await, 4711).unwrap();
    let upstream = demo.completed_work().await;

    let entry = demo.log_an_hour().await;
    assert_eq!(entry["sincronizacao"]["estado"], "sincronizado");
    assert!((demo.completed_work().await - upstream - 1.0).abs() < 1e-9);
    demo.stop().await;

    let demo = Demo::start(folder.path(), &data, &[]).await;
    let after = week_of(&demo.get(&sheet, None).await, 4711).unwrap();
    assert!((after - before - 1.0).abs() < 1e-9, "{before} {after}");
    assert!((demo.completed_work().await - upstream - 1.0).abs() < 1e-9);
    demo.log_an_hour().await;
    assert!((demo.completed_work().await - upstream - 2.0).abs() < 1e-9);
    let summary = demo.get("/integracao/sincronizacao", None).await;
    assert_eq!(
        (&summary["pendentes"], &summary["falhas"]),
        (&json!(0), &json!(0))
    );
    demo.stop().await;
}

#[tokio::test]
async fn people_with_printed_pats_own_their_hours() {
    let folder = open_folder();
    let demo = Demo::start(folder.path(), &folder.path().join("d"), &["--auth"]).await;
    let (ana, bruno, carla) = (
        demo.pat("Ana Lima"),
        demo.pat("Bruno Souza"),
        demo.pat("Carla Mendes, administrator"),
    );
    assert_eq!(demo.get("/user", Some(ana)).await["papel"], "membro");
    assert_eq!(demo.get("/user", Some(carla)).await["papel"], "admin");

    let entry = demo.log_an_hour().await;
    assert_eq!(entry["usuario_nome"], "Ana Lima");
    let mine = format!("{}/apontamentos/{}", demo.api(), entry["id"].as_str().unwrap());
    let client = reqwest::Client::new();
    for (pat, expected) in [(bruno, 403), (ana, 204)] {
        let reply = client
            .delete(&mine)
            .basic_auth("", Some(pat))
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status(), expected);
    }
    demo.stop().await;
}

#[tokio::test]
async fn synchronisation_finds_the_planted_projects() {
    let folder = open_folder();
    let demo = Demo::start(folder.path(), &folder.path().join("d"), &[]).await;
    let client = reqwest::Client::new();
    let url = format!("{}/integracao/sincronizar", demo.api());
    let done: Value = client.post(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&done["created"], &done["updated"], &done["deleted"]),
        (&json!(0), &json!(2), &json!(0))
    );
    demo.stop().await;
}

#[tokio::test]
async fn no_demo_leaves_the_organisation_out() {
    let folder = open_folder();
    let demo = Demo::start(folder.path(), &folder.path().join("d"), &["--no-demo"]).await;
    assert!(!demo.lines.iter().any(|line| line.contains("stand-in")));
    let url = format!(
        "{}/iterations?organization_name=contoso&project_id={PROJECT}",
        demo.api()
    );
    assert_eq!(reqwest::get(url).await.unwrap().status(), 503);
    demo.stop().await;
}

#[tokio::test]
async fn real_organisation_gets_no_sample_data_and_no_sample_pat() {
    let folder = open_folder();
    let data = folder.path().join("d");
    let demo = Demo::start(folder.path(), &data, &[]).await;
    assert_eq!(demo.get("/organization-pats", None).await["total"], 1);
    demo.stop().await;

    let azure = FakeAzure::start().await;
    azure.organization("acme");
    let pat = azure.pat(&azure.person("Service", &["acme"]));
    let mut lines = vec![format!("AZURE_DEVOPS_PAT={pat}")];
    let variables = azure.variables("acme");
    lines.extend(variables.iter().map(|(name, value)| format!("{name}={value}")));
    std::fs::write(folder.path().join(".env"), lines.join("\n")).unwrap();
    let demo = Demo::start(folder.path(), &data, &[]).await;
    assert_eq!(demo.get("/organization-pats", None).await["total"], 0);
    demo.stop().await;
    let other = folder.path().join("e");
    let demo = Demo::start(folder.path(), &other, &[]).await;
    assert_eq!(demo.get("/atividades", None).await["total"], 0);
    demo.stop().await;
    assert!(azure.seen().iter().all(|request| request.org == "acme"));
}

#[tokio::test]
async fn recorded_frontend_calls_pass_with_a_printed_pat() {
    let folder = open_folder();
    let demo = Demo::start(folder.path(), &folder.path().join("d"), &["--auth"]).await;
    let pat = demo.pat("Ana Lima").to_owned();
    let user = demo.get("/user", Some(&pat)).await;
    let sheet = demo.line("/timesheet?");
    let today = part(sheet, "week_start=", "'");
    let names = [
        ("{project}", PROJECT),
        ("{team}", "8d8d8d8d-8888-4b2b-9c3c-606060606060"),
        ("{iteration}", "a4a4a4a4-9999-4c3c-8d4d-707070707070"),
        ("{item}", "4711"),
        ("{activity}", "01932b5c-7c00-7000-8000-000000000001"),
        ("{today}", &today),
        ("{process}", "adcc42ab-9882-485e-a3ed-7678f01f66bc"),
        ("{state}", "Active"),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    let client = reqwest::Client::new();
    replay(&names, &user, async |call| {
        let method = call.method.parse().unwrap();
        let request = client
            .request(method, format!("{}{}", demo.api(), call.path))
            .bearer_auth(&pat)
            .header("Origin", "https://contoso.gallerycdn.vsassets.io");
        let request = match &call.body {
            Some(body) => request.json(body),
            None => request,
        };
        let reply = request.send().await.unwrap();
        assert!(reply.headers().contains_key("access-control-allow-origin"));
        let status = reply.status().as_u16();
        (status, reply.json().await.unwrap_or_default())
    })
    .await;
    demo.stop().await;
}
