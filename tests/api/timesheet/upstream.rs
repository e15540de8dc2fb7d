//! What a sheet costs Azure DevOps, what is kept, and what its trouble makes of an answer.

use azure_devops_fake::{Fault, NewWorkItem};
use serde_json::json;

use super::{Sheet, TIMESHEET};
use crate::support::Request;
use crate::support::logging::{PROJECT, day};

#[tokio::test]
async fn large_sheet_takes_few_calls_cold_and_none_warm() {
    let sheet = Sheet::new().await;
    let epic = sheet.add(NewWorkItem::task(PROJECT).of_type("Epic"));
    let items: Vec<i32> = (0..449)
        .map(|_| sheet.add(sheet.task().under(epic).estimate(0.25)))
        .collect();
    let azure = sheet.logging.azure();
    azure.forget_requests();
    let week = sheet.get("").await;
    assert_eq!(
        (&week["total_work_items"], &week["total_esforco"]),
        (&json!(450), &json!(112.25))
    );
    let calls = |operation: &str| azure.count(operation);
    assert_eq!(
        (
            calls("query_work_items"),
            calls("list_types"),
            calls("read_work_items")
        ),
        (1, 1, 3)
    );
    assert_eq!(
        azure
            .seen()
            .iter()
            .filter(|seen| seen.operation != "connection_data")
            .count(),
        5
    );
    azure.forget_requests();
    assert_eq!(sheet.get("").await, week);
    assert_eq!(azure.seen().len(), 0);
    // Hours that were just written are shown without asking again.
    sheet.log(items[0], &day(0), "01:15").await;
    azure.forget_requests();
    let after = sheet.get("").await;
    assert_eq!(azure.seen().len(), 0);
    assert_eq!(after["work_items"][0]["children"][0]["completed_work"], 1.25);
    assert_eq!(after["work_items"][0]["completed_work"], 1.25);
    // Another caller shares nothing that depends on the caller.
    let other = azure.pat(&azure.person("Bia", &["contoso"]));
    sheet
        .logging
        .tenants
        .app
        .get_as(&other, &sheet.path("&only_my_items=false"))
        .await
        .expect(200);
    assert_eq!(
        (
            calls("query_work_items"),
            calls("list_types"),
            calls("read_work_items")
        ),
        (1, 0, 3)
    );
}

#[tokio::test]
async fn simultaneous_sheets_read_upstream_once() {
    let sheet = Sheet::new().await;
    let azure = sheet.logging.azure();
    let mut project = None;
    azure.edit_projects("contoso", |projects| project = Some(projects[0].clone()));
    let team = azure.team("contoso", &project.unwrap(), "Time A", &[sheet.me.id]);
    for _ in 0..5 {
        sheet.add(sheet.task().area(&format!("{PROJECT}\\Time A")));
    }
    // The caller is known; the rest is not.
    sheet
        .logging
        .tenants
        .app
        .get_as(&sheet.token, "/api/v1/user")
        .await
        .expect(200);
    azure.forget_requests();
    let of_team = format!("&team_id={team}");
    let all = futures_util::future::join_all((0..20).map(|_| sheet.get(&of_team))).await;
    assert!(all.iter().all(|week| week["total_work_items"] == 5));
    let operations = [
        "query_work_items",
        "list_types",
        "read_work_items",
        "read_team_areas",
    ];
    for operation in operations {
        assert_eq!(azure.count(operation), 1, "{operation}");
    }
    azure.forget_requests();
    sheet.get(&of_team).await;
    assert_eq!(azure.seen().len(), 0, "a warm sheet asks nobody");
}

#[tokio::test]
async fn d_27_outage_is_never_an_empty_sheet() {
    for operation in ["query_work_items", "list_types", "read_work_items"] {
        for (fault, status) in [
            (Fault::Status(500, None), 502),
            (Fault::Status(503, Some("7")), 503),
            (Fault::HalfJson, 502),
            (Fault::Html, 502),
            (Fault::Hang, 504),
        ] {
            let sheet = Sheet::new().await;
            sheet.add(sheet.task());
            sheet.logging.azure().fault("contoso", operation, fault);
            let reply = sheet
                .logging
                .tenants
                .app
                .get_as(&sheet.token, &sheet.path(""))
                .await;
            reply.problem(status);
            if status == 503 {
                assert_eq!(reply.header("retry-after"), "7", "{operation}");
            }
        }
    }
    let sheet = Sheet::new().await;
    sheet
        .logging
        .azure()
        .fault("contoso", "query_work_items", Fault::TooManyResults);
    let reply = sheet
        .logging
        .tenants
        .app
        .get_as(&sheet.token, &sheet.path(""))
        .await;
    assert_eq!(reply.problem(422)["code"], "consulta_grande_demais");
}

#[tokio::test]
async fn reads_of_a_deleted_project_are_404() {
    let sheet = Sheet::new().await;
    let (app, projeto) = (&sheet.logging.tenants.app, sheet.logging.tenants.projeto);
    sheet.logging.azure().edit_projects("contoso", Vec::clear);
    let place = format!("organization_name=contoso&project_id={projeto}");
    for path in [
        format!("{TIMESHEET}?{place}"),
        format!("{TIMESHEET}/process-states?{place}&work_item_type=Custom.Task"),
        format!("/api/v1/work-items/search?query=abc&{place}"),
        format!("/api/v1/iterations?{place}"),
        format!("/api/v1/teams?{place}"),
    ] {
        app.get_as(&sheet.token, &path).await.problem(404);
    }
}

#[tokio::test]
async fn unchanged_sheet_is_304() {
    let sheet = Sheet::new().await;
    let item = sheet.add(sheet.task());
    let app = &sheet.logging.tenants.app;
    let first = app.get_as(&sheet.token, &sheet.path("")).await;
    first.expect(200);
    assert_eq!(first.header("cache-control"), "private, no-cache");
    let again = async || {
        let request = Request::get(&sheet.path(""))
            .bearer(&sheet.token)
            .header("if-none-match", first.header("etag"));
        app.send(request).await.status.as_u16()
    };
    assert_eq!(again().await, 304);
    sheet.log(item, &day(0), "01:00").await;
    assert_eq!(again().await, 200);
}
