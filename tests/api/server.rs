//! The listener: slow clients, many clients, and a shutdown that drops no request.

mod addresses;
mod http1;
mod readers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sqlx::{PgPool, Postgres, Transaction};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::data::{PATIENT, a_query_waits, block_projetos};
use crate::support::{RunningServer, TestDatabase, eventually};

async fn read_to_end(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

/// A server whose requests may wait long for a lock.
async fn patient(database: &TestDatabase, setting: (&str, &str)) -> RunningServer {
    RunningServer::start(&database.url, PATIENT.into_iter().chain([setting])).await
}

/// A request that runs until the transaction ends, once it certainly does.
async fn blocked_request(
    server: &RunningServer,
    pool: &PgPool,
) -> (
    Transaction<'static, Postgres>,
    JoinHandle<reqwest::Result<reqwest::Response>>,
) {
    let blocker = block_projetos(pool).await;
    let running = tokio::spawn(reqwest::get(server.url("/api/v1/projetos")));
    a_query_waits(pool).await;
    (blocker, running)
}

#[tokio::test]
async fn client_that_never_finishes_its_head_is_cut_off() {
    let database = TestDatabase::new().await;
    let server = RunningServer::start(&database.url, [("API_HEADER_READ_TIMEOUT_SECONDS", "1")]).await;
    let started = Instant::now();
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        .await
        .unwrap();
    let silent = TcpStream::connect(server.address).await.unwrap();
    let answers = tokio::join!(read_to_end(slow), read_to_end(silent));
    assert!(started.elapsed() >= Duration::from_millis(900), "cut off at once");
    assert!(
        !answers.0.contains("200 OK") && answers.1.is_empty(),
        "{answers:?}"
    );
    server.stop().await;
}

#[tokio::test]
async fn client_that_never_finishes_its_body_gets_504() {
    let database = TestDatabase::new().await;
    let server = RunningServer::start(&database.url, [("API_REQUEST_TIMEOUT_SECONDS", "1")]).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let head = b"POST /api/v1/atividades HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{";
    slow.write_all(head).await.unwrap();
    let mut answer = vec![0; 64];
    let read = slow.read(&mut answer).await.unwrap();
    assert!(
        String::from_utf8_lossy(&answer[..read]).starts_with("HTTP/1.1 504"),
        "{answer:?}"
    );
    server.stop().await;
}

#[tokio::test]
async fn beyond_the_most_connections_a_new_one_waits_its_turn() {
    let database = TestDatabase::new().await;
    let server = RunningServer::start(&database.url, [("API_MAX_CONNECTIONS", "2")]).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    let second = TcpStream::connect(server.address).await.unwrap();
    // Both must hold their places before the third arrives.
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut held = [first, second];
    for stream in &mut held {
        stream.write_all(request).await.unwrap();
        let mut answer = [0; 16];
        stream.read_exact(&mut answer).await.unwrap();
    }
    let mut third = TcpStream::connect(server.address).await.unwrap();
    third.write_all(request).await.unwrap();
    let mut answer = [0; 15];
    let early = tokio::time::timeout(Duration::from_millis(200), third.read_exact(&mut answer)).await;
    assert!(early.is_err(), "served beyond the limit");
    drop(held);
    third.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    drop(third);
    server.stop().await;
}

#[tokio::test]
async fn shutdown_turns_readiness_red_and_drains_requests() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    // Shorter than the two seconds that PgBouncer lets a statement wait for a lock, whatever the service
    // wants.
    let server = patient(&database, ("SHUTDOWN_DELAY_SECONDS", "1")).await;
    let (blocker, running) = blocked_request(&server, &pool).await;

    let ready = server.url("/ready");
    server.begin_stop();
    let client = reqwest::Client::new();
    eventually("readiness is red while requests are still accepted", async || {
        client
            .get(&ready)
            .send()
            .await
            .is_ok_and(|reply| reply.status() == 503)
    })
    .await;
    let health = client.get(server.url("/health")).send().await.unwrap();
    assert_eq!(health.headers()["connection"], "close");
    assert_eq!(
        health.status(),
        200,
        "requests are served until the listener closes"
    );
    let address = server.address;
    eventually("the listener closes", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
    blocker.rollback().await.unwrap();

    assert_eq!(running.await.unwrap().unwrap().status(), 200);
    assert_eq!(server.stop().await, 0, "no connection was cut");
}

#[tokio::test]
async fn shutdown_waits_no_longer_than_its_timeout() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let server = patient(&database, ("SHUTDOWN_TIMEOUT_SECONDS", "1")).await;
    let (_blocker, running) = blocked_request(&server, &pool).await;
    assert_eq!(server.stop().await, 1);
    running.abort();
}

#[tokio::test]
async fn clients_that_heed_readiness_lose_no_request_to_a_shutdown() {
    let database = TestDatabase::new().await;
    let server = RunningServer::start(&database.url, [("SHUTDOWN_DELAY_SECONDS", "3")]).await;
    let replies = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (url, draining) = (server.url("/api/v1/atividades"), server.draining.clone());
        let replies = Arc::clone(&replies);
        clients.spawn(async move {
            let client = reqwest::Client::new();
            // As a balancer does: until readiness is red.
            while !draining.is_set() {
                let reply = client.get(&url).send().await.expect("a request was dropped");
                assert_eq!(reply.status(), 200);
                reply.bytes().await.expect("an answer was cut");
                replies.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    eventually("the load runs", async || replies.load(Ordering::Relaxed) > 200).await;
    server.begin_stop();
    clients.join_all().await;
    assert_eq!(server.stop().await, 0);
}
