//! A trace goes through the service: in by `traceparent`, out to Azure DevOps, into the log and to a
//! collector.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use azure_devops_fake::FakeAzure;
use serde_json::Value;

use crate::support::process::{Running, aponta};
use crate::support::{TestDatabase, eventually};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The key that came along, and the spans.
type Batch = (Option<String>, Vec<u8>);

/// What a collector was sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Batch>>>);

impl Collector {
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let sent = Arc::clone(&collector.0);
        let accept = async move |headers: HeaderMap, body: Bytes| {
            let key = headers.get("api-key").map(|key| key.to_str().unwrap().to_owned());
            sent.lock().unwrap().push((key, body.to_vec()));
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().route("/v1/traces", post(accept));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (collector, address)
    }

    /// Whether some body holds these bytes; strings and ids stand in protobuf as they are.
    fn has(&self, bytes: &[u8]) -> bool {
        let sent = self.0.lock().unwrap();
        sent.iter()
            .any(|(_, body)| body.windows(bytes.len()).any(|window| window == bytes))
    }
}

/// A server, and where it listens.
async fn serve(
    azure: &FakeAzure,
    database: &TestDatabase,
    folder: &Path,
    collector: Option<&str>,
) -> (Running, String) {
    let mut command = aponta(folder, &["serve"]);
    command
        .envs(azure.variables("contoso"))
        .env("DATABASE_URL", &database.url)
        .env("API_HOST", "127.0.0.1")
        .env("API_PORT", "0")
        .env("METRICS_ADDR", "off")
        .env("LOG_FORMAT", "json")
        .env("SHUTDOWN_DELAY_SECONDS", "0");
    if let Some(collector) = collector {
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
            .env("OTEL_EXPORTER_OTLP_HEADERS", "api-key=segredo")
            .env("OTEL_SERVICE_NAME", "aponta-teste");
    }
    let mut server = Running::start(command);
    let started: Value = serde_json::from_str(&server.line_with("\"serving\"").await).unwrap();
    (server, format!("http://{}", started["address"].as_str().unwrap()))
}

async fn who_am_i(base: &str, token: &str, traceparent: Option<&str>) {
    let mut request = reqwest::Client::new()
        .get(format!("{base}/api/v1/user"))
        .bearer_auth(token);
    if let Some(parent) = traceparent {
        request = request.header("traceparent", parent);
    }
    assert_eq!(request.send().await.unwrap().status(), 200);
}

/// Of the calls for a caller; the background's own look at the organisation bears no credential.
fn traceparents(azure: &FakeAzure) -> Vec<Option<String>> {
    let seen = azure.seen().into_iter();
    seen.filter(|seen| seen.authorization.is_some())
        .map(|seen| seen.traceparent)
        .collect()
}

#[tokio::test]
async fn trace_without_collector_is_propagated_and_logged() {
    let azure = FakeAzure::contoso().await;
    let token = azure.pat(&azure.person("Ada Example", &["contoso"]));
    let (database, folder) = (TestDatabase::new().await, tempfile::tempdir().unwrap());
    let (mut server, base) = serve(&azure, &database, folder.path(), None).await;
    azure.forget_requests();
    who_am_i(&base, &token, Some(PARENT)).await;
    let line = server.line_with("/api/v1/user").await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["trace_id"], TRACE);
    let asked = traceparents(&azure);
    assert!(!asked.is_empty());
    assert!(
        asked.iter().all(|parent| parent.as_deref() == Some(PARENT)),
        "{asked:?}"
    );
}

#[tokio::test]
async fn collector_gets_the_request_and_the_calls_below_it() {
    let azure = FakeAzure::contoso().await;
    let token = azure.pat(&azure.person("Ada Example", &["contoso"]));
    let (database, folder) = (TestDatabase::new().await, tempfile::tempdir().unwrap());
    let (collector, address) = Collector::start().await;
    let (server, base) = serve(&azure, &database, folder.path(), Some(&address)).await;
    azure.forget_requests();
    who_am_i(&base, &token, Some(PARENT)).await;
    let parents = traceparents(&azure);
    assert!(!parents.is_empty());
    for parent in &parents {
        let mut parts = parent.as_deref().unwrap().split('-').skip(1);
        assert_eq!(parts.next(), Some(TRACE));
        assert_ne!(parts.next(), Some("00f067aa0ba902b7"), "a span of its own");
    }
    // What was not sent yet is sent at the end.
    assert_eq!(server.signal("TERM").await, 0);
    let trace_id = u128::from_str_radix(TRACE, 16).unwrap().to_be_bytes();
    eventually("the spans arrive", async || collector.has(&trace_id)).await;
    for text in [
        "GET /api/v1/user",
        "connection_data",
        "aponta-teste",
        "http.route",
    ] {
        assert!(collector.has(text.as_bytes()), "no span says {text}");
    }
    assert!(!collector.has(token.as_bytes()), "a credential in a trace");
    let sent = collector.0.lock().unwrap();
    assert!(sent.iter().all(|(key, _)| key.as_deref() == Some("segredo")));
}

#[tokio::test]
async fn unreachable_collector_fails_no_request() {
    let azure = FakeAzure::contoso().await;
    let token = azure.pat(&azure.person("Ada Example", &["contoso"]));
    let (database, folder) = (TestDatabase::new().await, tempfile::tempdir().unwrap());
    let (server, base) = serve(&azure, &database, folder.path(), Some("http://127.0.0.1:1")).await;
    who_am_i(&base, &token, None).await;
    assert_eq!(server.signal("TERM").await, 0);
}
