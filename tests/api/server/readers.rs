//! Clients that read slowly or not at all: the first get their answer, the others are cut and keep no place.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use aponta::lifecycle::Draining;
use aponta::server::{ServerOptions, serve};
use axum::Router;
use axum::body::Bytes;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::app::config;
use crate::support::{RunningServer, TestDatabase};

/// Longer than anything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);
/// More than the buffers of the kernel hold on both sides.
const BULK: usize = 8 << 20;
/// A page that asks for a bundle of the documentation, sixteen times without waiting for an answer.
const PIPELINED: usize = 16;

/// A connection from this address of the loopback network, whose kernel takes little that is not read.
pub(super) async fn connect_from(host: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    socket.bind(SocketAddr::from((host, 0))).unwrap();
    socket.connect(to).await.unwrap()
}

/// A server in front of one big answer; it stops with its guard.
async fn start_bulk(write_timeout: &str) -> (SocketAddr, tokio_util::sync::DropGuard) {
    let config = config(
        "postgres://localhost/none",
        [("API_WRITE_TIMEOUT_SECONDS", write_timeout)],
    );
    let answer = Bytes::from(vec![b'x'; BULK]);
    let router = Router::new().route("/", get(async move || answer));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let options = ServerOptions::from(&config.http);
    tokio::spawn(serve(
        listener,
        router,
        options,
        Draining::default(),
        stop.clone(),
    ));
    (address, stop.drop_guard())
}

async fn ask(stream: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
}

/// Waits until the connection is reset, which takes no further byte then. Nothing is read meanwhile.
async fn until_cut(stream: &mut TcpStream) {
    let cut = async {
        while stream.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, cut).await.expect("the connection is kept");
}

/// Reads the rest of the answer; returns it, and whether the connection ended with a reset.
async fn rest(stream: &mut TcpStream) -> (usize, bool) {
    let mut bytes = Vec::new();
    let reset = timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the connection goes on")
        .is_err();
    (bytes.len(), reset)
}

#[tokio::test]
async fn answer_that_is_never_read_is_cut_by_the_write_timeout() {
    let (address, _stop) = start_bulk("1").await;
    let started = Instant::now();
    let mut client = connect_from([127, 0, 0, 1], address).await;
    ask(&mut client, "/").await;
    until_cut(&mut client).await;
    assert!(started.elapsed() >= Duration::from_millis(900), "cut at once");
    let (bytes, _) = rest(&mut client).await;
    assert!(bytes < BULK / 2, "{bytes} bytes were kept for the client");
}

#[tokio::test]
async fn answer_that_is_read_slowly_is_answered_whole() {
    let (address, _stop) = start_bulk("2").await;
    let mut client = connect_from([127, 0, 0, 1], address).await;
    let mut request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".as_slice();
    client.write_all_buf(&mut request).await.unwrap();
    let (started, mut read) = (Instant::now(), 0);
    // 32 kB a second, for three times the timeout.
    while started.elapsed() < Duration::from_secs(6) {
        let mut some = [0; 1_600];
        sleep(Duration::from_millis(50)).await;
        read += client.read_exact(&mut some).await.expect("a slow reader was cut");
    }
    let (bytes, reset) = rest(&mut client).await;
    assert!(!reset && read + bytes > BULK, "{read} and {bytes} bytes");
}

/// Sends requests for big files and never reads.
async fn attack(from: [u8; 4], server: SocketAddr) -> TcpStream {
    let mut client = connect_from(from, server).await;
    for _ in 0..PIPELINED {
        ask(&mut client, "/docs/swagger-ui-bundle.js").await;
    }
    client
}

async fn health(server: &RunningServer) -> Duration {
    let started = Instant::now();
    let answer = timeout(PATIENCE, reqwest::get(server.url("/health"))).await;
    let answer = answer.expect("no answer in time").expect("refused");
    assert_eq!(answer.status(), 200);
    started.elapsed()
}

#[tokio::test]
async fn address_that_reads_nothing_leaves_room_for_others() {
    let database = TestDatabase::new().await;
    let limits = [
        ("API_MAX_CONNECTIONS", "8"),
        ("API_MAX_CONNECTIONS_PER_ADDRESS", "4"),
        ("API_WRITE_TIMEOUT_SECONDS", "60"),
    ];
    let server = RunningServer::start(&database.url, limits).await;
    let mut attackers = Vec::new();
    for _ in 0..12 {
        // Beyond the bound the connection is reset, perhaps while it still sends.
        let mut client = connect_from([127, 0, 0, 2], server.address).await;
        let request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(PIPELINED);
        let _ = client.write_all(&request).await;
        attackers.push(client);
    }
    for _ in 0..10 {
        let took = health(&server).await;
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    drop(attackers);
    server.stop().await;
}

#[tokio::test]
async fn idle_readers_lose_their_connections() {
    let database = TestDatabase::new().await;
    let limits = [
        ("API_MAX_CONNECTIONS", "8"),
        ("API_MAX_CONNECTIONS_PER_ADDRESS", "4"),
        ("API_WRITE_TIMEOUT_SECONDS", "1"),
    ];
    let server = RunningServer::start(&database.url, limits).await;
    let mut attackers = Vec::new();
    for last in [2, 3].repeat(4) {
        attackers.push(attack([127, 0, 0, last], server.address).await);
    }
    // All places are taken, so the answer waits for the first that is cut.
    let took = health(&server).await;
    assert!(took < Duration::from_secs(15), "{took:?}");
    for client in &mut attackers {
        until_cut(client).await;
    }
    server.stop().await;
}
