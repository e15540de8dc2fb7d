//! The shape of errors, and the edges of requests that no resource owns.

use aponta::lifecycle::Draining;
use axum::http::Method;
use axum::routing::get;
use serde_json::json;
use uuid::Uuid;

use crate::support::app::config;
use crate::support::data::{block_projetos, projeto};
use crate::support::{Request, TestApp, TestDatabase};

const PATH: &str = "/api/v1/atividades";

#[tokio::test]
async fn unknown_path_is_a_404_problem() {
    let app = TestApp::new().await;
    let problem = app.get("/api/v1/nada").await.problem(404);
    assert_eq!(problem["code"], "rota_nao_encontrada");
    assert_eq!(problem["title"], "Não encontrado");
}

#[tokio::test]
async fn wrong_method_is_405_with_every_allowed_one() {
    let app = TestApp::new().await;
    // D-52: only the first route of a path was listed.
    let cases = [
        (PATH.to_owned(), "GET,HEAD,POST"),
        (format!("{PATH}/{}", Uuid::nil()), "DELETE,GET,HEAD,PATCH,PUT"),
    ];
    for (path, expected) in cases {
        let reply = app.send(Request::new(Method::TRACE, &path)).await;
        reply.problem(405);
        let mut allowed: Vec<&str> = reply.header("allow").split(',').collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(","), expected, "{path}");
    }
    app.delete("/health").await.problem(405);
}

#[tokio::test]
async fn trailing_slash_changes_nothing() {
    let app = TestApp::new().await;
    // D-42: this was a redirect, which lost the scheme behind a proxy.
    assert_eq!(
        app.get("/api/v1/atividades/?limit=5").await.expect(200),
        json!({"items": [], "total": 0, "next_cursor": null})
    );
    let p = projeto(&app.pool, "P").await;
    app.post("/api/v1/atividades/", json!({"nome": "a", "id_projeto": p}))
        .await
        .expect(201);
}

#[tokio::test]
async fn body_must_be_json_or_undeclared() {
    let app = TestApp::new().await;
    let body = json!({"nome": "a", "id_projeto": projeto(&app.pool, "P").await}).to_string();
    for accepted in [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/merge-patch+json",
    ] {
        app.send(
            Request::post(PATH)
                .header("content-type", accepted)
                .body(body.clone()),
        )
        .await
        .expect(201);
    }
    app.send(Request::post(PATH).body(body.clone())).await.expect(201);
    let gzip = Request::post(PATH)
        .header("content-encoding", "gzip")
        .body(body.clone());
    let reply = app.send(gzip).await;
    assert!(
        reply.problem(415)["detail"]
            .as_str()
            .unwrap()
            .contains("comprimido")
    );
    assert_eq!(reply.header("accept-encoding"), "identity");
    let text = Request::post(PATH).header("content-type", "text/plain").body("x");
    assert_eq!(app.send(text).await.header("accept-encoding"), "");
    for refused in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "json",
    ] {
        let reply = app
            .send(
                Request::post(PATH)
                    .header("content-type", refused)
                    .body(body.clone()),
            )
            .await;
        assert_eq!(reply.problem(415)["code"], "tipo_nao_suportado", "{refused}");
    }
}

#[tokio::test]
async fn malformed_json_is_422() {
    let app = TestApp::new().await;
    let bodies: [&[u8]; 6] = [
        b"{",
        b"{\"nome\": }",
        b"\xff\xfe",
        b"{\"nome\": \"\\ud800\"}",
        b"nome=a",
        b"{\"a\":1e999}",
    ];
    for body in bodies {
        let reply = app.send(Request::post(PATH).body(body.to_vec())).await;
        assert_eq!(reply.failures(), ["body json_invalid"], "{body:?}");
    }
    assert_eq!(app.send(Request::post(PATH)).await.failures(), ["body missing"]);
    let deep = "[".repeat(100_000);
    assert_eq!(
        app.send(Request::post(PATH).body(deep)).await.failures(),
        ["body json_invalid"]
    );
}

#[tokio::test]
async fn too_large_a_body_is_413_declared_or_not() {
    let app = TestApp::with([("API_MAX_BODY_BYTES", "2048")]).await;
    let body = json!({"nome": "x".repeat(4096)}).to_string();
    let declared = Request::post(PATH)
        .header("content-length", &body.len().to_string())
        .body(body.clone());
    assert_eq!(
        app.send(declared).await.problem(413)["code"],
        "corpo_grande_demais"
    );
    let chunks = unsized_body(body);
    assert_eq!(
        app.send(Request::post(PATH).body(chunks)).await.problem(413)["code"],
        "corpo_grande_demais"
    );
}

/// A body whose length is not known beforehand.
fn unsized_body(text: String) -> axum::body::Body {
    use http_body_util::BodyExt;
    use http_body_util::Full;
    // A mapped frame body reports no exact size.
    let full = Full::from(text).map_frame(|frame| frame).boxed();
    axum::body::Body::new(Unsized(full))
}

struct Unsized<B>(B);

impl<B: axum::body::HttpBody + Unpin> axum::body::HttpBody for Unsized<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<B::Data>, B::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
}

#[tokio::test]
async fn head_of_an_error_has_the_length_of_its_body() {
    let app = TestApp::new().await;
    let get = app.send(Request::get("/nada").header("x-request-id", "a")).await;
    let head = app
        .send(Request::new(Method::HEAD, "/nada").header("x-request-id", "a"))
        .await;
    assert_eq!(head.header("content-length"), get.bytes.len().to_string());
    assert_eq!(head.bytes.len(), 0);
}

#[tokio::test]
async fn answer_does_not_grow_with_the_number_of_failures() {
    let app = TestApp::new().await;
    let ids: Vec<String> = (0..900).map(|n| n.to_string()).collect();
    let problem = app
        .post(PATH, json!({"nome": "a", "ids_projetos": ids}))
        .await
        .problem(422);
    assert_eq!(problem["errors"].as_array().unwrap().len(), 100);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.len() < 1_000 && detail.ends_with("e mais 90"), "{detail}");
}

#[tokio::test]
async fn unknown_query_keys_are_ignored() {
    let app = TestApp::new().await;
    app.get("/api/v1/atividades?_=1&_=2&x").await.expect(200);
    assert_eq!(
        app.get("/api/v1/atividades/%ff").await.failures(),
        ["path uuid_parsing"]
    );
    app.send(Request::post(PATH).body(b"\xef\xbb\xbf{}".to_vec()))
        .await
        .problem(422);
}

#[tokio::test]
async fn request_id_is_taken_over_or_made() {
    let app = TestApp::new().await;
    let reply = app
        .send(Request::get("/health").header("x-request-id", "ci-42_a.b"))
        .await;
    assert_eq!(reply.header("x-request-id"), "ci-42_a.b");
    for bad in ["a b", "<script>", &"x".repeat(65)] {
        let reply = app.send(Request::get("/nada").header("x-request-id", bad)).await;
        assert!(Uuid::parse_str(reply.header("x-request-id")).is_ok());
        reply.problem(404);
    }
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let app = TestApp::new().await;
    for path in ["/health", PATH, "/nada", "/docs", "/openapi.json"] {
        let reply = app.get(path).await;
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{path}");
        assert!(
            reply
                .header("content-security-policy")
                .contains("default-src 'none'"),
            "{path}"
        );
    }
    assert_eq!(app.get(PATH).await.header("cache-control"), "no-store");
}

#[tokio::test]
async fn large_answers_are_compressed_on_request_and_small_ones_never() {
    let app = TestApp::new().await;
    for n in 0..60 {
        projeto(&app.pool, &format!("Projeto de nome comprido número {n}")).await;
    }
    let gzip = |path: &str| Request::get(path).header("accept-encoding", "gzip");
    let large = app.send(gzip("/api/v1/projetos")).await;
    assert_eq!(large.header("content-encoding"), "gzip");
    assert_eq!(large.bytes[..2], [0x1f, 0x8b]);
    assert_eq!(app.get("/api/v1/projetos").await.header("content-encoding"), "");
    assert_eq!(
        app.send(gzip("/api/v1/projetos?limit=1"))
            .await
            .header("content-encoding"),
        ""
    );
}

#[tokio::test]
async fn database_error_is_not_sent_to_the_client() {
    let app = TestApp::new().await;
    sqlx::query("ALTER TABLE projetos RENAME COLUMN nome TO outro")
        .execute(&app.pool)
        .await
        .unwrap();
    // D-11: the old service sent SQL and parameters.
    let reply = app.get("/api/v1/projetos").await;
    let problem = reply.problem(500);
    assert_eq!(problem["detail"], "Erro interno do servidor");
    assert!(
        !reply.text().contains("outro") && !reply.text().contains("column"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn panic_is_500_and_the_process_lives() {
    let database = TestDatabase::new().await;
    let config = config(&database.url, []);
    let routes = axum::Router::new()
        .route(
            "/panic",
            get(async || -> String { panic!("the detail of the panic") }),
        )
        .route("/fine", get(async || "fine"));
    let app = aponta::app::with_edge(routes, &config.http, &Draining::default());
    let reply = Request::get("/panic")
        .header("origin", "https://dev.azure.com")
        .send_to(app.clone())
        .await;
    assert_eq!(reply.problem(500)["code"], "erro_interno");
    assert!(!reply.text().contains("the detail"));
    assert_eq!(
        reply.header("access-control-allow-origin"),
        "https://dev.azure.com"
    );
    assert_eq!(Request::get("/fine").send_to(app).await.text(), "fine");
}

#[tokio::test]
async fn statement_that_runs_too_long_is_503() {
    let app = TestApp::with([("DATABASE_STATEMENT_TIMEOUT_MS", "200")]).await;
    let _blocker = block_projetos(&app.pool).await;
    let reply = app.get("/api/v1/projetos").await;
    assert_eq!(reply.problem(503)["code"], "banco_indisponivel");
    assert_eq!(reply.header("retry-after"), "1");
}

#[tokio::test]
async fn request_that_takes_too_long_is_504() {
    let app = TestApp::with([("API_REQUEST_TIMEOUT_SECONDS", "1")]).await;
    let _blocker = block_projetos(&app.pool).await;
    assert_eq!(
        app.get("/api/v1/projetos").await.problem(504)["code"],
        "tempo_esgotado"
    );
}

#[tokio::test]
async fn busy_pool_is_503_after_the_acquire_timeout() {
    let app = TestApp::with([
        ("DATABASE_POOL_MAX", "1"),
        ("DATABASE_ACQUIRE_TIMEOUT_MS", "1000"),
    ])
    .await;
    let _held = app.app.db.acquire().await.unwrap();
    let started = std::time::Instant::now();
    assert_eq!(
        app.get("/api/v1/projetos").await.problem(503)["code"],
        "banco_indisponivel"
    );
    // Far below the thirty seconds that a pool waits by default.
    assert!(started.elapsed() < std::time::Duration::from_secs(10));
}
