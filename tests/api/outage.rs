//! The database dies under load and comes back: 503 problems in between, full service afterwards.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::support::process::{Running, aponta, open_folder, postmaster, send_signal};
use crate::support::{RunningServer, eventually, fill};

const POOL: u32 = 4;

/// A database of our own, because this test kills it. It keeps its address over restarts.
pub async fn start_database(folder: &Path) -> (Running, String) {
    let data = folder.join("d");
    let arguments = ["dev", "--only-database", "--data-dir", data.to_str().unwrap()];
    let mut database = Running::start(aponta(folder, &arguments));
    let url = database.line_with("postgres://").await;
    (database, url)
}

/// Kills the postmaster and its owner, as a power failure would.
async fn kill_database(database: Running, data: &Path) {
    let pid = postmaster(data).unwrap();
    database.signal("KILL").await;
    send_signal(pid, "KILL").await;
}

/// Statuses seen by clients that never pause, and whether each refusal was a proper problem.
fn load(server: &RunningServer, stop: &Arc<AtomicBool>) -> JoinSet<Vec<u16>> {
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let (url, stop) = (server.url("/api/v1/atividades"), Arc::clone(stop));
        clients.spawn(async move {
            let client = reqwest::Client::new();
            let mut statuses = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let reply = client
                    .get(&url)
                    .send()
                    .await
                    .expect("the service dropped a request");
                let status = reply.status().as_u16();
                if status != 200 {
                    assert_eq!(reply.headers()["content-type"], "application/problem+json");
                    assert_eq!(reply.headers()["retry-after"], "1");
                }
                reply.bytes().await.unwrap();
                statuses.push(status);
            }
            statuses
        });
    }
    clients
}

#[tokio::test]
async fn outage_gives_503_only_and_ends_with_the_database_back() {
    let folder = open_folder();
    let data: PathBuf = folder.path().join("d");
    let (database, url) = start_database(folder.path()).await;
    let config = crate::support::app::config(&url, []);
    aponta::schema::migrate::migrate(&config.database).await.unwrap();
    let pool = POOL.to_string();
    let settings = [
        ("DATABASE_POOL_MAX", pool.as_str()),
        ("DATABASE_POOL_MIN", pool.as_str()),
    ];
    let server = RunningServer::start(
        &url,
        settings
            .into_iter()
            .chain([("DATABASE_ACQUIRE_TIMEOUT_MS", "500")]),
    )
    .await;
    fill(&server.db, POOL).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = load(&server, &stop);

    kill_database(database, &data).await;
    let client = reqwest::Client::new();
    let status = async |path: &str| {
        client
            .get(server.url(path))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    eventually("readiness is red", async || status("/ready").await == 503).await;
    assert_eq!(status("/health").await, 200, "the process itself is well");

    let (database, again) = start_database(folder.path()).await;
    let back = Instant::now();
    assert_eq!(again, url);
    eventually("the service answers", async || {
        status("/api/v1/atividades").await == 200
    })
    .await;
    let recovery = back.elapsed();
    println!("the service answered {recovery:?} after the database");
    assert!(recovery < Duration::from_secs(2), "{recovery:?}");
    stop.store(true, Ordering::Relaxed);
    let mut seen = std::collections::BTreeSet::new();
    while let Some(statuses) = clients.join_next().await {
        seen.extend(statuses.unwrap());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [200, 503]);

    assert_pool_is_whole(&server).await;
    server.stop().await;
    database.signal("INT").await;
}

/// Panics if a permit was lost with a dead connection (sqlx#4349): the pool would be below its size for ever.
async fn assert_pool_is_whole(server: &RunningServer) {
    let mut held = Vec::new();
    for _ in 0..POOL {
        let acquired = server.db.acquire().await;
        held.push(acquired.expect("the pool lost a connection for good"));
    }
}
