//! The database ends at once, without an end to any transaction (`pg_ctl -m immediate`), while clients write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use sqlx::PgPool;
use tokio::task::JoinSet;

use super::{POOL, SETTINGS, check, is_healthy, pool_is_whole, recovers, status};
use crate::outage::start_database;
use crate::support::data::projeto;
use crate::support::process::{open_folder, postmaster, send_signal};
use crate::support::{RunningServer, eventually};

const WRITERS: usize = 6;
const ATIVIDADES: &str = "/api/v1/atividades";

#[derive(Debug, Default)]
struct Tally {
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
    stop: AtomicBool,
}

/// Creates activities, each with a name of its own, and never pauses. Returns the names that were
/// acknowledged.
async fn write(url: String, writer: usize, projeto: uuid::Uuid, tally: Arc<Tally>) -> Vec<String> {
    let client = reqwest::Client::new();
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if tally.stop.load(Ordering::Relaxed) {
            break;
        }
        let nome = format!("Atividade {writer}-{number}");
        let body = serde_json::json!({"nome": nome, "ids_projetos": [projeto]});
        let reply = client.post(&url).json(&body).send().await;
        let reply = reply.expect("the service dropped a request");
        if check(&reply) == 201 {
            acknowledged.push(nome);
            tally.acknowledged.fetch_add(1, Ordering::Relaxed);
        } else {
            tally.refused.fetch_add(1, Ordering::Relaxed);
        }
        reply.bytes().await.expect("an answer was cut");
    }
    acknowledged
}

async fn grows(counter: &AtomicUsize, by: usize) {
    let before = counter.load(Ordering::Relaxed);
    eventually("the writers get answers", async || {
        counter.load(Ordering::Relaxed) >= before + by
    })
    .await;
}

#[tokio::test]
async fn acknowledged_write_survives_immediate_shutdown_once() {
    let folder = open_folder();
    let data = folder.path().join("d");
    let (database, url) = start_database(folder.path()).await;
    let config = crate::support::app::config(&url, []);
    aponta::schema::migrate::migrate(&config.database).await.unwrap();
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let options = options.options([("search_path", "api_aponta")]);
    let projeto = projeto(&PgPool::connect_lazy_with(options.clone()), "P").await;
    let server = RunningServer::start(&url, SETTINGS).await;
    let tally = Arc::<Tally>::default();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(server.url(ATIVIDADES), writer, projeto, Arc::clone(&tally)));
    }
    grows(&tally.acknowledged, 30).await;
    eventually("the pool fills", async || {
        let mut pools = server.db.pool_states();
        pools
            .next()
            .is_some_and(|primary| primary.idle + primary.used == POOL)
    })
    .await;

    // As pg_ctl does; the folder is whole enough only for a recovery. Its owner goes, too, so that it can be
    // started again.
    send_signal(postmaster(&data).unwrap(), "QUIT").await;
    grows(&tally.refused, 20).await;
    eventually("readiness is red", async || {
        status(&server, "/ready").await == 503
    })
    .await;
    is_healthy(&server).await;
    database.signal("KILL").await;
    let (database, again) = start_database(folder.path()).await;
    let back = Instant::now();
    assert_eq!(again, url);
    recovers(&server, ATIVIDADES, back).await;
    grows(&tally.acknowledged, 30).await;
    tally.stop.store(true, Ordering::Relaxed);
    let acknowledged = writers.join_all().await.concat();

    let pool = PgPool::connect_lazy_with(options);
    assert_stored_once(&pool, acknowledged).await;
    pool.close().await;
    pool_is_whole(&server, POOL).await;
    server.stop().await;
    database.signal("INT").await;
}

/// Panics unless each acknowledged row is stored once, and few others are.
async fn assert_stored_once(pool: &PgPool, mut acknowledged: Vec<String>) {
    let mut stored: Vec<String> =
        sqlx::query_scalar("SELECT nome FROM atividades ORDER BY nome COLLATE \"C\"")
            .fetch_all(pool)
            .await
            .unwrap();
    let rows = stored.len();
    stored.dedup();
    assert_eq!(stored.len(), rows, "stored twice");
    acknowledged.sort();
    let lost: Vec<&String> = acknowledged
        .iter()
        .filter(|nome| stored.binary_search(nome).is_err())
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(
        rows - acknowledged.len() <= WRITERS,
        "refused and stored more often than cut"
    );
}
