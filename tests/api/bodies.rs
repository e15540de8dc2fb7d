//! What the reading of a body may cost, and requests whose end is in doubt.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::faults::slow_clients::serve;
use crate::support::{Request, RunningServer, TestApp, TestDatabase};

const PATH: &str = "/api/v1/atividades";

/// What bodies at once may add to the most memory that the program has held, in KiB. Each took 155 MiB
/// before.
const MOST_KIB: u64 = 64 * 1_024;

/// A body of about a megabyte whose list has half a million wrong elements.
fn half_a_million_failures() -> String {
    format!(r#"{{"nome":"x","ids_projetos":[{}1]}}"#, "1,".repeat(500_000))
}

/// Most memory that the process has ever held, in KiB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn refused_bodies_of_a_megabyte_stay_small_in_memory() {
    let database = TestDatabase::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (server, address) = serve(&database.url, folder.path(), &[]).await;
    let url = format!("http://{address}{PATH}");
    let small = json!({"nome": "x"});
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.post(&url).json(&small).send().await.unwrap();
    let before = peak(server.pid());

    let mut clients = JoinSet::new();
    for _ in 0..20 {
        let (client, url) = (client.clone(), url.clone());
        clients.spawn(async move {
            let reply = client
                .post(url)
                .body(half_a_million_failures())
                .send()
                .await
                .unwrap();
            let status = reply.status().as_u16();
            (status, reply.text().await.unwrap())
        });
    }
    let mut answered = 0;
    for (status, text) in clients.join_all().await {
        assert!(matches!(status, 422 | 503), "{status} {text}");
        answered += usize::from(status == 422);
        assert!(text.len() < 20_000, "{}", text.len());
    }
    assert!(answered >= 1, "all were refused for want of memory");
    let grown = peak(server.pid()) - before;
    assert!(grown < MOST_KIB, "{grown} KiB");
    server.signal("TERM").await;
}

#[tokio::test]
async fn list_beyond_its_maximum_is_422_with_few_failures() {
    let app = TestApp::new().await;
    let reply = app
        .send(Request::post(PATH).body(half_a_million_failures()))
        .await;
    let failures = reply.failures();
    assert_eq!(failures.len(), 100);
    assert_eq!(failures[0], "body.ids_projetos.0 uuid_parsing");

    let id = uuid::Uuid::nil();
    let many = json!({"nome": "x", "ids_projetos": vec![id; 1_001]});
    let reply = app.post(PATH, many).await;
    assert_eq!(reply.failures(), ["body.ids_projetos too_long"]);
}

#[tokio::test]
async fn large_body_beyond_the_budget_is_503_and_small_passes() {
    let app = TestApp::with([("API_BODY_MEMORY_BYTES", "131072")]).await;
    let (continues, waits) = tokio::sync::oneshot::channel::<()>();
    let (started, seen) = tokio::sync::oneshot::channel::<()>();
    let first = stream::once(async { Bytes::from(vec![b' '; 70_000]) });
    // The second part is asked for when the first has been taken.
    let rest = stream::once(async move {
        let _ = started.send(());
        let _ = waits.await;
        Bytes::from(json!({"nome": "Grande", "ids_projetos": [uuid::Uuid::nil()]}).to_string())
    });
    let body = Body::from_stream(first.chain(rest).map(Ok::<_, Infallible>));
    let large = Request::post(PATH).body(body);
    let other = async {
        seen.await.unwrap();
        let refused = app.send(Request::post(PATH).body(vec![b' '; 70_000])).await;
        assert_eq!(refused.problem(503)["code"], "servico_ocupado");
        assert_eq!(refused.header("retry-after"), "1");
        let small = app.post(PATH, json!({"nome": ""})).await;
        assert_eq!(small.status, 422, "a small body needs no budget");
        continues.send(()).unwrap();
    };
    let (reply, ()) = tokio::join!(app.send(large), other);
    assert_eq!(reply.problem(400)["code"], "referencia_invalida");
    let next = app.send(Request::post(PATH).body(vec![b' '; 70_000])).await;
    assert_eq!(next.failures(), ["body missing"], "the budget is whole again");
}

#[tokio::test]
async fn ambiguous_transfer_encoding_is_400_and_closes() {
    let database = TestDatabase::new().await;
    let server = RunningServer::start(&database.url, []).await;
    let codings = [
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
    ];
    for coding in codings {
        for path in [PATH, "/health", "/nada"] {
            let mut client = TcpStream::connect(server.address).await.unwrap();
            let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{coding}\r\n0\r\n\r\n");
            client.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 400"), "{coding} {path} {answer}");
            assert!(answer.contains("requisicao_invalida"), "{coding} {path} {answer}");
        }
    }
    server.stop().await;
}
