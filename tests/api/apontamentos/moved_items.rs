//! Work items and projects that move or change their names in Azure DevOps: the GUID decides, and hours are
//! found under the project that their work item is in now.

use azure_devops_fake::NewWorkItem;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::Logging;
use crate::support::logging::{APONTAMENTOS, PROJECT, path};

/// An activity that may be used in any project.
async fn anywhere(logging: &Logging) -> Uuid {
    sqlx::query_scalar("INSERT INTO atividades (id, nome) VALUES (gen_random_uuid(), 'Livre') RETURNING id")
        .fetch_one(&logging.tenants.app.pool)
        .await
        .unwrap()
}

/// The hours of the item of `logging` under a project.
async fn total_under(logging: &Logging, projeto: impl std::fmt::Display) -> Value {
    let item = logging.item;
    let under =
        format!("{APONTAMENTOS}/work-item/{item}/resumo?organization_name=contoso&project_id={projeto}");
    logging.get(&under).await.expect(200)["total_formatado"].clone()
}

#[tokio::test]
async fn moved_item_is_found_under_its_present_project() {
    let logging = Logging::new().await;
    let (before, azure) = (logging.tenants.projeto, logging.azure());
    let entry = logging.log("02:00").await;
    assert_eq!(
        (&entry["project_id"], &entry["projeto_atual"]),
        (&json!(before), &json!(before))
    );
    let after = azure.project("contoso", "Destino").id;
    azure.edit_work_items("contoso", |items| {
        items.edit(logging.item, "System.TeamProject", json!("Destino"));
    });
    // Nothing was logged since: the first question under the new project finds out.
    assert_eq!(total_under(&logging, after).await, "02:00");
    assert_eq!(total_under(&logging, before).await, "00:00");
    let entry = logging.get(&path(&entry)).await.expect(200);
    assert_eq!(
        (&entry["project_id"], &entry["projeto_atual"]),
        (&json!(before), &json!(after))
    );
    let of_project = |projeto: Uuid| format!("{APONTAMENTOS}?project_id={projeto}");
    assert_eq!(logging.get(&of_project(after)).await.expect(200)["total"], 1);
    assert_eq!(logging.get(&of_project(before)).await.expect(200)["total"], 0);

    // A change of the old entry leaves the item where it is, and its figure right.
    logging
        .put(&entry, &json!({"duracao": "01:00"}))
        .await
        .expect(200);
    let free = anywhere(&logging).await;
    let body = logging.body_with(&json!({"project_id": after, "id_atividade": free}));
    logging.post(&body).await.expect(201);
    assert_eq!(total_under(&logging, after).await, "02:00");
    assert_eq!(total_under(&logging, before).await, "00:00");
    assert_eq!(azure.hours(logging.item).0, Some(5.5));
}

#[tokio::test]
async fn write_back_stores_the_current_project() {
    let logging = Logging::new().await;
    let entry = logging.log("02:00").await;
    let azure = logging.azure();
    let after = azure.project("contoso", "Destino");
    let sync = crate::support::Request::post("/api/v1/integracao/sincronizar").bearer(&logging.tenants.admin);
    logging.tenants.app.send(sync).await.expect(200);
    azure.edit_work_items("contoso", |items| {
        items.edit(logging.item, "System.TeamProject", json!("Destino"));
    });
    let changed = logging
        .put(&entry, &json!({"duracao": "03:00"}))
        .await
        .expect(200);
    assert_eq!(changed["projeto_atual"], json!(after.id));
}

/// On a hosted organisation the item's address tells the project; on an own server Azure DevOps is asked.
#[tokio::test]
async fn name_taken_by_another_project_finds_that_project() {
    for own_server in [false, true] {
        let logging = Logging::new().await;
        let (old, azure) = (logging.tenants.projeto, logging.azure());
        logging.log("01:00").await;
        azure.rename_project("contoso", old, "Arquivado");
        let new = azure.project("contoso", PROJECT).id;
        azure.edit_projects("contoso", |projects| {
            for project in projects {
                project.on_own_server = own_server;
            }
        });
        let item = azure.work_item("contoso", NewWorkItem::task(PROJECT));
        let free = anywhere(&logging).await;
        // No synchronisation has told of it.
        let body =
            logging.body_with(&json!({"project_id": PROJECT, "work_item_id": item, "id_atividade": free}));
        let entry = logging.post(&body).await.expect(201);
        assert_eq!(entry["project_id"], json!(new), "own server: {own_server}");
        // By its GUID it is the old project, whatever that is called now.
        let body = logging.body_with(&json!({"project_id": old, "work_item_id": item}));
        logging.post(&body).await.problem(404);
        let body = logging.body_with(&json!({"project_id": old}));
        assert_eq!(logging.post(&body).await.expect(201)["project_id"], json!(old));
        let nomes: Vec<(Uuid, String)> =
            sqlx::query_as("SELECT external_id, nome FROM projetos WHERE organizacao = 'contoso'")
                .fetch_all(&logging.tenants.app.pool)
                .await
                .unwrap();
        assert!(nomes.contains(&(old, "Arquivado".to_owned())), "{nomes:?}");
        assert!(nomes.contains(&(new, PROJECT.to_owned())), "{nomes:?}");
    }
}

#[tokio::test]
async fn names_that_differ_by_an_accent_are_two_projects() {
    let logging = Logging::new().await;
    let azure = logging.azure();
    let (with, without) = (azure.project("contoso", "Ação"), azure.project("contoso", "Acao"));
    let free = anywhere(&logging).await;
    for (nome, project) in [
        ("ação", &with),
        ("ACAO", &without),
        ("AÇÃO", &with),
        ("a\u{303}c", &with),
    ] {
        let asked = if nome.starts_with("a\u{303}") {
            "Ac\u{327}a\u{303}o"
        } else {
            nome
        };
        let name = project.json["name"].as_str().unwrap();
        let item = azure.work_item("contoso", NewWorkItem::task(name));
        let body =
            logging.body_with(&json!({"project_id": asked, "work_item_id": item, "id_atividade": free}));
        let entry = logging.post(&body).await.expect(201);
        assert_eq!(entry["project_id"], json!(project.id), "{asked}");
    }
}
