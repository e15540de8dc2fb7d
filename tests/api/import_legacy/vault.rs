//! The vault of the FastAPI service in ours.

use serde_json::json;

use super::{HEAD, LEGACY_KEY, counts, import, line_about, load};
use crate::support::data::count;
use crate::support::process::{aponta, run};
use crate::support::tenants::{KEY, NEXT_KEY};
use crate::support::{TestApp, TestDatabase};

#[tokio::test]
async fn service_reads_the_pats_and_knows_which_have_expired() {
    let app = TestApp::with([("PAT_ENCRYPTION_KEYS", KEY)]).await;
    load(&app.pool, HEAD).await;
    let out = import(app.database_url(), &["--legacy-key", LEGACY_KEY]).await;
    for secret in [LEGACY_KEY, "pat-de-teste"] {
        assert!(!out.contains(secret), "{out}");
    }
    let listed = app.get("/api/v1/organization-pats").await.expect(200);
    let expected = json!([
        {
            "id": "d0000000-0000-4000-8000-000000000001", "organization_name": "contoso",
            "organization_url": "https://dev.azure.com/contoso", "pat_masked": "pat-***************toso",
            "descricao": "Equipe", "expira_em": "2030-02-01T02:59:59.000000Z", "ativo": true,
            "criado_por": "ana@contoso.com", "criado_em": "2026-01-25T10:00:00.000000Z",
            "atualizado_em": "2026-01-26T10:00:00.000000Z", "status_validacao": "não verificado"
        },
        {
            "id": "d0000000-0000-4000-8000-000000000002", "organization_name": "fabrikam",
            "organization_url": "https://fabrikam.visualstudio.com", "pat_masked": "pat-****************ikam",
            "descricao": null, "expira_em": "2025-01-01T03:00:00.000000Z", "ativo": true, "criado_por": null,
            "criado_em": "2026-01-25T10:00:00.000000Z", "atualizado_em": "2026-01-25T10:00:00.000000Z",
            "status_validacao": "expirado"
        }
    ]);
    assert_eq!(listed["items"], expected);
    // Bound to its row and under a key of ours: it can be encrypted anew.
    let folder = tempfile::tempdir().unwrap();
    let mut rotate = aponta(folder.path(), &["rotate-pat-keys"]);
    rotate
        .env("DATABASE_URL", app.database_url())
        .env("AZURE_DEVOPS_ORG_URL", "http://127.0.0.1:1/contoso")
        .env("PAT_ENCRYPTION_KEYS", format!("{NEXT_KEY},{KEY}"));
    let (code, out, err) = run(rotate).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("2 PAT(s) encrypted anew"), "{out}");
}

#[tokio::test]
async fn vault_without_its_key_is_imported_later() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    load(&pool, HEAD).await;
    let out = import(&database.url, &[]).await;
    assert_eq!(counts(&out, "organization_pats"), [4, 0, 0, 0, 0, 4], "{out}");
    let about = line_about(&out, "d0000000-0000-4000-8000-000000000001");
    assert!(
        about.ends_with("the PAT of contoso: no --legacy-key was given"),
        "{about}"
    );
    assert_eq!(count(&pool, "organization_pats").await, 0);
    let out = import(&database.url, &["--legacy-key", LEGACY_KEY, "--timezone", "UTC"]).await;
    assert_eq!(counts(&out, "organization_pats"), [4, 2, 0, 0, 0, 2], "{out}");
    let expira_em: Vec<String> = sqlx::query_scalar(
        "SELECT (expira_em AT TIME ZONE 'UTC')::text FROM organization_pats ORDER BY organizacao",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(expira_em, ["2030-01-31 23:59:59", "2025-01-01 00:00:00"]);
}

#[tokio::test]
async fn vault_without_our_key_is_not_imported() {
    let database = TestDatabase::new().await;
    load(&database.pool().await, HEAD).await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = aponta(
        folder.path(),
        &["import-legacy", "--schema", "legado", "--from", &database.url],
    );
    command
        .env("DATABASE_URL", &database.url)
        .env("AZURE_DEVOPS_ORG_URL", "http://127.0.0.1:1/contoso")
        .env("LEGACY_KEY", LEGACY_KEY);
    let (code, out, err) = run(command).await;
    assert_eq!(code, 0, "{err}");
    let about = line_about(&out, "d0000000-0000-4000-8000-000000000001");
    assert!(about.contains("PAT_ENCRYPTION_KEYS has no key"), "{about}");
}
