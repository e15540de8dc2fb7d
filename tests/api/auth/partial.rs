//! `Aponta-Parcial`: answers say which organisations they lack.

use azure_devops_fake::{FakeAzure, Fault};

use crate::support::{Request, TestApp, eventually};

const LIST: &str = "/api/v1/apontamentos";
const HEADER: &str = "aponta-parcial";

/// `contoso` and `fabrikam`, and a member of both.
async fn two() -> (FakeAzure, TestApp, String) {
    let azure = FakeAzure::contoso().await;
    azure.organization("fabrikam");
    let ada = azure.person("Ada", &["contoso", "fabrikam"]);
    let token = azure.pat(&ada);
    let variables = [("AZURE_DEVOPS_ORG_PATS", "fabrikam=x"), ("AUTH_CACHE_TTL", "1")];
    let app = TestApp::over(&azure, variables).await;
    (azure, app, token)
}

#[tokio::test]
async fn list_organization_away_is_named() {
    let (azure, app, token) = two().await;
    let whole = app.get_as(&token, LIST).await;
    whole.expect(200);
    assert_eq!(whole.header(HEADER), "");
    azure.fault("fabrikam", "*", Fault::Status(503, None));
    eventually("the proof ends", async || {
        let reply = app.get_as(&token, LIST).await;
        reply.expect(200);
        reply.header(HEADER) == "fabrikam"
    })
    .await;
    // Answers about one organisation that is decided lack nothing.
    let named = app
        .get_as(&token, &format!("{LIST}?organization_name=contoso"))
        .await;
    assert_eq!(named.header(HEADER), "");
}

#[tokio::test]
async fn list_organization_not_proved_stays_unnamed() {
    let (azure, app, token) = two().await;
    azure.fault("fabrikam", "*", Fault::Status(503, None));
    let reply = app.get_as(&token, LIST).await;
    reply.expect(200);
    assert_eq!(
        reply.header(HEADER),
        "*",
        "a stranger must not learn who else is served"
    );
}

#[tokio::test]
async fn partial_header_is_exposed_to_pages() {
    let (azure, app, token) = two().await;
    azure.fault("fabrikam", "*", Fault::Status(503, None));
    let request = Request::get(LIST)
        .bearer(&token)
        .header("origin", "https://dev.azure.com");
    let reply = app.send(request).await;
    assert!(reply.header("access-control-expose-headers").contains(HEADER));
    let document = app.get("/openapi.json").await.expect(200);
    let listed = &document["paths"][LIST]["get"]["responses"]["200"]["headers"]["Aponta-Parcial"];
    assert!(listed.is_object(), "{listed}");
}
