//! Imported hours are in Azure DevOps already: nothing is queued, and later changes start from them.

use serde_json::json;

use super::{HEAD, import, load};
use crate::support::{Logging, Request};

/// An entry of 20 minutes on the item of [`Logging`], and what the FastAPI service wrote of it.
async fn logging_with_history() -> Logging {
    let logging = Logging::new().await;
    let pool = &logging.tenants.app.pool;
    load(pool, HEAD).await;
    sqlx::query(
        "INSERT INTO legado.apontamentos (id, work_item_id, project_id, organization_name, data_apontamento,
         id_atividade,
                                          usuario_id, usuario_nome, duracao)
         VALUES ('c0000000-0000-4000-8000-0000000000aa', $1, $2, 'Contoso', '2026-01-19',
                 'a0000000-0000-4000-8000-000000000001', 'x', 'X', '00:20')",
    )
    .bind(logging.item)
    .bind(logging.tenants.projeto.to_string())
    .execute(pool)
    .await
    .unwrap();
    let third = 1.0 / 3.0;
    logging.azure().edit_work_items("contoso", |items| {
        items.set_hours(logging.item, "CompletedWork", third);
        items.set_hours(logging.item, "RemainingWork", 10.0 - third);
    });
    import(logging.tenants.app.database_url(), &[]).await;
    logging
}

const IMPORTED: &str = "/api/v1/apontamentos/c0000000-0000-4000-8000-0000000000aa";

#[tokio::test]
async fn nothing_is_queued_and_the_entry_counts_as_written() {
    let logging = logging_with_history().await;
    let entry = logging.get(IMPORTED).await.expect(200);
    assert_eq!(
        entry["sincronizacao"],
        json!({"estado": "sincronizado", "motivo": null})
    );
    assert_eq!(logging.write_due().await, 0);
    assert_eq!(logging.azure().count("update_work_item"), 0);
}

#[tokio::test]
async fn later_hours_are_added_to_the_imported_ones_and_leave_no_dust() {
    let logging = logging_with_history().await;
    let entry = logging.log("00:20").await;
    assert_eq!(logging.azure().hours(logging.item), (Some(0.67), Some(9.33)));
    logging.delete(&entry).await.expect(204);
    assert_eq!(logging.azure().hours(logging.item), (Some(0.33), Some(9.67)));
}

#[tokio::test]
async fn imported_entry_that_is_deleted_takes_its_hours_along() {
    let logging = logging_with_history().await;
    let request = Request::delete(IMPORTED).bearer(&logging.tenants.admin);
    logging.tenants.app.send(request).await.expect(204);
    assert_eq!(logging.azure().hours(logging.item), (Some(0.0), Some(10.0)));
}

/// The FastAPI service lost hours on the way (D-29, D-31): the sum of the entries tells.
#[tokio::test]
async fn hours_that_never_arrived_are_found_by_a_reconciliation() {
    let logging = logging_with_history().await;
    logging.azure().edit_work_items("contoso", |items| {
        items.set_hours(logging.item, "CompletedWork", 0.0);
    });
    let body = json!({"organization_name": "contoso", "work_item_id": logging.item});
    let request = Request::post("/api/v1/integracao/reconciliar")
        .bearer(&logging.tenants.admin)
        .json(&body);
    let answer = logging.tenants.app.send(request).await.expect(200);
    assert_eq!(answer["diferencas"][0]["reparado"], true, "{answer}");
    assert_eq!(logging.azure().hours(logging.item).0, Some(0.33));
}
