//! Which web pages may call.

use axum::http::Method;

use crate::support::{AUTH_ON, Reply, Request, TestApp};

const EXTENSION: &str = "https://sefaz-ceara.gallerycdn.vsassets.io";

async fn preflight(app: &TestApp, origin: &str) -> Reply {
    let request = Request::new(Method::OPTIONS, "/api/v1/atividades")
        .header("origin", origin)
        .header("access-control-request-method", "PUT")
        .header(
            "access-control-request-headers",
            "authorization,content-type,x-custom-header,x-azure-access-token",
        );
    app.send(request).await
}

#[tokio::test]
async fn extension_may_preflight_with_all_its_headers() {
    let app = TestApp::with(AUTH_ON).await;
    let reply = preflight(&app, EXTENSION).await;
    assert_eq!(reply.status.as_u16(), 200);
    assert_eq!(reply.header("access-control-allow-origin"), EXTENSION);
    assert_eq!(reply.header("access-control-allow-credentials"), "true");
    assert_eq!(reply.header("access-control-max-age"), "600");
    let headers = reply.header("access-control-allow-headers");
    for name in [
        "authorization",
        "content-type",
        "x-custom-header",
        "x-azure-access-token",
        "traceparent",
        "tracestate",
    ] {
        assert!(headers.contains(name), "{headers}");
    }
    let methods = reply.header("access-control-allow-methods");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        assert!(methods.contains(method), "{methods}");
    }
}

#[tokio::test]
async fn unlisted_origin_gets_no_cors_headers() {
    let app = TestApp::new().await;
    for origin in [
        "https://evil.example",
        "https://gallerycdn.vsassets.io.evil.example",
        "null",
        "http://localhost:5173",
    ] {
        assert_eq!(
            preflight(&app, origin)
                .await
                .header("access-control-allow-origin"),
            "",
            "{origin}"
        );
    }
}

#[tokio::test]
async fn localhost_is_an_origin_only_in_development() {
    // D-14: the old service allowed localhost in production.
    let local = "http://localhost:5173";
    let development = TestApp::with([("ENVIRONMENT", "development")]).await;
    assert_eq!(
        preflight(&development, local)
            .await
            .header("access-control-allow-origin"),
        local
    );
    let production = TestApp::with([
        ("ENVIRONMENT", "production"),
        ("AUTH_ENABLED", "true"),
        ("AZURE_DEVOPS_ORG_URL", "https://dev.azure.com/contoso"),
    ])
    .await;
    assert_eq!(
        preflight(&production, local)
            .await
            .header("access-control-allow-origin"),
        ""
    );
    assert_eq!(
        preflight(&production, EXTENSION)
            .await
            .header("access-control-allow-origin"),
        EXTENSION
    );
}

#[tokio::test]
async fn every_response_has_cors_headers() {
    let app = TestApp::with([
        ("API_MAX_BODY_BYTES", "1024"),
        ("RATE_LIMIT_ENABLED", "true"),
        ("RATE_LIMIT_BURST", "7"),
        ("RATE_LIMIT_PER_SECOND", "1"),
    ])
    .await;
    sqlx::query("ALTER TABLE projetos RENAME COLUMN nome TO outro")
        .execute(&app.pool)
        .await
        .unwrap();
    let path = "/api/v1/atividades";
    let requests = [
        (200, Request::get("/health")),
        (404, Request::get("/nada")),
        (405, Request::delete(path)),
        (
            413,
            Request::post(path)
                .header("content-length", "2000")
                .body("x".repeat(2000)),
        ),
        (
            415,
            Request::post(path).header("content-type", "text/plain").body("x"),
        ),
        (422, Request::post(path).body("{")),
        // D-10: 500 lacked it, so browsers hid the error.
        (500, Request::get("/api/v1/projetos")),
    ];
    for (status, request) in requests {
        let reply = app.send(request.header("origin", EXTENSION)).await;
        assert_eq!(reply.status.as_u16(), status);
        assert_eq!(reply.header("access-control-allow-origin"), EXTENSION, "{status}");
        assert!(
            reply
                .header("access-control-expose-headers")
                .contains("x-request-id"),
            "{status}"
        );
    }
    let limited = loop {
        let reply = app
            .send(Request::get("/api/v1").header("origin", EXTENSION))
            .await;
        if reply.status.as_u16() != 200 {
            break reply;
        }
    };
    assert_eq!(limited.status.as_u16(), 429);
    assert_eq!(limited.header("access-control-allow-origin"), EXTENSION);
}

#[tokio::test]
async fn unauthenticated_response_has_cors_headers() {
    let app = TestApp::with(AUTH_ON).await;
    let reply = app
        .send(Request::get("/api/v1/projetos").header("origin", EXTENSION))
        .await;
    reply.problem(401);
    assert_eq!(reply.header("access-control-allow-origin"), EXTENSION);
}
