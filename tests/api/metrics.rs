//! What Prometheus reads: its own listener, the right names, no ids, and its readers.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::support::measured::{start, start_with, value};
use crate::support::process::{aponta, run};
use crate::support::{TestDatabase, eventually};

async fn status(url: String) -> u16 {
    reqwest::get(url).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_id() {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::new().await;
    let (server, api, metrics) = start(&database, folder.path()).await;
    let unknown = "6b1c1f5e-2d4c-4a9e-9d26-000000000000";
    assert_eq!(status(format!("{api}/api/v1/atividades")).await, 200);
    assert_eq!(status(format!("{api}/api/v1/atividades/{unknown}")).await, 404);
    assert_eq!(status(format!("{api}/x/{unknown}")).await, 404);
    for _ in 0..8 {
        status(format!("{api}/api/v1/projetos")).await;
    }
    eventually("the gauges of the database", async || {
        value(&scrape(&metrics).await, &["aponta_database_up"]) == Some(1.0)
    })
    .await;

    let text = scrape(&metrics).await;
    let count = |parts: &[&str]| {
        let mut all = vec!["http_server_request_duration_seconds_count{"];
        all.extend(parts);
        value(&text, &all)
    };
    assert_eq!(
        count(&[r#"http_route="/api/v1/atividades""#, r#"status_code="200""#]),
        Some(1.0)
    );
    assert_eq!(
        count(&[
            r#""/api/v1/atividades/{atividade_id}""#,
            r#"error_type="nao_encontrado""#
        ]),
        Some(1.0)
    );
    assert_eq!(count(&[r#""unmatched""#, r#"status_code="404""#]), Some(1.0));
    assert!(
        value(&text, &["aponta_ratelimit_rejected_total"]) >= Some(3.0),
        "{text}"
    );
    assert_eq!(
        value(
            &text,
            &[
                "aponta_build_info",
                concat!("\"", env!("CARGO_PKG_VERSION"), "\"")
            ]
        ),
        Some(1.0)
    );
    assert!(!text.contains(unknown), "an id in a label: {text}");

    assert_ne!(
        status(format!("{api}/metrics")).await,
        200,
        "clients read metrics"
    );
    assert_eq!(status(format!("{metrics}/api/v1/atividades")).await, 404);
    assert_eq!(server.signal("TERM").await, 0);
}

/// Returns the text for Prometheus.
async fn scrape(metrics: &str) -> String {
    let reply = reqwest::get(format!("{metrics}/metrics")).await.unwrap();
    assert_eq!(
        reply.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    reply.text().await.unwrap()
}

/// Metrics that alerts and dashboards need from the first scrape on, each with a label.
const NEEDED: &[(&str, &str)] = &[
    ("db_client_connection_max", r#"pool_name="primary""#),
    ("db_client_connection_count", r#"state="idle""#),
    ("db_client_connection_pending_requests", r#"pool_name="primary""#),
    ("db_client_connection_timeouts_total", r#"pool_name="primary""#),
    (
        "db_client_connection_wait_time_seconds_count",
        r#"pool_name="primary""#,
    ),
    (
        "aponta_db_transaction_duration_seconds_count",
        r#"pool_name="primary""#,
    ),
    ("aponta_outbox_pending", ""),
    ("aponta_outbox_failed", ""),
    ("aponta_outbox_oldest_age_seconds", ""),
    ("aponta_outbox_attempts_total", r#"result="written""#),
    ("aponta_auth_cache_total", r#"result="hit""#),
    ("aponta_entries_total", r#"op="create""#),
    ("aponta_upstream_breakers_open", ""),
    ("aponta_upstream_lanes_open", ""),
    ("aponta_pat_expires_in_seconds", ""),
    ("aponta_log_lines_lost_total", ""),
    ("aponta_connections_refused_total", ""),
    ("aponta_job_restarts_total", r#"job="gauges""#),
    ("aponta_job_restarts_total", r#"job="vault_refresh""#),
    ("aponta_job_restarts_total", r#"job="outbox""#),
    ("aponta_tasks", ""),
    ("process_resident_memory_bytes", ""),
    ("process_cpu_seconds_total", ""),
    ("process_open_fds", ""),
];

#[tokio::test]
async fn every_metric_of_the_alerts_exists() {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::new().await;
    let (server, api, metrics) = start(&database, folder.path()).await;
    assert_eq!(status(format!("{api}/api/v1/atividades")).await, 200);
    eventually("the gauges of the database", async || {
        value(&scrape(&metrics).await, &["aponta_database_up"]) == Some(1.0)
    })
    .await;
    let text = scrape(&metrics).await;
    for (name, labels) in NEEDED {
        assert!(
            value(&text, &[name, labels]).is_some(),
            "{name} is missing: {text}"
        );
    }
    assert_eq!(server.signal("TERM").await, 0);
}

#[tokio::test]
async fn configured_metrics_address_in_use_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut serve = aponta(folder.path(), &["serve"]);
    serve
        .env("DATABASE_URL", "postgres://a:b@127.0.0.1:1/a")
        .env("AUTH_ENABLED", "false")
        .env("API_HOST", "127.0.0.1")
        .env("API_PORT", "0")
        .env("METRICS_ADDR", taken.local_addr().unwrap().to_string());
    let (code, _, err) = run(serve).await;
    assert_eq!(code, 1);
    assert!(err.contains("(METRICS_ADDR)"), "{err}");
}

#[tokio::test]
async fn refused_connections_are_counted_and_logged_once() {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::new().await;
    let bound = [("API_MAX_CONNECTIONS_PER_ADDRESS", "1")];
    let (mut server, api, metrics) = start_with(&database, folder.path(), &bound).await;
    let address = api.strip_prefix("http://").unwrap();
    let _held = TcpStream::connect(address).await.unwrap();
    for _ in 0..3 {
        // The reset may arrive before the connection is told to be open.
        let refused = async { TcpStream::connect(address).await?.read(&mut [0; 1]).await };
        assert!(refused.await.is_err(), "served beyond the bound");
    }
    let line = server.line_with("connection limit of the address").await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["address"], "127.0.0.1");
    let text = reqwest::get(format!("{metrics}/metrics")).await.unwrap();
    let text = text.text().await.unwrap();
    assert_eq!(value(&text, &["aponta_connections_refused_total"]), Some(3.0));
    assert_eq!(server.signal("TERM").await, 0);
}
