//! What must hold once everything works again.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::service::Service;
use super::{Place, patiently};
use crate::support::Logging;

/// Time without work in which Azure DevOps must not be asked about work items.
const QUIET: Duration = Duration::from_secs(2);
const STATUS: &str = "/api/v1/integracao/sincronizacao";

/// Switches all faults off: every organisation has a PAT, every work item is an open task again.
pub async fn heal(logging: &Logging, places: &[Place], service: &Service) {
    let azure = logging.azure();
    azure.heal();
    azure.late_requests_end().await;
    for place in places {
        place.reopen(azure);
        let pat = json!({ "ativo": true, "pat": place.pats[0] });
        patiently("the vault has a PAT", async || {
            place.change_vault(service, &pat).await.0 == 200
        })
        .await;
    }
}

/// Waits until nothing is pending. What people have to ask for is asked for: another try of what a rule of
/// the process refused or whose work item was deleted, and a comparison of work items that had a type without
/// `CompletedWork` for a while.
pub async fn everything_settles(logging: &Logging, places: &[Place], service: &Service) {
    nothing_is_pending(logging, places, service).await;
    for place in places {
        for failure in failures(place, service).await {
            let motivo = failure["motivo"].as_str().unwrap();
            let people_must_act =
                motivo.starts_with("Uma regra do processo") || motivo.contains("não existe mais");
            assert!(people_must_act, "failed for a reason that passes: {failure}");
        }
        ask(place, service, "sincronizacao/repetir", &json!({})).await;
    }
    nothing_is_pending(logging, places, service).await;
    for place in places {
        assert_eq!(failures(place, service).await, Vec::<Value>::new());
        let body = json!({ "organization_name": place.org, "project_id": place.projeto });
        ask(place, service, "reconciliar", &body).await;
    }
    nothing_is_pending(logging, places, service).await;
}

/// Waits until each organisation has nothing pending. Pauses after failures, the leases of attempts that lost
/// the database, the time in which Azure DevOps may only lag, and that in which a patch may still arrive are
/// skipped.
async fn nothing_is_pending(logging: &Logging, places: &[Place], service: &Service) {
    let skip = async |what: &'static str| {
        let skip = format!("UPDATE write_back SET {what} WHERE estado = 'pendente'");
        sqlx::query(sqlx::AssertSqlSafe(skip))
            .execute(&logging.tenants.app.pool)
            .await
            .unwrap();
    };
    skip("lease_ate = NULL").await;
    for place in places {
        let what = format!("nothing of {} is pending", place.org);
        patiently(&what, async || {
            skip(
                "proxima_em = now(), atras_desde = atras_desde - interval '1 minute', \
                  intencao_em = intencao_em - interval '10 minutes'",
            )
            .await;
            let status = read(place, service).await;
            status["pendentes"] == 0
        })
        .await;
    }
}

async fn read(place: &Place, service: &Service) -> Value {
    let request = service.http.get(service.url(STATUS)).bearer_auth(&place.admin);
    let (status, body) = service.send("status", request).await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn failures(place: &Place, service: &Service) -> Vec<Value> {
    read(place, service).await["falhas_detalhes"]
        .as_array()
        .unwrap()
        .clone()
}

async fn ask(place: &Place, service: &Service, what: &str, body: &Value) {
    let url = service.url(&format!("/api/v1/integracao/{what}"));
    let request = service.http.post(url).bearer_auth(&place.admin).json(body);
    let (status, answer) = service.send("repair", request).await;
    assert_eq!(status, 200, "{answer}");
}

/// Minutes of each stored entry.
pub async fn stored(logging: &Logging) -> BTreeMap<String, i64> {
    let rows: Vec<(Uuid, i64)> = sqlx::query_as("SELECT id, minutos::int8 FROM apontamentos")
        .fetch_all(&logging.tenants.app.pool)
        .await
        .unwrap();
    rows.into_iter()
        .map(|(id, minutes)| (id.to_string(), minutes))
        .collect()
}

/// Each figure is what people typed and the sum of our entries, and every entry is said to be written.
pub async fn figures_are_exact(logging: &Logging, places: &[Place]) {
    let pool = &logging.tenants.app.pool;
    for place in places {
        for &item in &place.items {
            let minutes: i64 = sqlx::query_scalar(
                "SELECT coalesce(sum(minutos), 0) FROM apontamentos WHERE organizacao = $1 AND work_item_id = $2",
            )
            .bind(place.org)
            .bind(item)
            .fetch_one(pool)
            .await
            .unwrap();
            let (typed, figure) = logging.azure().edit_work_items(place.org, |items| {
                (items.typed_hours(item), items.hours(item, "CompletedWork"))
            });
            #[expect(clippy::cast_precision_loss, reason = "a few thousand minutes")]
            let expected = typed + minutes as f64 / 60.0;
            assert_eq!(figure, Some(expected), "work item {item} of {}", place.org);
        }
    }
    let unwritten: i64 =
        sqlx::query_scalar("SELECT count(*) FROM write_back WHERE estado <> 'sincronizado' OR sem_campo")
            .fetch_one(pool)
            .await
            .unwrap();
    assert_eq!(unwritten, 0);
}

/// Nothing loops: Azure DevOps is left alone once everything is written.
pub async fn nothing_is_asked_any_more(logging: &Logging) {
    let azure = logging.azure();
    azure.forget_requests();
    // The time in which nothing must happen.
    tokio::time::sleep(QUIET).await;
    for operation in ["update_work_item", "read_work_item", "read_revision"] {
        assert_eq!(azure.count(operation), 0, "{operation}");
    }
}
