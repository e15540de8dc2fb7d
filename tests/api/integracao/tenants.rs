//! Whose organisations a synchronisation asks, counts and records.

use azure_devops_fake::Fault;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::SYNC;
use crate::support::{Reply, Request, Tenants, eventually};

async fn sync(tenants: &Tenants, token: &str, request_id: &str) -> Reply {
    let request = Request::post(SYNC)
        .bearer(token)
        .header("x-request-id", request_id);
    tenants.app.send(request).await
}

/// Request ids of the rows of synchronisations in the trail of an organisation, the oldest first.
async fn recorded(tenants: &Tenants, organizacao: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT request_id FROM auditoria WHERE acao = 'sincronizar' AND organizacao = $1 ORDER BY id",
    )
    .bind(organizacao)
    .fetch_all(&tenants.app.pool)
    .await
    .unwrap()
}

/// How often the projects of an organisation were listed.
fn listed(tenants: &Tenants, organizacao: &str) -> usize {
    let seen = tenants.azure.seen();
    let listings = seen
        .iter()
        .filter(|seen| seen.operation == "list_projects" && seen.org == organizacao);
    listings.count()
}

/// A tenant whose projects have changed since `Tenants` synchronised them.
async fn changed() -> Tenants {
    let tenants = Tenants::new().await;
    tenants.azure.projects("contoso", 1);
    tenants.azure.projects("fabrikam", 3);
    tenants.azure.edit_projects("fabrikam", |all| {
        all.remove(0);
    });
    tenants.azure.forget_requests();
    tenants
}

#[tokio::test]
async fn sync_by_a_member_counts_its_own_organisation_only() {
    let tenants = changed().await;
    let done = sync(&tenants, &tenants.member, "m-1").await.expect(200);
    let expected = json!({
        "total_azure": 2, "synced": 2, "created": 1, "updated": 1, "deleted": 0,
        "organizations": [{"organization": "contoso", "count": 2, "status": "success", "source": "environment"}],
        "status": "success", "message": "Sincronização concluída: 2 projeto(s) (1 novo(s), 1 atualizado(s))",
        "projetos_sincronizados": 2, "projects_synced": 2, "projects_created": 1, "projects_updated": 1,
        "timestamp": done["timestamp"],
    });
    assert_eq!(done, expected);
}

#[tokio::test]
async fn sync_by_a_member_asks_and_records_nothing_elsewhere() {
    let tenants = changed().await;
    let before = recorded(&tenants, "fabrikam").await;
    for n in 0..10 {
        sync(&tenants, &tenants.member, &format!("m-{n}"))
            .await
            .expect(200);
    }
    assert_eq!(
        (listed(&tenants, "contoso"), listed(&tenants, "fabrikam")),
        (10, 0)
    );
    assert_eq!(recorded(&tenants, "fabrikam").await, before);
    let own = recorded(&tenants, "contoso").await;
    assert_eq!(own[1..], (0..10).map(|n| format!("m-{n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn sync_by_a_member_hides_the_failure_of_another() {
    let tenants = changed().await;
    tenants
        .azure
        .fault("fabrikam", "list_projects", Fault::Status(500, None));
    let done = sync(&tenants, &tenants.member, "m-1").await.expect(200);
    assert_eq!(done["status"], "success");
    let problem = sync(&tenants, &tenants.other, "o-1").await.problem(502);
    assert_eq!(
        problem["detail"],
        "Erro ao listar projetos do Azure DevOps: fabrikam: indisponível (status 500)"
    );
    let done = sync(&tenants, &tenants.admin, "a-1").await.expect(200);
    assert_eq!((&done["status"], &done["synced"]), (&json!("partial"), &json!(2)));
}

#[tokio::test]
async fn joined_syncs_leave_one_row_for_each_person() {
    let tenants = Tenants::new().await;
    let second = tenants.azure.pat(&tenants.azure.person("Carla", &["contoso"]));
    // Proved before, so that nothing but the run waits.
    for token in [&second, &tenants.member, &tenants.admin, &tenants.other] {
        tenants.app.get_as(token, "/api/v1/projetos").await.expect(200);
    }
    let before = recorded(&tenants, "contoso").await.len();
    let others = recorded(&tenants, "fabrikam").await.len();
    tenants.azure.forget_requests();
    let hold = tenants.azure.hold_operation("contoso", "list_projects");
    let asked = [
        (&tenants.member, "m-1"),
        (&second, "s-1"),
        (&tenants.member, "m-2"),
        (&tenants.admin, "a-1"),
        (&second, "s-2"),
        (&tenants.other, "o-1"),
    ];
    let requests = asked.map(|(token, request_id)| sync(&tenants, token, request_id));
    let release = async {
        eventually("the run is under way", async || listed(&tenants, "contoso") == 1).await;
        drop(hold);
    };
    let (replies, ()) = tokio::join!(join_all(requests), release);
    let counts: Vec<Value> = replies
        .iter()
        .map(|reply| reply.expect(200)["synced"].clone())
        .collect();
    assert_eq!(
        counts,
        [1, 1, 1, 2, 1, 1],
        "the administrator sees both organisations"
    );
    assert_eq!(
        (listed(&tenants, "contoso"), listed(&tenants, "fabrikam")),
        (1, 1)
    );
    let mut own = recorded(&tenants, "contoso").await.split_off(before);
    own.sort();
    assert_eq!(own, ["a-1", "m-1", "s-1"]);
    let mut elsewhere = recorded(&tenants, "fabrikam").await.split_off(others);
    elsewhere.sort();
    assert_eq!(elsewhere, ["a-1", "o-1"]);
}

#[tokio::test]
async fn sync_without_own_pat_uses_no_other_pat() {
    let tenants = Tenants::with(&[("AZURE_DEVOPS_ORG_PATS", "")]).await;
    let body = json!({"organization_name": "fabrikam", "pat": tenants.service_pat});
    let create = Request::post("/api/v1/organization-pats")
        .bearer(&tenants.admin)
        .json(&body);
    tenants.app.send(create).await.expect(201);
    tenants.azure.forget_requests();
    let done = sync(&tenants, &tenants.member, "m-1").await.expect(200);
    assert_eq!(
        done["organizations"],
        json!([{"organization": "contoso", "count": 1, "status": "success", "source": "caller"}])
    );
    assert_eq!(listed(&tenants, "fabrikam"), 0);
}
