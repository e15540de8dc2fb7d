//! Who gets in. Until real authentication exists nobody does while it is on.

use crate::support::{Request, TestApp};

#[tokio::test]
async fn without_credentials_the_answer_is_401_before_any_validation() {
    let app = TestApp::with([("AUTH_ENABLED", "true")]).await;
    let reply = app.get("/api/v1/atividades?limit=0").await;
    let problem = reply.problem(401);
    assert_eq!(problem["detail"], "Token de autenticação não fornecido");
    assert_eq!(problem["code"], "nao_autenticado");
    assert_eq!(reply.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn no_credential_is_believed_unproved() {
    let app = TestApp::with([("AUTH_ENABLED", "true")]).await;
    // D-01: a token that only looks like one of the extension; D-04: Basic counts as a credential.
    let forged = "Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJhcHAudnN0b2tlbi52aXN1YWxzdHVkaW8uY29tIn0.";
    let refused = "Token inválido ou expirado.";
    let absent = "Token de autenticação não fornecido";
    let cases = [
        (forged, refused),
        ("Bearer x", refused),
        ("bearer x", refused),
        ("Basic OnBhdA==", refused),
        ("Bearer", absent),
        ("Bearer  ", absent),
        ("Digest x", absent),
        ("", absent),
    ];
    for (credential, text) in cases {
        let reply = app
            .send(Request::get("/api/v1/projetos").header("authorization", credential))
            .await;
        let problem = reply.problem(401);
        assert!(
            problem["detail"].as_str().unwrap().starts_with(text),
            "{credential}: {problem}"
        );
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn the_mock_user_signs_what_it_creates() {
    let app = TestApp::new().await;
    let projeto = crate::support::data::projeto(&app.pool, "P").await;
    let body = serde_json::json!({"nome": "a", "id_projeto": projeto});
    assert_eq!(
        app.post("/api/v1/atividades", body).await.expect(201)["criado_por"],
        "dev@localhost"
    );
}
