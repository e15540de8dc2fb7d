//! What people get while Azure DevOps gives no answer: what is known, marked as stale, rather than 504.

use std::time::Duration;

use azure_devops_fake::Fault;
use serde_json::{Value, json};

use super::Sheet;
use crate::support::{Request, TestApp, eventually};

const HEADER: &str = "aponta-desatualizado";
const CODE: &str = "dados_desatualizados";
const SEARCH: &str = "/api/v1/work-items/search?query=task&organization_name=contoso";
/// Reads of a sheet.
const READS: [&str; 3] = ["list_types", "query_work_items", "read_work_items"];

/// An application whose data is soon not fresh any more.
fn app_of(sheet: &Sheet) -> TestApp {
    sheet.logging.tenants.app.replica_after(|config| {
        let fresh = &mut config.azure_devops.fresh;
        let soon = Duration::from_millis(200);
        (fresh.types, fresh.items, fresh.areas) = (soon, soon, soon);
    })
}

fn codes(sheet: &Value) -> Vec<&str> {
    let avisos = sheet["avisos"].as_array().unwrap();
    avisos
        .iter()
        .map(|aviso| aviso["code"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn sheet_and_search_in_an_outage_are_stale_and_marked() {
    let sheet = Sheet::new().await;
    let app = app_of(&sheet);
    let item = sheet.add(sheet.task().titled("task of Eva"));
    let path = sheet.path("");
    let present = app.get_as(&sheet.token, &path).await;
    let body = present.expect(200);
    assert_eq!((present.header(HEADER), codes(&body)), ("", vec![]));
    app.get_as(&sheet.token, SEARCH).await.expect(200);

    let azure = sheet.logging.azure();
    for operation in READS {
        azure.fault("contoso", operation, Fault::Hang);
    }
    eventually("the sheet is stale", async || {
        let reply = app.get_as(&sheet.token, &path).await;
        let stale = reply.expect(200);
        assert_eq!(stale["work_items"][0]["id"], json!(item));
        let marked = reply.header(HEADER) == "contoso";
        assert_eq!(codes(&stale) == [CODE], marked);
        marked
    })
    .await;
    eventually("the search is stale", async || {
        let reply = app.get_as(&sheet.token, SEARCH).await;
        assert_eq!(reply.expect(200)["results"][0]["id"], json!(item));
        reply.header(HEADER) == "contoso"
    })
    .await;

    // What one credential read is no answer to another, which may see less.
    let other = azure.pat(&azure.person("Bia", &["contoso"]));
    app.get_as(&other, &path).await.problem(504);

    azure.heal();
    eventually("the sheet is fresh", async || {
        let reply = app.get_as(&sheet.token, &path).await;
        reply.expect(200);
        reply.header(HEADER).is_empty()
    })
    .await;
}

#[tokio::test]
async fn create_in_an_outage_never_uses_stale_data() {
    let sheet = Sheet::new().await;
    let app = app_of(&sheet);
    let item = sheet.add(sheet.task());
    app.get_as(&sheet.token, &sheet.path("")).await.expect(200);
    let body = sheet.logging.body_with(&json!({"work_item_id": item}));
    let create = || {
        app.send(
            Request::post("/api/v1/apontamentos")
                .bearer(&sheet.token)
                .json(&body),
        )
    };
    sheet.logging.azure().fault("contoso", "list_types", Fault::Hang);
    eventually("the types are stale", async || {
        let reply = app.get_as(&sheet.token, &sheet.path("")).await;
        reply.expect(200);
        reply.header(HEADER) == "contoso"
    })
    .await;
    create().await.problem(504);
    sheet.logging.azure().heal();
    create().await.expect(201);
}

#[tokio::test]
async fn sheet_refused_upstream_is_never_stale() {
    let sheet = Sheet::new().await;
    let app = app_of(&sheet);
    sheet.add(sheet.task());
    app.get_as(&sheet.token, &sheet.path("")).await.expect(200);
    let refusal = Fault::Status(403, None);
    sheet
        .logging
        .azure()
        .fault("contoso", "query_work_items", refusal);
    eventually("the caller may not read it any more", async || {
        app.get_as(&sheet.token, &sheet.path("")).await.status == 403
    })
    .await;
    sheet
        .logging
        .azure()
        .fault("contoso", "query_work_items", Fault::Hang);
    app.get_as(&sheet.token, &sheet.path("")).await.problem(504);
}

#[tokio::test]
async fn stale_header_is_exposed_to_pages() {
    let sheet = Sheet::new().await;
    let app = &sheet.logging.tenants.app;
    let request = Request::get(&sheet.path(""))
        .bearer(&sheet.token)
        .header("origin", "https://dev.azure.com");
    let reply = app.send(request).await;
    assert!(reply.header("access-control-expose-headers").contains(HEADER));
    let document = app.get("/openapi.json").await.expect(200);
    let has_it = |path: &str| {
        let ok = &document["paths"][path]["get"]["responses"]["200"];
        ok["headers"]["Aponta-Desatualizado"].is_object()
    };
    assert!(has_it("/api/v1/timesheet") && has_it("/api/v1/work-items/search"));
    assert!(!has_it("/api/v1/atividades"));
}
