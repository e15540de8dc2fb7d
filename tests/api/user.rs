//! `/api/v1/user`.

use azure_devops_fake::{FakeAzure, Fault};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::app_token::{self, app_token};
use crate::support::{Request, TestApp};

const PATH: &str = "/api/v1/user";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

async fn app_with_service_pat(azure: &FakeAzure) -> TestApp {
    let service = azure.pat(&azure.person("Service", &["contoso"]));
    let variables = app_token::VARIABLES
        .into_iter()
        .chain([("AZURE_DEVOPS_PAT", service.as_str())]);
    TestApp::over(azure, variables).await
}

async fn with_hints(app: &TestApp, token: &str, hints: &str) -> Value {
    let request = Request::get(PATH).bearer(token).header("x-custom-header", hints);
    app.send(request).await.expect(200)
}

#[tokio::test]
async fn every_kind_of_token_shows_the_real_person() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    azure.edit_person(ada.id, |person| person.avatar = Some(PNG.to_vec()));
    let app = app_with_service_pat(&azure).await;
    let expected = json!({
        "id": ada.id,
        "displayName": "Ada Example",
        "emailAddress": "ada@contoso.example",
        "avatarUrl": format!("data:image/png;base64,{}", STANDARD.encode(PNG)),
        "papel": "membro",
        "organizacoes": ["contoso"],
    });
    for token in [azure.pat(&ada), azure.access_token(&ada), app_token(ada.id)] {
        assert_eq!(app.get_as(&token, PATH).await.expect(200), expected);
    }
    assert_eq!(azure.count("read_avatar"), 1, "the picture is remembered");
}

#[tokio::test]
async fn mock_user_has_no_picture() {
    let app = TestApp::new().await;
    let expected = json!({
        "id": "dev-user-001", "displayName": "Dev User", "emailAddress": "dev@localhost", "avatarUrl": null,
        "papel": "admin", "organizacoes": []
    });
    assert_eq!(app.get(PATH).await.expect(200), expected);
}

#[tokio::test]
async fn missing_picture_is_not_an_error() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    for fault in [
        Fault::Status(503, None),
        Fault::Hang,
        Fault::HalfJson,
        Fault::Unauthorized,
    ] {
        let app = app_with_service_pat(&azure).await;
        azure.fault("contoso", "read_avatar", fault);
        assert_eq!(
            app.get_as(&azure.pat(&ada), PATH).await.expect(200)["avatarUrl"],
            Value::Null
        );
    }
    azure.heal();
    azure.edit_person(ada.id, |person| {
        person.avatar = Some(b"<svg onload='alert(1)'/>".to_vec());
    });
    let app = app_with_service_pat(&azure).await;
    assert_eq!(
        app.get_as(&azure.pat(&ada), PATH).await.expect(200)["avatarUrl"],
        Value::Null
    );
}

/// D-08: the header fills gaps of the display and nothing else; whatever is wrong with it, it is only
/// ignored.
#[tokio::test]
async fn d_08_custom_header_is_never_believed() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let app = app_with_service_pat(&azure).await;
    let token = app_token(ada.id);
    let hints = STANDARD
        .encode(json!({"User-Name": "Eve", "User-Email": "eve@evil.example", "User-Id": "1"}).to_string());
    let real = app.get_as(&token, PATH).await.expect(200);
    assert_eq!(
        with_hints(&app, &token, &hints).await,
        real,
        "what is known is not overridden"
    );

    // Nothing known but the id: the display is filled, what is stored is not.
    let bob = azure.person("", &["contoso"]);
    azure.edit_person(bob.id, |person| person.email = String::new());
    let token = app_token(bob.id);
    let shown = with_hints(&app, &token, &hints).await;
    assert_eq!(shown["id"], json!(bob.id));
    assert_eq!(
        (&shown["displayName"], &shown["emailAddress"]),
        (&json!("Eve"), &json!("eve@evil.example"))
    );
    let made_up = format!("Azure User {}", &bob.id.to_string()[..8]);
    assert_eq!(app.get_as(&token, PATH).await.expect(200)["displayName"], made_up);
    let projeto = crate::support::data::projeto(&app.pool, "P").await;
    let create = Request::post("/api/v1/atividades")
        .bearer(&token)
        .header("x-custom-header", &hints)
        .json(&json!({"nome": "a", "id_projeto": projeto}));
    assert_eq!(app.send(create).await.expect(201)["criado_por"], made_up);

    let list = STANDARD.encode(r#"["User-Name"]"#);
    let number = STANDARD.encode(r#"{"User-Name": 7, "User-Email": null}"#);
    for broken in [
        "%%%",
        "",
        "e30",
        &list,
        &number,
        &STANDARD.encode("null"),
        &STANDARD.encode(b"\xff\xfe"),
    ] {
        assert_eq!(
            with_hints(&app, &token, broken).await["displayName"],
            made_up,
            "{broken}"
        );
    }
}
