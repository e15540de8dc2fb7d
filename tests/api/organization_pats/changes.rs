//! Changing a stored PAT, and the address that people are shown.

use azure_devops_fake::Fault;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{PATH, create, send};
use crate::support::{Reply, Request, Tenants, eventually};

async fn change(tenants: &Tenants, id: Uuid, query: &str, body: &Value) -> Reply {
    send(tenants, Request::put(&format!("{PATH}/{id}{query}")).json(body)).await
}

async fn stored(tenants: &Tenants, id: Uuid) -> Value {
    send(tenants, Request::get(&format!("{PATH}/{id}")))
        .await
        .expect(200)
}

#[tokio::test]
async fn put_of_a_refused_pat_changes_nothing() {
    let tenants = Tenants::new().await;
    let id = tenants.stored_pat().await;
    let before = stored(&tenants, id).await;
    let body = json!({"pat": "made-up-token", "descricao": "new"});
    for query in ["", "?validate_first=true"] {
        let refused = change(&tenants, id, query, &body).await.problem(400);
        assert_eq!(
            refused["detail"],
            "PAT inválido: PAT inválido ou expirado (401 Unauthorized)."
        );
    }
    // Trouble says nothing about the PAT.
    tenants.azure.fault("contoso", "list_projects", Fault::Hang);
    let body = json!({"pat": tenants.service_pat, "descricao": "new"});
    change(&tenants, id, "", &body).await.problem(504);
    assert_eq!(stored(&tenants, id).await, before);
}

#[tokio::test]
async fn put_of_a_pat_says_whether_it_was_tried() {
    let tenants = Tenants::new().await;
    let id = tenants.stored_pat().await;
    let untried = change(
        &tenants,
        id,
        "?validate_first=false",
        &json!({"pat": "made-up-token"}),
    )
    .await;
    assert_eq!(untried.expect(200)["status_validacao"], "não verificado");
    let tried = change(&tenants, id, "", &json!({"pat": tenants.service_pat})).await;
    assert_eq!(tried.expect(200)["status_validacao"], "válido");
    tenants.azure.forget_requests();
    let other = change(&tenants, id, "", &json!({"descricao": "x", "pat": null})).await;
    assert_eq!(other.expect(200)["status_validacao"], "válido");
    assert_eq!(tenants.azure.count("list_projects"), 0, "the PAT is the same");
    let unknown = change(&tenants, Uuid::new_v4(), "", &json!({"pat": tenants.service_pat})).await;
    unknown.problem(404);
    assert_eq!(
        tenants.azure.count("list_projects"),
        0,
        "there is nothing to change"
    );
}

/// The only connection is free for others while Azure DevOps is asked.
#[tokio::test]
async fn put_of_a_pat_deleted_meanwhile_is_404() {
    let tenants = Tenants::with(&[("DATABASE_POOL_MAX", "1"), ("AZURE_DEVOPS_TIMEOUT_MS", "20000")]).await;
    let id = tenants.stored_pat().await;
    tenants.azure.forget_requests();
    let hold = tenants.azure.hold_operation("contoso", "list_projects");
    let body = json!({"pat": tenants.service_pat});
    let changing = change(&tenants, id, "", &body);
    let deleting = async {
        eventually("the PAT is being tried", async || {
            tenants.azure.count("list_projects") == 1
        })
        .await;
        let deleted = send(&tenants, Request::delete(&format!("{PATH}/{id}"))).await;
        drop(hold);
        deleted
    };
    let (changed, deleted) = tokio::join!(changing, deleting);
    assert_eq!(deleted.status, 204);
    assert_eq!(changed.problem(404)["detail"], "PAT não encontrado");
}

#[tokio::test]
async fn address_is_https_and_nothing_but_host_and_path() {
    let tenants = Tenants::new().await;
    let id = tenants.stored_pat().await;
    for url in [
        "http://dev.azure.com/contoso",
        "javascript:alert(1)",
        "ftp://dev.azure.com/contoso",
        "https://user:secret@dev.azure.com/contoso",
        "https://dev.azure.com/contoso?x=1",
        "https://dev.azure.com/contoso#x",
        "contoso",
    ] {
        let new =
            json!({"organization_name": "fabrikam", "pat": tenants.service_pat, "organization_url": url});
        let expected = ["body.organization_url value_error"];
        assert_eq!(create(&tenants, "", new).await.failures(), expected, "{url}");
        let changed = change(&tenants, id, "", &json!({"organization_url": url})).await;
        assert_eq!(changed.failures(), expected, "{url}");
        assert!(!changed.text().contains("secret"));
    }
    let long = format!("https://dev.azure.com/{}", "a".repeat(500));
    let changed = change(&tenants, id, "", &json!({"organization_url": long})).await;
    assert_eq!(changed.failures(), ["body.organization_url string_too_long"]);
    for url in [
        "https://tfs.example:8443/tfs/Equipe",
        "http://localhost:8081/contoso",
    ] {
        let changed = change(&tenants, id, "", &json!({"organization_url": url})).await;
        assert_eq!(changed.expect(200)["organization_url"], url);
    }
}

#[tokio::test]
async fn address_in_production_is_https_even_on_loopback() {
    let tenants = Tenants::with(&[("ENVIRONMENT", "production")]).await;
    let id = tenants.stored_pat().await;
    let url = "http://localhost:8081/contoso";
    let expected = ["body.organization_url value_error"];
    let changed = change(&tenants, id, "", &json!({"organization_url": url})).await;
    assert_eq!(changed.failures(), expected);
    let new = json!({"organization_name": "fabrikam", "pat": tenants.service_pat, "organization_url": url});
    assert_eq!(create(&tenants, "", new).await.failures(), expected);
}
