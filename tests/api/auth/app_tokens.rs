//! Tokens of the extension: accepted ones, and membership.

use azure_devops_fake::{FakeAzure, Fault};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{PATH, basic, with_header};
use crate::support::app_token::{self, NEXT_SECRET, SECRET, app_token, claims, now, sign, sign_with};
use crate::support::{Request, TestApp};

const APP_REFUSED: &str = "App Token JWT inválido ou expirado";

/// D-01: an app token counts only if every claim and the signature are right; it never falls through to
/// another path.
#[tokio::test]
async fn d_01_forged_app_token_is_refused_without_a_call() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let app = with_two_secrets(&azure).await;
    for (name, token) in forged(ada.id) {
        for header in [format!("Bearer {token}"), basic("", &token)] {
            let reply = with_header(&app, &header).await;
            assert_eq!(reply.problem(401)["detail"], APP_REFUSED, "{name}");
        }
    }
    assert_eq!(azure.seen().len(), 0, "Azure DevOps was asked");
}

/// Starts a service that accepts tokens signed by either of two secrets.
async fn with_two_secrets(azure: &FakeAzure) -> TestApp {
    let service = azure.pat(&azure.person("Service", &["contoso"]));
    let secrets = format!("{NEXT_SECRET},{SECRET}");
    TestApp::over(
        azure,
        [
            ("AZURE_EXTENSION_SECRETS", secrets.as_str()),
            ("AZURE_EXTENSION_APP_ID", app_token::APP_ID),
            ("AZURE_DEVOPS_PAT", &service),
        ],
    )
    .await
}

/// Returns the token of a person with one claim changed.
fn changed(id: Uuid, key: &str, value: Value) -> String {
    let mut claims = claims(id);
    claims[key] = value;
    sign(&claims, SECRET)
}

/// Returns the token of a person without one claim.
fn without(id: Uuid, key: &str) -> String {
    let mut claims = claims(id);
    claims.as_object_mut().unwrap().remove(key);
    sign(&claims, SECRET)
}

/// Returns forged tokens, each with its forgery.
fn forged(id: Uuid) -> [(&'static str, String); 16] {
    let changed = |key, value| changed(id, key, value);
    let good = app_token(id);
    let (body, signature) = good.rsplit_once('.').unwrap();
    let other_body = sign(&changed_claims(id), SECRET);
    let swapped = format!("{}.{signature}", other_body.rsplit_once('.').unwrap().0);
    let mut with_jwk = Header::new(Algorithm::HS256);
    with_jwk.kid = Some("attacker".into());
    with_jwk.jku = Some("https://attacker.example/keys".into());
    [
        ("no signature", format!("{body}.")),
        (
            "other secret",
            sign(&claims(id), "another-secret-of-at-least-32-characters"),
        ),
        ("empty secret", sign(&claims(id), "")),
        (
            "a key of its own",
            sign_with(&with_jwk, &claims(id), "another-secret-of-at-least-32-characters"),
        ),
        ("swapped body", swapped),
        ("other audience", changed("aud", json!(Uuid::new_v4()))),
        ("expired", changed("exp", json!(now() - 61))),
        ("not yet", changed("nbf", json!(now() + 120))),
        ("nobody", changed("nameid", json!(Uuid::nil()))),
        (
            "anonymous",
            changed("nameid", json!("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa")),
        ),
        ("no GUID", changed("nameid", json!("ada' OR 1=1"))),
        ("numeric nameid", changed("nameid", json!(7))),
        ("no exp", without(id, "exp")),
        ("no nbf", without(id, "nbf")),
        ("no aud", without(id, "aud")),
        ("no nameid", without(id, "nameid")),
    ]
}

#[tokio::test]
async fn token_of_another_issuer_or_algorithm_is_no_app_token() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let app = with_two_secrets(&azure).await;
    let unsigned = |header: Value| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(&header), part(&claims(ada.id)))
    };
    // `iss` is exact: with a scheme before it this is some other token, which Azure DevOps does not know.
    let look_alike = changed(ada.id, "iss", json!("https://app.vstoken.visualstudio.com"));
    let no_app_tokens = [
        look_alike,
        unsigned(json!({"alg": "none", "typ": "JWT"})),
        unsigned(json!({"alg": "NONE"})),
        sign_with(&Header::new(Algorithm::HS384), &claims(ada.id), SECRET),
    ];
    // So is what has another algorithm.
    for token in &no_app_tokens {
        app.get_as(token, PATH).await.problem(401);
    }
    assert_eq!(azure.count("connection_data"), 2 * no_app_tokens.len());
    assert_eq!(azure.count("read_identity"), 0);
}

#[tokio::test]
async fn both_secrets_count_while_one_replaces_the_other() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let app = with_two_secrets(&azure).await;
    for secret in [SECRET, NEXT_SECRET] {
        app.get_as(&sign(&claims(ada.id), secret), PATH).await.expect(200);
    }
}

fn changed_claims(id: Uuid) -> Value {
    let mut claims = claims(id);
    claims["exp"] = json!(now() + 1_000_000);
    claims
}

/// D-07: an app token proves a person, not a membership; the organisation's identity service does, once for
/// many.
#[tokio::test]
async fn d_07_app_token_counts_for_members_only() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let service = azure.pat(&azure.person("Service", &["contoso"]));
    let variables = app_token::VARIABLES
        .into_iter()
        .chain([("AZURE_DEVOPS_PAT", service.as_str())]);
    let app = TestApp::over(&azure, variables).await;
    for _ in 0..3 {
        // Each request has a token of its own, as the extension renews them.
        app.get_as(&app_token(ada.id), PATH).await.expect(200);
    }
    assert_eq!(azure.count("read_identity"), 1);
    let seen = &azure.seen()[0];
    assert_eq!(seen.path, "/vssps/contoso/_apis/identities");
    assert_eq!(seen.authorization.as_deref(), Some(basic("", &service).as_str()));

    let reply = app.get_as(&app_token(Uuid::new_v4()), PATH).await;
    assert_eq!(reply.problem(403)["code"], "acesso_negado");
    let gone = azure.person("Gone", &["contoso"]);
    azure.edit_person(gone.id, |person| person.active = false);
    app.get_as(&app_token(gone.id), PATH).await.problem(403);
    // Our own PAT being refused is our trouble.
    azure.revoke(&service);
    let new = azure.person("New", &["contoso"]);
    app.get_as(&app_token(new.id), PATH).await.problem(502);
    azure.fault("contoso", "read_identity", Fault::Hang);
    let other = azure.person("Other", &["contoso"]);
    app.get_as(&app_token(other.id), PATH).await.problem(504);
}

#[tokio::test]
async fn without_a_secret_app_tokens_are_refused_with_a_hint() {
    let azure = FakeAzure::contoso().await;
    let app = TestApp::over(&azure, []).await;
    let reply = app.get_as(&app_token(Uuid::new_v4()), PATH).await;
    let detail = reply.problem(401)["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.starts_with("AZURE_EXTENSION_SECRET não configurado no servidor."),
        "{detail}"
    );
    assert_eq!(azure.seen().len(), 0);
}

#[tokio::test]
async fn access_token_of_another_person_is_refused() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let eve = azure.person("Eve", &["contoso"]);
    // No PAT of ours: the access token alone proves the membership of the app token's user.
    let app = TestApp::over(&azure, app_token::VARIABLES).await;
    let send = async |token: &str, beside: &str| {
        let request = Request::get(PATH)
            .bearer(token)
            .header("x-azure-access-token", beside);
        app.send(request).await
    };
    let own = azure.access_token(&ada);
    send(&app_token(ada.id), &own).await.expect(200);
    send(&azure.pat(&ada), &own).await.expect(200);
    send(&azure.pat(&ada), "").await.expect(200);
    for beside in [azure.access_token(&eve), "made-up".to_owned(), "ção".to_owned()] {
        for token in [app_token(ada.id), azure.pat(&ada)] {
            let detail = send(&token, &beside).await.problem(401)["detail"].clone();
            assert!(
                detail.as_str().unwrap().contains("x-azure-access-token"),
                "{detail}"
            );
        }
    }
    app.get_as(&app_token(ada.id), PATH).await.problem(403);
}
