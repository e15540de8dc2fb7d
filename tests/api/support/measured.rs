//! The program with its metrics, and what Prometheus would read of them.

use std::path::Path;

use super::TestDatabase;
use super::process::{Running, aponta};

/// A server with metrics, and where its API and its metrics are.
pub async fn start(database: &TestDatabase, folder: &Path) -> (Running, String, String) {
    start_with(database, folder, &[]).await
}

/// The same, with more variables.
pub async fn start_with(
    database: &TestDatabase,
    folder: &Path,
    variables: &[(&str, &str)],
) -> (Running, String, String) {
    let mut serve = aponta(folder, &["serve"]);
    serve
        .env("DATABASE_URL", &database.url)
        .env("API_HOST", "127.0.0.1")
        .env("API_PORT", "0")
        .env("METRICS_ADDR", "127.0.0.1:0")
        .env("AUTH_ENABLED", "false")
        .env("RATE_LIMIT_PER_SECOND", "1")
        .env("RATE_LIMIT_BURST", "5")
        .env("LOG_FORMAT", "json")
        .env("LOG_REQUESTS_PER_SECOND", "0")
        .env("SHUTDOWN_DELAY_SECONDS", "0")
        .envs(variables.iter().copied());
    let mut server = Running::start(serve);
    let address = |line: String| {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        format!("http://{}", line["address"].as_str().unwrap())
    };
    let metrics = address(server.line_with("metrics listener started").await);
    let api = address(server.line_with("\"serving\"").await);
    (server, api, metrics)
}

/// The value of the one series that has all of `parts` in its line.
pub fn value(scrape: &str, parts: &[&str]) -> Option<f64> {
    let mut found = scrape
        .lines()
        .filter(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)));
    let line = found.next()?;
    assert_eq!(found.next(), None, "{parts:?} is more than one series");
    line.rsplit(' ').next()?.parse().ok()
}
