//! The documentation pages: complete, and from this binary alone.

use axum::http::StatusCode;

use crate::support::{AUTH_ON, TestApp};

/// Paths in `src="…"`, `href="…"` and `from "…"`.
fn references(text: &str) -> Vec<String> {
    let starts = ["src=\"", "href=\"", "from \"", "url: \"", "init(\""];
    let mut found = Vec::new();
    for start in starts {
        found.extend(
            text.split(start)
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .map(str::to_owned),
        );
    }
    found
}

#[tokio::test]
async fn every_file_that_the_pages_need_is_served_from_here() {
    let app = TestApp::with(AUTH_ON).await;
    for page in ["/docs", "/docs/", "/redoc", "/redoc/"] {
        let reply = app.get(page).await;
        assert_eq!(reply.status, StatusCode::OK, "{page}");
        assert!(reply.header("content-type").starts_with("text/html"), "{page}");
        let mut wanted = references(&reply.text());
        assert!(wanted.len() >= 2, "{page} refers to {wanted:?}");
        while let Some(path) = wanted.pop() {
            assert!(
                path.starts_with('/') && !path.starts_with("//"),
                "{page} refers to {path}"
            );
            let file = app.get(&path).await;
            assert_eq!(file.status, StatusCode::OK, "{page} refers to {path}");
            assert!(!file.bytes.is_empty(), "{path}");
            if path.ends_with("init.js") {
                wanted.extend(references(&file.text()));
            }
        }
    }
    assert_eq!(app.get("/docs/nothing.js").await.problem(404)["status"], 404);
    assert_eq!(app.get("/docs/../Cargo.toml").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn disabled_docs_answer_as_an_unknown_address() {
    let off = [("DOCS_ENABLED", "false")];
    let app = TestApp::with(AUTH_ON.into_iter().chain(off)).await;
    for path in [
        "/docs",
        "/docs/",
        "/docs/init.js",
        "/docs/swagger-ui.css",
        "/redoc",
        "/redoc/redoc.standalone.js",
        "/openapi.json",
    ] {
        let hidden = app.get(path).await.problem(404);
        let unknown = app.get("/nada").await.problem(404);
        for field in ["type", "title", "detail", "code"] {
            assert_eq!(hidden[field], unknown[field], "{path}");
        }
        let posted = app.post(path, serde_json::json!({})).await;
        assert_eq!(posted.status, StatusCode::NOT_FOUND, "{path}");
    }
    let info = app.get("/api/v1").await.expect(200);
    assert!(info["docs"].is_null() && info["redoc"].is_null(), "{info}");
}

#[tokio::test]
async fn the_document_is_that_of_the_command_line() {
    let app = TestApp::new().await;
    let served = app.get("/openapi.json").await.expect(200);
    let printed = serde_json::to_value(aponta::app::openapi()).unwrap();
    assert_eq!(served, printed);
    assert_eq!(served["openapi"], "3.1.0");
}
