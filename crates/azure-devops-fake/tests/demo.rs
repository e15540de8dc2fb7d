//! The organisation of `aponta dev`, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use azure_devops_fake::FakeAzure;
use azure_devops_fake::demo::{ORGANIZATION, SERVICE_PAT, plant};
use chrono::NaiveDate;
use serde_json::{Value, json};

const PORTAL: &str = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001";
const NOTA_FISCAL: &str = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a002";

fn today() -> NaiveDate {
    "2026-11-30".parse().unwrap()
}

async fn get(fake: &FakeAzure, path: &str) -> Value {
    let url = format!("http://{}/{ORGANIZATION}/{path}", fake.address());
    let request = reqwest::Client::new().get(url).basic_auth("", Some(SERVICE_PAT));
    let text = request.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap()
}

async fn add_hours(fake: &FakeAzure, id: i32, hours: f64) -> u16 {
    let path = format!("_apis/wit/workitems/{id}?api-version=7.1");
    let url = format!("http://{}/{ORGANIZATION}/{path}", fake.address());
    let operation = json!([{
        "op": "add", "path": "/fields/Microsoft.VSTS.Scheduling.CompletedWork", "value": hours
    }]);
    let request = reqwest::Client::new()
        .patch(url)
        .basic_auth("", Some(SERVICE_PAT))
        .header("Content-Type", "application/json-patch+json")
        .body(operation.to_string());
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn sprint_around_today_is_current() {
    let fake = FakeAzure::start().await;
    plant(&fake, today());
    let path = format!("{PORTAL}/_apis/work/teamsettings/iterations?api-version=7.1");
    let found = get(&fake, &path).await;
    let current: Vec<&Value> = found["value"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|sprint| sprint["attributes"]["timeFrame"] == "current")
        .collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["attributes"]["startDate"], "2026-11-23T00:00:00Z");
    assert_eq!(current[0]["attributes"]["finishDate"], "2026-12-04T00:00:00Z");
}

#[tokio::test]
async fn types_follow_the_process_of_the_project() {
    let fake = FakeAzure::start().await;
    plant(&fake, today());
    for (project, state) in [(PORTAL, "Active"), (NOTA_FISCAL, "In Progress")] {
        let path = format!("{project}/_apis/wit/workitemtypes/Task?api-version=7.1");
        let task = get(&fake, &path).await;
        assert_eq!(task["states"][1]["name"], state);
    }
}

#[tokio::test]
async fn scrum_task_has_no_completed_work() {
    let fake = FakeAzure::start().await;
    plant(&fake, today());
    assert_eq!(add_hours(&fake, 4731, 1.0).await, 400);
    assert_eq!(add_hours(&fake, 4711, 13.0).await, 200);
}

#[tokio::test]
async fn changed_hours_outlive_the_process_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contoso.json");
    let first = FakeAzure::start().await;
    plant(&first, today());
    first.store_work_items(ORGANIZATION, &path).unwrap();
    assert_eq!(add_hours(&first, 4711, 13.0).await, 200);
    drop(first);

    let second = FakeAzure::start().await;
    let later = "2026-12-15".parse().unwrap();
    plant(&second, later);
    second.store_work_items(ORGANIZATION, &path).unwrap();
    let item = get(&second, "_apis/wit/workitems/4711?api-version=7.1").await;
    assert_eq!(item["rev"], 2);
    assert_eq!(item["fields"]["Microsoft.VSTS.Scheduling.CompletedWork"], 13.0);
    assert_eq!(
        item["fields"]["System.IterationPath"],
        "Portal do Contribuinte\\Sprint 25"
    );
}

#[tokio::test]
async fn file_of_another_kind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contoso.json");
    std::fs::write(&path, "[]").unwrap();
    let fake = FakeAzure::start().await;
    plant(&fake, today());
    assert!(fake.store_work_items(ORGANIZATION, &path).is_err());
}
