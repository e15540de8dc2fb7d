//! `/timesheet`: the week of a person: its shape, and which work items it selects. `upstream.rs` has what it
//! costs Azure DevOps, `states.rs` the smaller routes, `frontend.rs` the pages that call it.

pub(crate) mod frontend;
mod stale;
mod states;
mod upstream;

use azure_devops_fake::NewWorkItem;
use chrono::{Datelike, Days, NaiveDate};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::assert_body;
use crate::support::Logging;
use crate::support::logging::{PROJECT, day};

const TIMESHEET: &str = "/api/v1/timesheet";

/// A project with people and work items of its own.
struct Sheet {
    logging: Logging,
    /// The member, as Azure DevOps knows them.
    me: azure_devops_fake::Person,
    token: String,
}

impl Sheet {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(variables: &[(&str, &str)]) -> Self {
        let logging = Logging::with(variables).await;
        let me = logging.azure().person("Eva Silva", &["contoso"]);
        let token = logging.azure().pat(&me);
        Self { logging, me, token }
    }

    fn task(&self) -> NewWorkItem {
        NewWorkItem::task(PROJECT).of(&self.me)
    }

    fn add(&self, new: NewWorkItem) -> i32 {
        self.logging.azure().work_item("contoso", new)
    }

    /// Logs hours as the member.
    async fn log(&self, item: i32, date: &str, duracao: &str) -> Value {
        let body = self
            .logging
            .body_with(&json!({"work_item_id": item, "data_apontamento": date, "duracao": duracao}));
        self.logging.post_as(&self.token, &body).await.expect(201)
    }

    fn path(&self, more: &str) -> String {
        let projeto = self.logging.tenants.projeto;
        format!("{TIMESHEET}?organization_name=Contoso&project_id={projeto}{more}")
    }

    async fn get(&self, more: &str) -> Value {
        let app = &self.logging.tenants.app;
        app.get_as(&self.token, &self.path(more)).await.expect(200)
    }
}

/// Ids of the trees: `1(2(3,4)),5`.
fn shape(nodes: &Value) -> String {
    let node = |node: &Value| {
        let below = shape(&node["children"]);
        let id = node["id"].to_string();
        if below.is_empty() {
            id
        } else {
            format!("{id}({below})")
        }
    };
    let nodes: Vec<String> = nodes.as_array().unwrap().iter().map(node).collect();
    nodes.join(",")
}

/// Monday of the week of a date.
fn monday(of: &str) -> NaiveDate {
    let date: NaiveDate = of.parse().unwrap();
    date - Days::new(u64::from(date.weekday().num_days_from_monday()))
}

#[tokio::test]
async fn week_has_every_key_of_the_contract_and_exact_minutes() {
    let sheet = Sheet::new().await;
    let item = sheet.add(sheet.task().estimate(8.0).titled("D'Ávila [x]"));
    // Wednesday and Thursday over the end of a year.
    sheet.log(item, "2025-12-31", "01:40").await;
    let entry = sheet.log(item, "2026-01-01", "08:10").await;
    let week = sheet.get("&week_start=2026-01-03").await;
    assert_eq!(
        week["work_items"][0]["dias"][3]["apontamentos"][0]["id"],
        entry["id"]
    );
    assert_body!("week", week);
}

#[tokio::test]
async fn week_without_a_date_is_this_week() {
    let sheet = Sheet::new().await;
    let now = sheet.get("").await;
    assert_eq!(now["semana_inicio"], monday(&day(0)).to_string());
    let today: Vec<&Value> = now["totais_por_dia"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|day| day["eh_hoje"] == true)
        .collect();
    assert_eq!(today.len(), 1);
    assert_eq!(today[0]["data"], day(0));
}

#[tokio::test]
async fn d_05_sheet_is_its_callers_own() {
    let sheet = Sheet::new().await;
    let item = sheet.add(sheet.task());
    sheet.log(item, &day(0), "01:00").await;
    let body = sheet
        .logging
        .body_with(&json!({"work_item_id": item, "duracao": "05:00"}));
    sheet.logging.post(&body).await.expect(201);
    let mine = sheet.get("").await;
    assert_eq!(mine["total_geral_formatado"], "01:00");
    assert_eq!(mine["work_items"][0]["total_semana_formatado"], "01:00");
    let theirs = sheet.logging.get(&sheet.path("")).await.expect(200);
    assert_eq!(theirs["total_geral_formatado"], "05:00");
    // Their own items: none is assigned to them, but they logged on one.
    assert_eq!(shape(&theirs["work_items"]), item.to_string());
    let other = &sheet.logging.tenants.other;
    sheet
        .logging
        .tenants
        .app
        .get_as(other, &sheet.path(""))
        .await
        .problem(403);
}

#[tokio::test]
async fn sheet_lists_own_open_items_with_their_parents() {
    let sheet = Sheet::new().await;
    let somebody = sheet.logging.azure().person("Outra", &["contoso"]);
    let epic = sheet.add(NewWorkItem::task(PROJECT).of_type("Epic").estimate(500.0));
    let bug = sheet.add(sheet.task().of_type("Bug").under(epic).estimate(3.0));
    let done_lately = sheet.add(
        sheet
            .task()
            .under(epic)
            .state("Done")
            .changed(&day(0))
            .estimate(2.0),
    );
    sheet.add(sheet.task().under(epic).state("Done").changed("2025-01-01"));
    sheet.add(sheet.task().state("Removed").changed("2025-01-01"));
    let theirs = sheet.add(NewWorkItem::task(PROJECT).of(&somebody).under(epic));
    sheet.add(NewWorkItem::task("Another").of(&sheet.me));
    let unreadable = sheet.add(sheet.task().under(999_999));
    let week = sheet.get("").await;
    assert_eq!(
        shape(&week["work_items"]),
        format!("{epic}({bug},{done_lately}),{unreadable}")
    );
    // D-50: the epic's own estimate gives way to what is below it, and nothing counts twice.
    let epic_node = &week["work_items"][0];
    assert_eq!(
        (&epic_node["original_estimate"], &week["total_esforco"]),
        (&json!(5.0), &json!(5.0))
    );
    assert_eq!(
        (&epic_node["pode_editar"], &epic_node["nivel"]),
        (&json!(false), &json!(0))
    );
    let done = &epic_node["children"][1];
    assert_eq!(
        (
            &done["state_category"],
            &done["pode_editar"],
            &done["pode_excluir"]
        ),
        (&json!("Completed"), &json!(false), &json!(false))
    );
    let all = sheet.get("&only_my_items=false").await;
    assert!(shape(&all["work_items"]).contains(&theirs.to_string()));
    assert!(!shape(&all["work_items"]).contains("999999"));
}

#[tokio::test]
async fn sheet_of_iteration_and_team_keeps_entries() {
    let sheet = Sheet::new().await;
    let azure = sheet.logging.azure();
    let somebody = azure.person("Outra", &["contoso"]);
    let mut project = None;
    azure.edit_projects("contoso", |projects| project = Some(projects[0].clone()));
    let team = azure.team("contoso", &project.unwrap(), "Time A", &[sheet.me.id]);
    let in_area = sheet.add(sheet.task().area(&format!("{PROJECT}\\Time A\\Web")));
    let elsewhere = sheet.add(sheet.task().area(PROJECT));
    let planned = sheet.add(sheet.task());
    let of_others = sheet.add(NewWorkItem::task(PROJECT).of(&somebody));
    let logged = sheet.add(NewWorkItem::task(PROJECT).of(&somebody).titled("Ajuda"));
    sheet.log(logged, &day(0), "00:30").await;
    let iteration = azure.iteration("contoso", "Sprint 1", "current", &[planned, of_others]);

    let of_team = sheet.get(&format!("&team_id={team}")).await;
    assert_eq!(shape(&of_team["work_items"]), format!("{in_area},{logged}"));
    let of_iteration = sheet.get(&format!("&iteration_id={iteration}")).await;
    assert_eq!(shape(&of_iteration["work_items"]), format!("{planned},{logged}"));
    let all = sheet
        .get(&format!(
            "&iteration_id={iteration}&only_my_items=false&team_id={team}"
        ))
        .await;
    assert_eq!(
        shape(&all["work_items"]),
        format!("{planned},{of_others},{logged}")
    );
    assert_eq!(all["total_geral_formatado"], "00:30");
    assert!(shape(&sheet.get("").await["work_items"]).contains(&elsewhere.to_string()));

    let app = &sheet.logging.tenants.app;
    for (more, status) in [
        (format!("&iteration_id={}", Uuid::new_v4()), 404),
        (format!("&team_id={}", Uuid::new_v4()), 404),
        ("&iteration_id=Sprint%201".to_owned(), 422),
        ("&week_start=ontem".to_owned(), 422),
        ("&only_my_items=talvez".to_owned(), 422),
    ] {
        app.get_as(&sheet.token, &sheet.path(&more)).await.problem(status);
    }
    let unknown = format!("{TIMESHEET}?organization_name=contoso&project_id=Nenhum");
    app.get_as(&sheet.token, &unknown).await.problem(400);
    assert_eq!(
        app.get_as(&sheet.token, TIMESHEET).await.failures(),
        ["query.organization_name missing", "query.project_id missing"]
    );
}

#[tokio::test]
async fn d_36_new_state_is_asked_about_and_unknown_one_only_deletes() {
    let sheet = Sheet::new().await;
    let azure = sheet.logging.azure();
    sheet.add(sheet.task());
    sheet.get("").await;
    // The process changes after its types were read; and a work item above comes from a project with another
    // process.
    azure.edit_work_items("contoso", |items| {
        items.add_state("Task", "Em homologação", "Resolved");
    });
    let fresh = sheet.add(sheet.task().state("Em homologação"));
    let odd = sheet.add(sheet.task().state("Impossible"));
    let foreign = sheet.add(NewWorkItem::task("Nowhere").state("Impossible"));
    let below = sheet.add(sheet.task().under(foreign));
    azure.forget_requests();
    let week = sheet.get("&only_my_items=false").await;
    let nodes = week["work_items"].as_array().unwrap();
    let node = |id: i32| nodes.iter().find(|node| node["id"] == id).unwrap();
    assert_eq!(
        (&node(fresh)["state_category"], &node(fresh)["pode_editar"]),
        (&json!("Resolved"), &json!(true))
    );
    for id in [odd, foreign] {
        let node = node(id);
        assert_eq!(
            (
                &node["state_category"],
                &node["pode_editar"],
                &node["pode_excluir"]
            ),
            (&json!("InProgress"), &json!(false), &json!(true)),
            "hours can be taken back, and nothing new is logged"
        );
    }
    assert_eq!(node(foreign)["children"][0]["id"], below);
    // Not again for every sheet.
    azure.forget_requests();
    sheet.get("&only_my_items=false").await;
    assert_eq!(azure.count("list_types"), 0);
}

#[tokio::test]
async fn d_36_state_category_depends_on_the_type() {
    let sheet = Sheet::new().await;
    sheet.logging.azure().edit_work_items("contoso", |items| {
        items.add_state("Bug", "Entregue", "Completed");
        items.add_state("Task", "Entregue", "InProgress");
    });
    let long_ago = "2025-01-01";
    let open = sheet.add(sheet.task().state("Entregue").changed(long_ago));
    sheet.add(sheet.task().of_type("Bug").state("Entregue").changed(long_ago));
    assert_eq!(shape(&sheet.get("").await["work_items"]), open.to_string());
}

#[tokio::test]
async fn item_moved_to_another_project_takes_no_hours() {
    let sheet = Sheet::new().await;
    let item = sheet.add(sheet.task());
    sheet.log(item, &day(0), "01:00").await;
    sheet.logging.azure().edit_work_items("contoso", |items| {
        items.edit(item, "System.TeamProject", json!("Another"));
    });
    let week = sheet.get("").await;
    let node = &week["work_items"][0];
    assert_eq!(
        (&node["id"], &node["pode_editar"], &node["pode_excluir"]),
        (&json!(item), &json!(false), &json!(true))
    );
    let body = sheet.logging.body_with(&json!({"work_item_id": item}));
    sheet.logging.post_as(&sheet.token, &body).await.problem(404);
    let (app, projeto) = (&sheet.logging.tenants.app, sheet.logging.tenants.projeto);
    let current = format!(
        "{TIMESHEET}/work-items/current-state?organization_name=contoso&project_id={projeto}&work_item_ids={item}"
    );
    assert_eq!(
        app.get_as(&sheet.token, &current).await.expect(200),
        json!({"work_items": {}})
    );
}
