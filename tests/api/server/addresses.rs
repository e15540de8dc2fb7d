//! How many connections one address may hold.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::readers::connect_from;
use crate::support::{RunningServer, TestDatabase, eventually};

/// Whether a request over this connection is answered; a refused connection is reset.
async fn is_served(stream: &mut TcpStream) -> bool {
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut answer = [0; 15];
    stream.write_all(request).await.is_ok()
        && stream.read_exact(&mut answer).await.is_ok()
        && &answer == b"HTTP/1.1 200 OK"
}

/// Connections from this host, each of which is served.
async fn hold(server: &RunningServer, host: [u8; 4], count: usize) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..count {
        let mut stream = connect_from(host, server.address).await;
        assert!(
            is_served(&mut stream).await,
            "connection {} of {host:?}",
            held.len()
        );
        held.push(stream);
    }
    held
}

#[tokio::test]
async fn connection_beyond_the_bound_of_its_address_is_reset() {
    let database = TestDatabase::new().await;
    let server = RunningServer::start(&database.url, [("API_MAX_CONNECTIONS_PER_ADDRESS", "3")]).await;
    let mut held = hold(&server, [127, 0, 0, 2], 3).await;
    let mut refused = connect_from([127, 0, 0, 2], server.address).await;
    let error = refused.read(&mut [0; 1]).await.expect_err("no reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let _others = hold(&server, [127, 0, 0, 3], 3).await;

    held.pop();
    eventually("the place is free again", async || {
        let mut stream = connect_from([127, 0, 0, 2], server.address).await;
        is_served(&mut stream).await
    })
    .await;
    drop(held);
    server.stop().await;
}

#[tokio::test]
async fn refused_connections_take_no_slot_from_others() {
    let database = TestDatabase::new().await;
    let limits = [
        ("API_MAX_CONNECTIONS", "3"),
        ("API_MAX_CONNECTIONS_PER_ADDRESS", "2"),
    ];
    let server = RunningServer::start(&database.url, limits).await;
    let _held = hold(&server, [127, 0, 0, 2], 2).await;
    for _ in 0..20 {
        let mut refused = connect_from([127, 0, 0, 2], server.address).await;
        assert!(!is_served(&mut refused).await);
    }
    let _other = hold(&server, [127, 0, 0, 3], 1).await;
    server.stop().await;
}

#[tokio::test]
async fn trusted_proxies_hold_any_number_of_connections() {
    let database = TestDatabase::new().await;
    let limits = [
        ("API_MAX_CONNECTIONS_PER_ADDRESS", "1"),
        ("TRUSTED_PROXIES", "127.0.0.2/32"),
    ];
    let server = RunningServer::start(&database.url, limits).await;
    let _proxied = hold(&server, [127, 0, 0, 2], 5).await;
    let _held = hold(&server, [127, 0, 0, 3], 1).await;
    let mut refused = connect_from([127, 0, 0, 3], server.address).await;
    assert!(!is_served(&mut refused).await);
    server.stop().await;
}
