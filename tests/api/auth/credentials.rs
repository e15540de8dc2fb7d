//! Kind of credential × form of its header × what Azure DevOps says → status, body, upstream calls.

use azure_devops_fake::{FakeAzure, Fault, Person};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{PATH, REFUSED, basic};
use crate::support::app_token::{self, SECRET, app_token, claims, now, sign, sign_with};
use crate::support::{Reply, Request, TestApp};

/// What a credential must cause.
struct Row {
    name: &'static str,
    /// Value of `Authorization`.
    authorization: String,
    /// Value of `x-azure-access-token`.
    beside: Option<String>,
    status: u16,
    /// What the problem's detail holds; for 200, the caller's id.
    says: String,
    /// Calls of `connectionData` and of the identity service.
    calls: (usize, usize),
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A JWT with this header and these claims; its signature proves nothing.
fn jwt(header: &Value, claims: &Value) -> String {
    format!("{}.{}.{}", part(header), part(claims), Uuid::new_v4().simple())
}

fn critical(alg: Algorithm, user: Uuid) -> String {
    let header = json!({ "alg": alg, "typ": "JWT", "crit": ["exp"] });
    jwt(&header, &claims(user))
}

async fn send(app: &TestApp, authorization: &str, beside: Option<&str>) -> Reply {
    let mut request = Request::get("/api/v1/user").header("authorization", authorization);
    if let Some(beside) = beside {
        request = request.header("x-azure-access-token", beside);
    }
    app.send(request).await
}

#[expect(clippy::too_many_lines, reason = "one table")]
fn rows(azure: &FakeAzure, ada: &Person, master: &Person, object: &Person) -> Vec<Row> {
    let bearer = |token: &str| format!("Bearer {token}");
    let row = |name, authorization: String, status, says: &str, calls| Row {
        name,
        authorization,
        beside: None,
        status,
        says: says.to_owned(),
        calls,
    };
    let ok = |name, authorization, person: &Person, calls| {
        row(name, authorization, 200, &person.id.to_string(), calls)
    };
    let with = |row: Row, beside: String| Row {
        beside: Some(beside),
        ..row
    };
    let malformed = "credencial malformada";
    let refused_app_token = "App Token JWT inválido ou expirado";
    let other_person = "x-azure-access-token";
    let accepted = |token: String, person: &Person| {
        azure.accept(&token, person);
        token
    };
    let expired = jwt(
        &json!({ "alg": "RS256" }),
        &json!({ "iss": app_token::ISSUER, "exp": now() - 600 }),
    );
    azure.answer_token(&expired, Fault::Unauthorized);
    let opaque = format!("{}.{}..b.c", part(&json!({ "alg": "dir" })), "k");
    let nameid = |nameid: String| {
        let mut claims = claims(ada.id);
        claims["nameid"] = json!(nameid);
        sign(&claims, SECRET)
    };
    let forged = sign(&claims(ada.id), "another-secret-of-at-least-32-characters");
    let (master_id, object_id) = (master.master_id.unwrap(), object.object_id.unwrap());
    vec![
        ok("PAT, Basic", basic("", &azure.pat(ada)), ada, (1, 0)),
        ok("PAT, Bearer", bearer(&azure.pat(ada)), ada, (1, 0)),
        ok(
            "access token of Entra",
            bearer(&azure.access_token(ada)),
            ada,
            (1, 0),
        ),
        ok(
            "RS256 with the extension's iss",
            bearer(&azure.azure_devops_token(ada)),
            ada,
            (1, 0),
        ),
        row(
            "the same, expired upstream",
            bearer(&expired),
            401,
            &format!("{REFUSED}Status 401"),
            (2, 0),
        ),
        ok(
            "opaque token of five parts",
            bearer(&accepted(opaque, ada)),
            ada,
            (1, 0),
        ),
        ok(
            "alg none, if Azure DevOps takes it",
            bearer(&accepted(jwt(&json!({ "alg": "none" }), &claims(ada.id)), ada)),
            ada,
            (1, 0),
        ),
        ok(
            "HS256 of another issuer",
            bearer(&accepted(
                jwt(&json!({ "alg": "HS256" }), &json!({ "iss": "entra" })),
                ada,
            )),
            ada,
            (1, 0),
        ),
        row("HS256 forged", bearer(&forged), 401, refused_app_token, (0, 0)),
        row(
            "HS256 forged, Basic",
            basic("", &forged),
            401,
            refused_app_token,
            (0, 0),
        ),
        row(
            "HS256 forged, though Azure DevOps takes it",
            bearer(&accepted(
                sign(&claims(ada.id), "yet-another-secret-of-at-least-32-chars"),
                ada,
            )),
            401,
            refused_app_token,
            (0, 0),
        ),
        row(
            "crit, HS256",
            bearer(&critical(Algorithm::HS256, ada.id)),
            401,
            malformed,
            (0, 0),
        ),
        row(
            "crit, RS256",
            bearer(&accepted(critical(Algorithm::RS256, ada.id), ada)),
            401,
            malformed,
            (0, 0),
        ),
        row(
            "crit, five parts",
            bearer(&format!("{}.b.c", critical(Algorithm::RS256, ada.id))),
            401,
            malformed,
            (0, 0),
        ),
        row(
            "crit, Basic",
            basic("", &critical(Algorithm::RS256, ada.id)),
            401,
            malformed,
            (0, 0),
        ),
        with(
            row("crit beside", bearer(&azure.pat(ada)), 401, other_person, (0, 0)),
            accepted(critical(Algorithm::RS256, ada.id), ada),
        ),
        with(
            row(
                "app token beside",
                bearer(&azure.pat(ada)),
                401,
                other_person,
                (0, 0),
            ),
            app_token(ada.id),
        ),
        ok("app token", bearer(&app_token(ada.id)), ada, (0, 1)),
        ok(
            "app token, nameid in braces",
            bearer(&nameid(format!("{{{}}}", ada.id))),
            ada,
            (0, 1),
        ),
        ok(
            "app token, nameid without hyphens, in capitals",
            bearer(&nameid(ada.id.simple().to_string().to_uppercase())),
            ada,
            (0, 1),
        ),
        ok("app token, Basic", basic("", &app_token(ada.id)), ada, (0, 1)),
        ok(
            "app token of a masterId",
            bearer(&app_token(master_id)),
            master,
            (0, 1),
        ),
        with(
            ok(
                "the same with the access token beside",
                bearer(&app_token(master_id)),
                master,
                (1, 1),
            ),
            azure.azure_devops_token(master),
        ),
        with(
            row(
                "a masterId, and another's token beside",
                bearer(&app_token(master_id)),
                401,
                other_person,
                (1, 2),
            ),
            azure.azure_devops_token(ada),
        ),
        row(
            "app token of an id that nothing is found by",
            bearer(&app_token(object_id)),
            403,
            "não pertence a nenhuma organização",
            (0, 1),
        ),
        with(
            row(
                "the same, another's token beside",
                bearer(&app_token(object_id)),
                401,
                other_person,
                (1, 2),
            ),
            azure.azure_devops_token(ada),
        ),
        with(
            ok(
                "the same, the access token beside",
                bearer(&app_token(object_id)),
                object,
                (1, 2),
            ),
            azure.azure_devops_token(object),
        ),
    ]
}

async fn fixture() -> (FakeAzure, Person, Person, Person, String) {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let (master, object) = (
        azure.person("Master Example", &["contoso"]),
        azure.person("Object Example", &["contoso"]),
    );
    azure.edit_person(master.id, |person| person.master_id = Some(Uuid::from_u128(71)));
    azure.edit_person(object.id, |person| person.object_id = Some(Uuid::from_u128(72)));
    let master = Person {
        master_id: Some(Uuid::from_u128(71)),
        ..master
    };
    let object = Person {
        object_id: Some(Uuid::from_u128(72)),
        ..object
    };
    let service = azure.pat(&azure.person("Service", &["contoso"]));
    (azure, ada, master, object, service)
}

/// Each row over a server that remembers nothing.
#[tokio::test]
async fn credentials_of_each_kind_match_the_table() {
    let (azure, ada, master, object, service) = fixture().await;
    let variables = app_token::VARIABLES
        .into_iter()
        .chain([("AZURE_DEVOPS_PAT", service.as_str())]);
    let first = TestApp::over(&azure, variables).await;
    for row in rows(&azure, &ada, &master, &object) {
        let app = first.replica();
        // As a server that has just started: it knows the identity of the organisation.
        app.app.tenants.verify_all().await;
        azure.forget_requests();
        let reply = send(&app, &row.authorization, row.beside.as_deref()).await;
        assert_eq!(
            reply.status.as_u16(),
            row.status,
            "{}: {}",
            row.name,
            reply.text()
        );
        let said = match row.status {
            200 => reply.json()["id"].clone(),
            status => reply.problem(status)["detail"].clone(),
        };
        assert!(said.as_str().unwrap().contains(&row.says), "{}: {said}", row.name);
        let calls = (azure.count("connection_data"), azure.count("read_identity"));
        assert_eq!(calls, row.calls, "{}", row.name);
    }
}

/// The access token is needed once: afterwards the app token alone names the person.
#[tokio::test]
async fn app_token_of_another_id_is_resolved_once() {
    let (azure, _, _, object, service) = fixture().await;
    let variables = app_token::VARIABLES
        .into_iter()
        .chain([("AZURE_DEVOPS_PAT", service.as_str()), ("AUTH_CACHE_TTL", "300")]);
    let app = TestApp::over(&azure, variables).await;
    let id = object.object_id.unwrap();
    let bearer = || format!("Bearer {}", app_token(id));
    send(&app, &bearer(), None).await.problem(403);
    let beside = azure.azure_devops_token(&object);
    send(&app, &bearer(), Some(&beside)).await.expect(200);
    azure.forget_requests();
    for beside in [None, Some(beside.as_str())] {
        let shown = send(&app, &bearer(), beside).await.expect(200);
        assert_eq!(shown["id"], json!(object.id));
    }
    assert_eq!(azure.seen().len(), 0, "remembered");
}

/// Whether the ids are those of one person cannot be told: that is no refusal.
#[tokio::test]
async fn app_token_of_another_id_in_an_outage_is_503() {
    let (azure, _, _, object, service) = fixture().await;
    let variables = app_token::VARIABLES
        .into_iter()
        .chain([("AZURE_DEVOPS_PAT", service.as_str())]);
    let app = TestApp::over(&azure, variables).await;
    let beside = azure.azure_devops_token(&object);
    azure.fault("contoso", "read_identity", Fault::Status(503, None));
    let bearer = format!("Bearer {}", app_token(object.object_id.unwrap()));
    send(&app, &bearer, Some(&beside)).await.problem(503);
}

/// The payload of an access token is "not a data contract": its audience and its times are Azure DevOps'
/// business.
#[tokio::test]
async fn access_token_payload_is_never_read() {
    let azure = FakeAzure::contoso().await;
    let ada = azure.person("Ada Example", &["contoso"]);
    let app = TestApp::over(&azure, app_token::VARIABLES).await;
    let header = part(&json!({ "alg": "RS256" }));
    for payload in [
        "",
        "no-base64!",
        &part(&json!(["iss"])),
        &part(&json!({ "exp": 0 })),
    ] {
        let token = format!("{header}.{payload}.{}", Uuid::new_v4().simple());
        azure.accept(&token, &ada);
        app.get_as(&token, PATH).await.expect(200);
    }
    // Signed with the secret of the extension, and yet no app token.
    let other = sign_with(&Header::new(Algorithm::HS512), &claims(ada.id), SECRET);
    app.get_as(&other, PATH).await.problem(401);
}
