//! All connections are busy with slow statements.

use std::time::{Duration, Instant};

use aponta::models::organizacao::Scope;
use futures_util::future::join_all;
use sqlx::ConnectOptions;

use super::{get, is_healthy, pool_is_whole, status};
use crate::support::{Logging, Request, RunningServer, TestDatabase, eventually, fill};

const SMALL: u32 = 2;

#[tokio::test]
async fn busy_pool_is_503_within_the_acquire_timeout() {
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
    fill(&server.db, SMALL).await;
    assert_eq!(get(&client, &list).await.status, 200);

    // As statements that take long: nothing but their end gives these connections back.
    let slow = join_all((0..SMALL).map(|_| server.db.begin(&Scope::Everything))).await;
    assert!(slow.iter().all(Result::is_ok));

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
    // The database answers: another replica would be as busy.
    assert_eq!(status(&server, "/ready").await, 200);

    drop(slow);
    for seen in join_all((0..20).map(|_| get(&client, &list))).await {
        assert_eq!(seen.status, 200);
    }
    assert_eq!(status(&server, "/ready").await, 200);
    pool_is_whole(&server, SMALL).await;
    server.stop().await;
}

/// An import or an administrator locks one table: requests that need it are refused, all others go on.
#[tokio::test]
async fn writers_of_a_locked_table_leave_the_others_alone() {
    let logging = Logging::new().await;
    // Straight to the server: a pooler between them has fewer connections than this pool.
    let direct = logging.tenants.app.pool.connect_options().to_url_lossy();
    let app = logging.tenants.app.replica_as(&[
        ("DATABASE_URL", direct.as_str()),
        ("DATABASE_POOL_MAX", "10"),
        ("DATABASE_POOL_MIN", "10"),
    ]);
    fill(&app.app.db, 10).await;
    let member = &logging.tenants.member;
    let mut locking = app.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE write_back IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *locking)
        .await
        .unwrap();
    let body = logging.body();
    let post = || app.send(Request::post("/api/v1/apontamentos").bearer(member).json(&body));
    let posts = join_all((0..12).map(|_| post()));
    let others = async {
        eventually("every connection is busy", async || {
            app.app.db.pool_states().any(|state| state.used == state.max)
        })
        .await;
        assert_eq!(app.get("/ready").await.status, 200);
        for list in ["/api/v1/atividades", "/api/v1/projetos"] {
            app.get_as(member, list).await.expect(200);
            assert_eq!(app.get("/ready").await.status, 200);
        }
    };
    let (refused, ()) = tokio::join!(posts, others);
    for reply in refused {
        assert_eq!(reply.problem(503)["code"], "banco_indisponivel");
        assert_eq!(reply.header("retry-after"), "1");
    }
    locking.rollback().await.unwrap();
    post().await.expect(201);
}
