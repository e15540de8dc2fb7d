//! HTTP/1.1 on raw sockets: `Host` (RFC 9112, 3.2), and clients that close their writing side.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::data::{PATIENT, a_query_waits, block_projetos};
use crate::support::{RunningServer, TestDatabase};

/// Returns the whole answer to `request`, head and body.
async fn answer_to(server: &RunningServer, request: &str, half_close: bool) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    if half_close {
        stream.shutdown().await.unwrap();
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn request_without_one_valid_host_is_400() {
    let database = TestDatabase::new().await;
    let server = RunningServer::start(&database.url, []).await;
    for (name, head) in [
        ("none", "GET /health HTTP/1.1\r\n"),
        (
            "none, for an absolute address",
            "GET http://x/health HTTP/1.1\r\n",
        ),
        ("two", "GET /health HTTP/1.1\r\nHost: a\r\nHost: a\r\n"),
        (
            "two of HTTP/1.0",
            "GET /health HTTP/1.0\r\nHost: a\r\nHost: b\r\n",
        ),
        ("a user", "GET /health HTTP/1.1\r\nHost: a@b\r\n"),
        ("a path", "GET /health HTTP/1.1\r\nHost: a/b\r\n"),
        ("a space", "GET /health HTTP/1.1\r\nHost: a b\r\n"),
        ("a list", "GET /health HTTP/1.1\r\nHost: a, b\r\n"),
        ("a port that is none", "GET /health HTTP/1.1\r\nHost: a:http\r\n"),
        ("bytes", "GET /health HTTP/1.1\r\nHost: é\r\n"),
    ] {
        let answer = answer_to(&server, &format!("{head}\r\n"), false).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        let version = if name.contains("1.0") {
            "http/1.0"
        } else {
            "http/1.1"
        };
        assert!(head.starts_with(&format!("{version} 400 ")), "{name}: {answer}");
        assert!(head.contains("content-type: application/problem+json"), "{name}");
        assert!(
            version == "http/1.0" || head.contains("connection: close"),
            "{name}"
        );
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], "requisicao_invalida", "{name}");
    }
    server.stop().await;
}

#[tokio::test]
async fn request_with_a_host_is_answered() {
    let database = TestDatabase::new().await;
    let server = RunningServer::start(&database.url, []).await;
    for head in [
        "GET /health HTTP/1.1\r\nHost: api.example.com\r\n",
        "GET /health HTTP/1.1\r\nhost:127.0.0.1:8000\r\n",
        "GET /health HTTP/1.1\r\nHost: [::1]:8000\r\n",
        "GET /health HTTP/1.1\r\nHost: a_b.example:\r\n",
        "GET /health HTTP/1.1\r\nHost:\r\n",
        "GET http://x/health HTTP/1.1\r\nHost: x\r\n",
        "GET /health HTTP/1.0\r\n",
        "GET /health HTTP/1.0\r\nHost: x\r\n",
    ] {
        let request = format!("{head}Connection: close\r\n\r\n");
        let answer = answer_to(&server, &request, false).await;
        assert!(answer[8..].starts_with(" 200 OK"), "{head}: {answer}");
    }
    server.stop().await;
}

/// As `nc -N` does.
#[tokio::test]
async fn half_closed_client_gets_its_answer() {
    let database = TestDatabase::new().await;
    let server = RunningServer::start(&database.url, PATIENT).await;
    for request in [
        "GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /health HTTP/1.0\r\n\r\n",
        "GET /api/v1/projetos HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n",
    ] {
        let answer = answer_to(&server, request, true).await;
        assert!(answer.get(8..15) == Some(" 200 OK"), "{request}: {answer}");
    }
    // While the database is slow, too.
    let pool = database.pool().await;
    let blocker = block_projetos(&pool).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET /api/v1/projetos HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    a_query_waits(&pool).await;
    blocker.rollback().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{answer:?}");
    server.stop().await;
}

#[tokio::test]
async fn half_closed_connection_ends_after_its_answer() {
    let database = TestDatabase::new().await;
    let server = RunningServer::start(&database.url, [("API_HEADER_READ_TIMEOUT_SECONDS", "10")]).await;
    let started = std::time::Instant::now();
    let request = "POST /api/v1/atividades HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{";
    // The rest of the body never comes.
    let answer = answer_to(&server, request, true).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    answer_to(&server, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", true).await;
    assert!(started.elapsed().as_secs() < 8, "{:?}", started.elapsed());
    server.stop().await;
}
