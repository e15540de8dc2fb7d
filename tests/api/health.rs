//! Liveness, readiness and service information.

use serde_json::json;

use crate::support::{AUTH_ON, Request, TestApp, eventually};

#[tokio::test]
async fn liveness_reports_version_and_environment() {
    let app = TestApp::with(AUTH_ON).await;
    let expected = json!({"status": "healthy", "version": env!("CARGO_PKG_VERSION"), "environment": "test"});
    for path in ["/", "/health", "/healthz", "/health/", "/healthz/"] {
        assert_eq!(app.get(path).await.expect(200), expected, "{path}");
    }
}

/// Probes are answered without being routed; requests with a body are.
#[tokio::test]
async fn probe_with_and_without_body_answers_alike() {
    let app = TestApp::new().await;
    for draining in [false, true] {
        if draining {
            app.app.draining.begin();
        }
        for path in ["/", "/health", "/healthz"] {
            let mut answers = Vec::new();
            for request in [Request::get(path), Request::get(path).body("x")] {
                let mut reply = app.send(request.header("x-request-id", "r-1")).await;
                assert_eq!(reply.header("x-request-id"), "r-1");
                let mut headers: Vec<_> = std::mem::take(&mut reply.headers).into_iter().collect();
                headers.sort_by_key(|(name, _)| name.as_ref().map(ToString::to_string));
                answers.push((reply.status, headers, reply.bytes));
            }
            assert_eq!(answers[0], answers[1], "{path}");
        }
    }
}

#[tokio::test]
async fn api_info_points_at_the_docs() {
    let app = TestApp::with(AUTH_ON).await;
    let expected = json!({"name": "API Aponta", "version": env!("CARGO_PKG_VERSION"), "docs": "/docs",
        "redoc": "/redoc"});
    assert_eq!(app.get("/api/v1").await.expect(200), expected);
    assert_eq!(app.get("/api/v1/").await.expect(200), expected);
}

#[tokio::test]
async fn ready_means_database_and_migrations() {
    let app = TestApp::new().await;
    let ready = app.get("/ready").await.expect(200);
    let checks = json!({"database": "ok", "migrations": "ok", "azure_devops": "not_configured"});
    assert_eq!(ready, json!({"status": "ready", "checks": checks}));

    sqlx::query("DELETE FROM _sqlx_migrations")
        .execute(&app.pool)
        .await
        .unwrap();
    // What was seen last stands for half a second.
    eventually("the missing migration is noticed", async || {
        app.get("/ready").await.status == 503
    })
    .await;
    let behind = app.get("/ready").await.expect(503);
    assert_eq!(
        (&behind["status"], &behind["checks"]["migrations"]),
        (&json!("unavailable"), &json!("pending"))
    );
    let no_table = TestApp::with([("DATABASE_SCHEMA", "empty")]).await;
    assert_eq!(
        no_table.get("/ready").await.expect(503)["checks"]["migrations"],
        "pending"
    );
}

#[tokio::test]
async fn draining_process_is_alive_but_not_ready() {
    let app = TestApp::new().await;
    app.app.draining.begin();
    let reply = app.get("/ready").await;
    assert_eq!(reply.expect(503)["status"], "draining");
    assert_eq!(reply.header("connection"), "close");
    let alive = app.get("/health").await;
    alive.expect(200);
    assert_eq!(alive.header("connection"), "close");
}

#[tokio::test]
async fn head_works_wherever_get_does() {
    let app = TestApp::new().await;
    for path in [
        "/",
        "/health",
        "/ready",
        "/api/v1",
        "/api/v1/atividades",
        "/api/v1/projetos",
        "/docs",
        "/openapi.json",
    ] {
        let reply = app.send(Request::new(axum::http::Method::HEAD, path)).await;
        assert_eq!((reply.status.as_u16(), reply.bytes.len()), (200, 0), "{path}");
    }
    let missing = app.send(Request::new(axum::http::Method::HEAD, "/nada")).await;
    assert_eq!((missing.status.as_u16(), missing.bytes.len()), (404, 0));
}
