//! The documentation pages: complete, and from this binary alone.

use std::collections::BTreeSet;
use std::io::Read;

use axum::http::{Method, StatusCode};
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::support::{AUTH_ON, Reply, Request, TestApp};

/// Files of which the plain form is kept, too.
const WRITTEN_HERE: [&str; 6] = [
    "/openapi.json",
    "/openapi-3.0.json",
    "/docs",
    "/docs/init.js",
    "/redoc",
    "/redoc/init.js",
];
/// Files that are vendored compressed.
const VENDORED: [&str; 4] = [
    "/docs/swagger-ui-bundle.js",
    "/docs/swagger-ui.css",
    "/docs/favicon-32x32.png",
    "/redoc/redoc.standalone.js",
];

async fn gzipped(app: &TestApp, path: &str) -> Reply {
    app.send(Request::get(path).header("accept-encoding", "gzip, br"))
        .await
}

fn unpacked(reply: &Reply) -> Vec<u8> {
    assert_eq!(reply.header("content-encoding"), "gzip");
    let mut plain = Vec::new();
    GzDecoder::new(reply.bytes.as_slice())
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

fn varies_by_encoding(reply: &Reply) -> bool {
    let lines = reply.headers.get_all("vary").iter();
    lines
        .filter(|line| line.to_str().unwrap().contains("accept-encoding"))
        .count()
        == 1
}

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
async fn pages_load_nothing_from_other_hosts() {
    let app = TestApp::new().await;
    let text = |reply: &Reply| String::from_utf8(unpacked(reply)).unwrap();
    let redoc = text(&gzipped(&app, "/redoc/redoc.standalone.js").await);
    assert!(redoc.contains("disableTelemetry") && redoc.contains("data:image/svg+xml"));
    assert!(
        !redoc.contains("cdn.redoc.ly"),
        "the logo is loaded from elsewhere"
    );
    let init = text(&gzipped(&app, "/redoc/init.js").await);
    assert!(init.contains("disableTelemetry: true"), "{init}");
    let init = text(&gzipped(&app, "/docs/init.js").await);
    assert!(init.contains("persistAuthorization: true"), "{init}");
    assert!(!init.contains("http"), "{init}");
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
        "/openapi-3.0.json",
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
async fn document_is_that_of_the_command_line() {
    let app = TestApp::new().await;
    let served = app.get("/openapi.json").await.expect(200);
    let printed = serde_json::to_value(aponta::app::openapi()).unwrap();
    assert_eq!(served, printed);
    assert_eq!(served["openapi"], "3.1.0");
}

/// Returns the operations of a document, by path, method and id.
fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().iter();
        let named =
            methods.map(|(method, operation)| format!("{method} {path} {}", operation["operationId"]));
        named.collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// Collects each member of the document that 3.0 does not know, outside of examples.
fn faults_of_3_0(place: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let is_reference = members.get("$ref").is_some_and(Value::is_string);
            if is_reference && members.len() > 1 {
                found.push(format!("{place}: siblings of $ref"));
            }
            for (name, member) in members.iter().filter(|(name, _)| !name.starts_with("example")) {
                let place = format!("{place}/{name}");
                let is_foreign = match name.as_str() {
                    "type" => member.is_array() || member == "null",
                    "exclusiveMinimum" | "exclusiveMaximum" => member.is_number(),
                    "const" | "contentMediaType" | "propertyNames" | "identifier" => true,
                    _ => false,
                };
                if is_foreign && !member.is_object() || name == "propertyNames" {
                    found.push(place.clone());
                }
                faults_of_3_0(&place, member, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                faults_of_3_0(place, item, found);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn document_of_3_0_has_the_operations_and_nothing_of_3_1() {
    let app = TestApp::new().await;
    let document = app.get("/openapi-3.0.json").await.expect(200);
    let printed: Value = serde_json::from_str(&aponta::app::openapi_3_0_text().unwrap()).unwrap();
    assert_eq!(document, printed);
    assert_eq!(document["openapi"], "3.0.3");
    let of_3_1 = serde_json::to_value(aponta::app::openapi()).unwrap();
    assert_eq!(operations(&document), operations(&of_3_1));
    let mut found = Vec::new();
    faults_of_3_0("", &of_3_1, &mut found);
    assert!(found.len() > 50, "the check finds what 3.1 has: {found:?}");
    found.clear();
    faults_of_3_0("", &document, &mut found);
    assert_eq!(found, [""; 0]);
    let sincronizacao =
        &document["components"]["schemas"]["ApontamentoResponse"]["properties"]["sincronizacao"];
    assert_eq!(sincronizacao["nullable"], true);
    assert_eq!(
        sincronizacao["allOf"][0]["$ref"],
        "#/components/schemas/SituacaoResponse"
    );
}

#[tokio::test]
async fn file_that_a_client_has_is_304_without_a_body() {
    let app = TestApp::new().await;
    for path in WRITTEN_HERE.into_iter().chain(VENDORED) {
        let first = gzipped(&app, path).await;
        assert_eq!(first.status, StatusCode::OK, "{path}");
        assert!(
            !unpacked(&first).is_empty() && varies_by_encoding(&first),
            "{path}"
        );
        let etag = first.header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{path}: {etag}");
        for known in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
            let again = Request::get(path).header("accept-encoding", "gzip");
            let again = app.send(again.header("if-none-match", &known)).await;
            assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{path} {known}");
            assert!(again.bytes.is_empty() && varies_by_encoding(&again), "{path}");
            assert_eq!(again.header("etag"), etag);
            assert_eq!(again.header("cache-control"), first.header("cache-control"));
            assert_eq!(again.header("content-encoding"), "", "{path}");
        }
        let other = Request::get(path).header("if-none-match", "\"0123456789abcdef\"");
        assert_eq!(app.send(other).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn client_that_refuses_gzip_gets_the_plain_file() {
    let app = TestApp::new().await;
    for path in WRITTEN_HERE {
        let gzipped = gzipped(&app, path).await;
        let etag = gzipped.header("etag");
        for refusal in ["identity", "gzip;q=0, br", ""] {
            let request = Request::get(path).header("if-none-match", etag);
            let plain = app.send(request.header("accept-encoding", refusal)).await;
            // The tag of the compressed form names other bytes.
            assert_eq!(plain.status, StatusCode::OK, "{path} {refusal}");
            assert_eq!(plain.header("content-encoding"), "", "{path} {refusal}");
            assert_eq!(plain.bytes, unpacked(&gzipped), "{path} {refusal}");
            assert!(
                plain.header("etag") != etag && varies_by_encoding(&plain),
                "{path}"
            );
            assert_eq!(plain.header("content-type"), gzipped.header("content-type"));
        }
    }
}

#[tokio::test]
async fn head_of_a_file_matches_get() {
    let app = TestApp::new().await;
    for path in WRITTEN_HERE.into_iter().chain(VENDORED) {
        for encoding in ["gzip", "identity"] {
            let ask = |method| Request::new(method, path).header("accept-encoding", encoding);
            let head = app.send(ask(Method::HEAD)).await;
            let get = app.send(ask(Method::GET)).await;
            assert_eq!(head.status, StatusCode::OK, "{path}");
            assert!(head.bytes.is_empty(), "{path}");
            let length = head.header("content-length");
            assert_eq!(length, get.bytes.len().to_string(), "{path} {encoding}");
            for name in ["etag", "content-type", "content-encoding", "cache-control"] {
                assert_eq!(head.header(name), get.header(name), "{path} {name}");
            }
        }
    }
}
