//! States that left the process, and states in another letter case.

use serde_json::json;

use super::{Member, hints, ids};
use crate::support::Request;
use crate::support::logging::path;

#[tokio::test]
async fn create_state_not_in_process_is_422() {
    let member = Member::new().await;
    let item = member.add(member.task().state("Homologação"));
    let refused = member.post(item).await.problem(422);
    assert_eq!(refused["code"], "estado_desconhecido");
    assert!(
        refused["detail"].as_str().unwrap().contains("Homologação"),
        "{refused}"
    );
}

#[tokio::test]
async fn change_state_not_in_process_lowers_and_deletes() {
    let member = Member::new().await;
    let item = member.add(member.task().state("Testing"));
    let entry = member.post(item).await.expect(201);
    let azure = member.logging.azure();
    azure.edit_work_items("contoso", |items| items.remove_state("Task", "Testing"));
    // The types are remembered for an hour; a state that is not among them is asked for again.
    azure.edit_work_items("contoso", |items| {
        items.edit(item, "System.State", json!("Sumiu"));
    });
    let put = |changes| member.send(Request::put(&path(&entry)).json(&changes));
    let refused = put(json!({"duracao": "02:00"})).await.problem(422);
    assert_eq!(refused["code"], "estado_desconhecido");
    put(json!({"duracao": "00:30"})).await.expect(200);
    assert_eq!(member.send(Request::delete(&path(&entry))).await.status, 204);
}

#[tokio::test]
async fn delete_state_not_in_process_owner_only() {
    let member = Member::new().await;
    let item = member.add(member.task());
    let entry = member.post(item).await.expect(201);
    let azure = member.logging.azure();
    azure.edit_work_items("contoso", |items| {
        items.edit(item, "System.State", json!("Sumiu"));
    });
    let colleague = azure.pat(&azure.person("Carla", &["contoso"]));
    let delete = Request::delete(&path(&entry)).bearer(&colleague);
    member.logging.tenants.app.send(delete).await.problem(403);
    assert_eq!(member.send(Request::delete(&path(&entry))).await.status, 204);
}

#[tokio::test]
async fn state_category_not_in_process_agrees_with_writes() {
    let member = Member::new().await;
    let item = member.add(member.task().state("Sumiu"));
    let told = member
        .get(&format!("/work-item/{item}/state-category"), "")
        .await
        .expect(200);
    assert_eq!(
        (&told["state"], &told["can_edit"], &told["can_delete"]),
        (&json!("Sumiu"), &json!(false), &json!(true))
    );
    let sheet = member.sheet("").await;
    assert_eq!(ids(&sheet), [i64::from(item)]);
    let node = &sheet["work_items"][0];
    assert_eq!(
        (&node["pode_editar"], &node["pode_excluir"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(hints(&sheet), ["estado_desconhecido"]);
}

#[tokio::test]
async fn create_state_in_another_case_is_known() {
    let member = Member::new().await;
    let open = member.add(member.task().state("doing"));
    let closed = member.add(member.task().state("DONE"));
    let entry = member.post(open).await.expect(201);
    assert_eq!(
        member.post(closed).await.problem(422)["code"],
        "work_item_fechado"
    );
    let put = Request::put(&path(&entry)).json(&json!({"duracao": "02:00"}));
    member.send(put).await.expect(200);
    assert_eq!(member.send(Request::delete(&path(&entry))).await.status, 204);
    assert_eq!(hints(&member.sheet("").await), [] as [&str; 0]);
}
