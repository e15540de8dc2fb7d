//! Standard output is not read any more: requests are answered all the same, and the log reports its gap
//! later.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::support::TestDatabase;
use crate::support::measured::{start, value};
use crate::support::process::Running;

/// Longer than a request takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Requests at a time.
const CLIENTS: usize = 8;
/// More than twice the lines that a pipe and the queue of the service hold.
const REQUESTS: usize = 12_000;

/// A server that has lost lines because they are not read.
async fn unread(database: &TestDatabase, folder: &std::path::Path) -> Running {
    let (server, api, metrics) = start(database, folder).await;
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (client, url) = (client.clone(), format!("{api}/unread"));
        clients.spawn(async move {
            for _ in 0..REQUESTS / CLIENTS {
                client
                    .get(&url)
                    .send()
                    .await
                    .expect("a request waits for the log");
            }
        });
    }
    clients.join_all().await;
    let scrape = reqwest::get(format!("{metrics}/metrics")).await.unwrap();
    let lost = value(&scrape.text().await.unwrap(), &["aponta_log_lines_lost_total"]);
    assert!(lost > Some(0.0), "{lost:?} lines are lost");
    server
}

#[tokio::test]
async fn unread_log_stops_no_request_and_reports_its_gap() {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::new().await;
    let mut server = unread(&database, folder.path()).await;
    let line = server.line_with("log lines dropped").await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(line["lost"].as_u64() > Some(0), "{line}");
    assert_eq!(server.signal("TERM").await, 0);
}

#[tokio::test]
async fn sigterm_with_unread_log_stops_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::new().await;
    let server = unread(&database, folder.path()).await;
    assert_eq!(server.signal("TERM").await, 0);
}
