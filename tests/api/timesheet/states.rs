//! `/timesheet`'s smaller routes: what a state allows, revisions, states of a process, states of many work
//! items.

use azure_devops_fake::{Fault, NewWorkItem};
use serde_json::{Value, json};

use super::{Sheet, TIMESHEET};
use crate::support::TestApp;
use crate::support::logging::PROJECT;

#[tokio::test]
async fn state_permissions_agree_with_writes() {
    let sheet = Sheet::new().await;
    let azure = sheet.logging.azure();
    azure.edit_work_items("contoso", |items| {
        items.add_state("Task", "Entregue", "Completed");
    });
    let app = &sheet.logging.tenants.app;
    let projeto = sheet.logging.tenants.projeto;
    let path = |id: i32, what: &str| {
        format!("{TIMESHEET}/work-item/{id}/{what}?organization_name=contoso&project_id={projeto}")
    };
    for (new, category, edit, delete) in [
        (sheet.task(), "InProgress", true, true),
        (sheet.task().state("To Do"), "Proposed", true, true),
        (sheet.task().state("Entregue"), "Completed", false, false),
        (sheet.task().of_type("Epic"), "InProgress", false, true),
    ] {
        let id = sheet.add(new);
        let told = app
            .get_as(&sheet.token, &path(id, "state-category"))
            .await
            .expect(200);
        assert_eq!(
            (
                &told["state_category"],
                &told["can_edit"],
                &told["can_delete"],
                &told["work_item_id"]
            ),
            (&json!(category), &json!(edit), &json!(delete), &json!(id))
        );
        let body = sheet.logging.body_with(&json!({"work_item_id": id}));
        let allowed = sheet
            .logging
            .post_as(&sheet.token, &body)
            .await
            .status
            .is_success();
        assert_eq!(allowed, edit, "{told}");
    }
    let elsewhere = sheet.add(NewWorkItem::task("Another"));
    for missing in [elsewhere, 99] {
        for what in ["state-category", "revisions"] {
            let refused = app.get_as(&sheet.token, &path(missing, what)).await.problem(404);
            assert_eq!(refused["detail"], format!("Work Item {missing} não encontrado"));
        }
    }
    let wrong = path(1, "revisions").replace("/1/", "/x/");
    assert_eq!(
        app.get_as(&sheet.token, &wrong).await.failures(),
        ["path.work_item_id int_parsing"]
    );
}

#[tokio::test]
async fn revisions_are_listed_oldest_first() {
    let sheet = Sheet::new().await;
    let azure = sheet.logging.azure();
    let item = sheet.add(sheet.task().state("To Do"));
    azure.edit_work_items("contoso", |items| {
        for n in 0..410 {
            items.edit(item, "System.Title", json!(format!("{n}")));
        }
        items.edit(item, "System.ChangedDate", Value::Null);
    });
    let projeto = sheet.logging.tenants.projeto;
    let path =
        format!("{TIMESHEET}/work-item/{item}/revisions?organization_name=contoso&project_id={projeto}");
    let told = sheet
        .logging
        .tenants
        .app
        .get_as(&sheet.token, &path)
        .await
        .expect(200);
    let revisions = told["revisions"].as_array().unwrap();
    assert_eq!((&told["work_item_id"], revisions.len()), (&json!(item), 412));
    assert_eq!(azure.count("list_revisions"), 3);
    assert_eq!(revisions[0]["rev"], 1);
    let fields = &revisions[0]["fields"];
    assert_eq!(fields["System.State"], "To Do");
    assert_eq!(fields["System.AssignedTo"]["id"], json!(sheet.me.id));
    assert_eq!(fields["System.ChangedDate"], "2026-11-01T10:00:00Z");
    // D-50: a revision without a date is a revision.
    assert_eq!(revisions[411]["fields"]["System.ChangedDate"], Value::Null);
    azure.fault("contoso", "list_revisions", Fault::Status(500, None));
    sheet
        .logging
        .tenants
        .app
        .get_as(&sheet.token, &path)
        .await
        .problem(502);
}

#[tokio::test]
async fn states_of_a_process_are_those_of_the_project_unless_named() {
    let sheet = Sheet::new().await;
    let (app, projeto) = (&sheet.logging.tenants.app, sheet.logging.tenants.projeto);
    let path = |more: &str| {
        format!("{TIMESHEET}/process-states?organization_name=contoso&project_id={projeto}&{more}")
    };
    let expected = json!({"state_map": {
        "To Do": "Proposed", "Doing": "InProgress", "Testing": "Resolved", "Done": "Completed", "Removed": "Removed"
    }});
    for more in [
        "work_item_type=Microsoft.VSTS.WorkItemTypes.Task",
        "process_id=agile-id&work_item_type=Microsoft.VSTS.WorkItemTypes.Task",
        "process_id=&work_item_type=Microsoft.VSTS.WorkItemTypes.Task",
    ] {
        assert_eq!(
            app.get_as(&sheet.token, &path(more)).await.expect(200),
            expected,
            "{more}"
        );
    }
    app.get_as(&sheet.token, &path("process_id=x/../y&work_item_type=Task"))
        .await
        .problem(404);
    app.get_as(&sheet.token, &path("work_item_type=Custom.Nothing"))
        .await
        .problem(404);
    assert_eq!(
        app.get_as(&sheet.token, &path("process_id=agile-id"))
            .await
            .failures(),
        ["query.work_item_type missing"]
    );
    sheet
        .logging
        .azure()
        .fault("contoso", "list_process_states", Fault::Status(500, None));
    app.get_as(&sheet.token, &path("work_item_type=Task"))
        .await
        .problem(502);
}

#[tokio::test]
async fn current_state_of_many_items_omits_missing_ones() {
    let sheet = Sheet::new().await;
    let ids: Vec<i32> = (0..450).map(|_| sheet.add(sheet.task())).collect();
    let unassigned = sheet.add(NewWorkItem::task(PROJECT));
    let (app, projeto) = (&sheet.logging.tenants.app, sheet.logging.tenants.projeto);
    let path = |ids: &str| {
        format!(
            "{TIMESHEET}/work-items/current-state?organization_name=contoso&project_id={projeto}&work_item_ids={ids}"
        )
    };
    let list: Vec<String> = ids
        .iter()
        .chain([&unassigned, &99, &ids[0]])
        .map(ToString::to_string)
        .collect();
    let told = app
        .get_as(&sheet.token, &path(&format!("%20,{},", list.join(",%20"))))
        .await
        .expect(200);
    let items = told["work_items"].as_object().unwrap();
    assert_eq!(items.len(), 451);
    assert_eq!(
        items[&ids[0].to_string()],
        json!({"id": ids[0], "state": "Doing", "type": "Task", "assigned_to": "Eva Silva"})
    );
    assert_eq!(items[&unassigned.to_string()]["assigned_to"], Value::Null);
    assert_eq!(sheet.logging.azure().count("read_work_items"), 3);
    assert_eq!(
        app.get_as(&sheet.token, &path("")).await.expect(200),
        json!({"work_items": {}})
    );
    for wrong in ["1,x", "-1", "1;2", "%C2%B2", "99999999999"] {
        let refused = app.get_as(&sheet.token, &path(wrong)).await.problem(400);
        assert_eq!(
            refused["detail"],
            "work_item_ids deve conter apenas números separados por vírgula"
        );
    }
    let many = vec!["1"; 2_001].join(",");
    app.get_as(&sheet.token, &path(&many)).await.problem(400);
}

#[tokio::test]
async fn reads_without_organisation_are_503() {
    let app = TestApp::new().await;
    let projeto = crate::support::data::projeto(&app.pool, "Portal").await;
    let place = format!("organization_name=contoso&project_id={projeto}");
    for path in [
        format!("{TIMESHEET}?{place}"),
        format!("/api/v1/iterations?{place}"),
        format!("/api/v1/teams?{place}"),
        "/api/v1/work-items/search?query=ab".to_owned(),
    ] {
        assert_eq!(
            app.get(&path).await.problem(503)["code"],
            "azure_devops_nao_configurado",
            "{path}"
        );
    }
}
