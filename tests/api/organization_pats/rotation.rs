//! The rotation of docs/operations.md, step by step: two replicas of neighbouring steps share the vault, as
//! they do while a restart rolls through.

use super::PATH;
use crate::support::process::{aponta, run};
use crate::support::tenants::{KEY, NEXT_KEY};
use crate::support::{Request, Tenants, TestApp};

/// How many stored PATs this replica can read.
async fn readable(tenants: &Tenants, replica: &TestApp) -> usize {
    let listed = replica.get_as(&tenants.admin, PATH).await.expect(200);
    let items = listed["items"].as_array().unwrap();
    items.iter().filter(|item| item["pat_masked"].is_string()).count()
}

/// Stores the PAT of this organisation anew.
async fn store(tenants: &Tenants, replica: &TestApp, id: uuid::Uuid) {
    let body = serde_json::json!({"pat": tenants.service_pat});
    let put = Request::put(&format!("{PATH}/{id}?validate_first=false"));
    replica
        .send(put.bearer(&tenants.admin).json(&body))
        .await
        .expect(200);
}

async fn rotate(tenants: &Tenants, keys: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = aponta(folder.path(), &["rotate-pat-keys"]);
    command
        .env("DATABASE_URL", tenants.app.database_url())
        .env("AZURE_DEVOPS_ORG_URL", "http://127.0.0.1:1/contoso")
        .env("PAT_ENCRYPTION_KEYS", keys);
    let (code, out, err) = run(command).await;
    assert_eq!(code, 0, "{err}");
    out
}

#[tokio::test]
async fn rotation_step_by_step_leaves_every_pat_readable() {
    let tenants = Tenants::new().await;
    let ids = [
        tenants.stored_pat_of("contoso").await,
        tenants.stored_pat_of("fabrikam").await,
    ];
    let [old_new, new_old] = [format!("{KEY},{NEXT_KEY}"), format!("{NEXT_KEY},{KEY}")];
    let roll = async |before: &str, after: &str| {
        let replicas = [before, after].map(|keys| tenants.app.replica_with("PAT_ENCRYPTION_KEYS", keys));
        for replica in &replicas {
            assert_eq!(
                readable(&tenants, replica).await,
                2,
                "{before} to {after}: of the step before"
            );
        }
        for (replica, id) in replicas.iter().zip(ids) {
            store(&tenants, replica, id).await;
        }
        for replica in &replicas {
            assert_eq!(
                readable(&tenants, replica).await,
                2,
                "{before} to {after}: of each other"
            );
        }
    };
    roll(KEY, &old_new).await;
    roll(&old_new, &new_old).await;
    let out = rotate(&tenants, &new_old).await;
    assert!(out.contains("1 PAT(s) encrypted anew"), "{out}");
    roll(&new_old, NEXT_KEY).await;
}

/// Why there are four steps: a replica that restarts last cannot read what the first one stores.
#[tokio::test]
async fn rotation_in_one_step_hides_pats_from_old_replicas() {
    let tenants = Tenants::new().await;
    let id = tenants.stored_pat_of("contoso").await;
    let restarted = tenants
        .app
        .replica_with("PAT_ENCRYPTION_KEYS", &format!("{NEXT_KEY},{KEY}"));
    store(&tenants, &restarted, id).await;
    assert_eq!(readable(&tenants, &restarted).await, 1);
    assert_eq!(readable(&tenants, &tenants.app).await, 0);
}
