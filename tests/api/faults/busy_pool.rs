//! All connections are busy with slow statements.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::{get, is_healthy, pool_is_whole, status};
use crate::support::data::block_projetos;
use crate::support::{RunningServer, TestDatabase, eventually};

const SMALL: u32 = 2;

#[tokio::test]
async fn who_finds_the_pool_busy_is_told_within_the_acquire_timeout() {
    let database = TestDatabase::new().await;
    let settings = [
        ("DATABASE_POOL_MAX", "2"),
        ("DATABASE_POOL_MIN", "2"),
        ("DATABASE_ACQUIRE_TIMEOUT_MS", "1000"),
        ("DATABASE_STATEMENT_TIMEOUT_MS", "60000"),
    ];
    let server = RunningServer::start(&database.url, settings).await;
    let client = reqwest::Client::new();
    let list = server.url("/api/v1/atividades");
    eventually("the pool fills", async || server.db.size() == SMALL).await;
    assert_eq!(get(&client, &list).await.status, 200);

    let pool = database.pool().await;
    let blocker = block_projetos(&pool).await;
    let slow: Vec<_> = (0..SMALL)
        .map(|_| tokio::spawn(reqwest::get(server.url("/api/v1/projetos"))))
        .collect();
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'projetos'::regclass";
    eventually("every connection is busy", async || {
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&pool).await.unwrap();
        waiting == i64::from(SMALL)
    })
    .await;

    let started = Instant::now();
    let refused = join_all((0..20).map(|_| get(&client, &list))).await;
    for seen in refused {
        assert_eq!(seen.status, 503);
        assert!(seen.took >= Duration::from_millis(900), "refused without waiting");
    }
    // The acquire timeout, not the 30 s of a request; with room for a busy machine.
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    is_healthy(&server).await;
    assert_eq!(status(&server, "/ready").await, 503);

    blocker.rollback().await.unwrap();
    for slow in slow {
        assert_eq!(slow.await.unwrap().unwrap().status(), 200, "it only had to wait");
    }
    for seen in join_all((0..20).map(|_| get(&client, &list))).await {
        assert_eq!(seen.status, 200);
    }
    eventually("the service is ready", async || {
        status(&server, "/ready").await == 200
    })
    .await;
    pool_is_whole(&server, SMALL).await;
    server.stop().await;
}
