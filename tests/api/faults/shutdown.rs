//! SIGTERM to the program while clients keep their connections busy. In process, `server.rs` has more of
//! this; `.ci/nginx` rolls replicas behind a real balancer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::slow_clients::serve;
use crate::support::data::{count, projeto};
use crate::support::process::open_folder;
use crate::support::{TestDatabase, eventually};

const CLIENTS: usize = 16;

#[tokio::test]
async fn sigterm_under_load_costs_no_request() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let projeto = projeto(&pool, "P").await;
    let folder = open_folder();
    let (running, address) = serve(&database.url, folder.path(), &[("SHUTDOWN_DELAY_SECONDS", "1")]).await;
    let served = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (url, served) = (format!("http://{address}/api/v1/atividades"), Arc::clone(&served));
        clients.spawn(async move {
            let http = reqwest::Client::new();
            let mut written = 0;
            // Until the service asks to go elsewhere, as a balancer's kept connections do.
            for number in 0.. {
                let writes = number % 4 == 0;
                let request = if writes {
                    let body = serde_json::json!({"nome": format!("A {client}-{number}"), "ids_projetos": [projeto]});
                    http.post(&url).json(&body)
                } else {
                    http.get(&url)
                };
                let reply = request.send().await.expect("a request was dropped");
                assert_eq!(reply.status(), if writes { 201 } else { 200 });
                let last = reply.headers().get("connection").is_some_and(|value| value == "close");
                reply.bytes().await.expect("an answer was cut");
                written += i64::from(writes);
                served.fetch_add(1, Ordering::Relaxed);
                if last {
                    break;
                }
            }
            written
        });
    }
    eventually("the load runs", async || served.load(Ordering::Relaxed) > 200).await;
    assert_eq!(running.signal("TERM").await, 0, "something was cut");
    let written: i64 = clients.join_all().await.iter().sum();
    assert_eq!(
        count(&pool, "atividades").await,
        written,
        "acknowledged and stored"
    );
}
