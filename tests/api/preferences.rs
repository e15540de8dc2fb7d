//! `Prefer: handling=strict` (RFC 7240): unknown query parameters are refused.

use axum::http::Method;
use serde_json::json;

use crate::support::logging::APONTAMENTOS;
use crate::support::{AUTH_ON, Request, TestApp};

const STRICT: &str = "handling=strict";
const APPLIED: &str = "preference-applied";

#[tokio::test]
async fn strict_request_with_unknown_parameters_is_refused() {
    let app = TestApp::new().await;
    let path = format!("{APONTAMENTOS}?data_inicial=2026-01-12&skip=0&Limit=5&data_inicial=1");
    let refused = app.send(Request::get(&path).header("prefer", STRICT)).await;
    let expected = [
        "query.data_inicial extra_forbidden",
        "query.Limit extra_forbidden",
    ];
    assert_eq!(refused.failures(), expected);
    assert_eq!(refused.header(APPLIED), STRICT);
    let problem = refused.problem(422);
    assert_eq!(problem["code"], "dados_invalidos");
    assert_eq!(problem["errors"][0]["msg"], "não é um parâmetro desta operação");
}

#[tokio::test]
async fn lenient_request_ignores_unknown_parameters() {
    let app = TestApp::new().await;
    let path = format!("{APONTAMENTOS}?data_inicial=2026-01-12");
    for prefer in [
        None,
        Some("handling=lenient"),
        Some("handling"),
        Some("respond-async, wait=10"),
        Some("x=\"a, handling=strict\""),
        Some("foo; handling=strict"),
        // Only the first instance of a preference counts.
        Some("handling=lenient, handling=strict"),
    ] {
        let request = Request::get(&path);
        let request = match prefer {
            Some(prefer) => request.header("prefer", prefer),
            None => request,
        };
        let reply = app.send(request).await;
        reply.expect(200);
        assert_eq!(reply.header(APPLIED), "", "{prefer:?}");
    }
}

#[tokio::test]
async fn strict_is_understood_in_every_notation() {
    let app = TestApp::new().await;
    let path = format!("{APONTAMENTOS}?x=1");
    for prefer in [
        "handling=strict",
        "Handling = \"strict\"",
        "respond-async, handling=strict; foo=bar",
        "wait=10;x=\"a,\\\"b\", handling=strict",
    ] {
        let request = Request::get(&path).header("prefer", prefer);
        let failures = app.send(request).await.failures();
        assert_eq!(failures, ["query.x extra_forbidden"], "{prefer}");
    }
    let two = Request::get(&path)
        .header("prefer", "wait=10")
        .header("prefer", STRICT);
    app.send(two).await.problem(422);
}

#[tokio::test]
async fn strict_request_with_known_parameters_is_answered() {
    let app = TestApp::new().await;
    for path in [
        format!("{APONTAMENTOS}?skip=0&limit=5&ordem=asc&data_inicio=2026-01-12"),
        format!("{APONTAMENTOS}/?skip=0"),
        "/api/v1/atividades?skip=0&limit=1000".to_owned(),
        "/api/v1/projetos".to_owned(),
        "/api/v1/user?".to_owned(),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let reply = app
                .send(Request::new(method, &path).header("prefer", STRICT))
                .await;
            assert_eq!(reply.status.as_u16(), 200, "{path}");
            assert_eq!(reply.header(APPLIED), STRICT, "{path}");
        }
    }
}

#[tokio::test]
async fn strict_refusal_has_no_effect() {
    let app = TestApp::new().await;
    let body = json!({"nome": "Revisão", "ids_projetos": []});
    let create = Request::post("/api/v1/atividades?notify=1")
        .header("prefer", STRICT)
        .json(&body);
    let failures = app.send(create).await.failures();
    assert_eq!(failures, ["query.notify extra_forbidden"]);
    let listed = app.get("/api/v1/atividades").await.expect(200);
    assert_eq!(listed["total"], 0);
}

#[tokio::test]
async fn strict_is_applied_to_refused_requests_too() {
    let app = TestApp::with(AUTH_ON).await;
    let reply = app
        .send(Request::get(APONTAMENTOS).header("prefer", STRICT))
        .await;
    reply.problem(401);
    assert_eq!(reply.header(APPLIED), STRICT);
}

#[tokio::test]
async fn browsers_may_send_and_read_preferences() {
    let app = TestApp::new().await;
    let origin = "https://dev.azure.com";
    let preflight = Request::new(Method::OPTIONS, APONTAMENTOS)
        .header("origin", origin)
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "prefer");
    let allowed = app.send(preflight).await;
    let headers = allowed.header("access-control-allow-headers");
    assert!(headers.split(',').any(|name| name == "prefer"), "{headers}");
    let reply = app.send(Request::get("/health").header("origin", origin)).await;
    let exposed = reply.header("access-control-expose-headers");
    assert!(exposed.split(',').any(|name| name == APPLIED), "{exposed}");
}
