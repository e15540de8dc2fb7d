//! Lists and reports read the replica only while it is a standby. `.ci/read-replica` has a real one, which
//! lags, dies, comes back and is promoted; here the address names servers that are none.

use reqwest::StatusCode;

use crate::support::measured::{start_with, value};
use crate::support::{RunningServer, TestDatabase, eventually};

const LISTS: [&str; 3] = ["/api/v1/atividades", "/api/v1/projetos", "/api/v1/auditoria"];

/// The activities, after every list was answered.
async fn nomes(api: &str) -> String {
    for list in LISTS {
        let reply = reqwest::get(format!("{api}{list}")).await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK, "{list}");
    }
    let list = reqwest::get(format!("{api}/api/v1/atividades")).await.unwrap();
    list.text().await.unwrap()
}

async fn plant(database: &TestDatabase, nome: &str) {
    sqlx::query("INSERT INTO atividades (id, nome) VALUES (gen_random_uuid(), $1)")
        .bind(nome)
        .execute(&database.pool().await)
        .await
        .unwrap();
}

/// The test database is a server of its own, which once was trusted for ever.
#[tokio::test]
async fn replica_that_is_no_standby_is_never_read() {
    let (primary, other) = (TestDatabase::new().await, TestDatabase::new().await);
    plant(&primary, "Do primário").await;
    plant(&other, "De outro").await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("DATABASE_READ_URL", other.url.as_str()),
        ("RATE_LIMIT_ENABLED", "false"),
    ];
    let (server, api, metrics) = start_with(&primary, folder.path(), &settings).await;
    let others = other.pool().await;
    let sessions = async || -> i64 {
        let sessions = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()";
        sqlx::query_scalar(sessions).fetch_one(&others).await.unwrap()
    };
    let before = sessions().await;
    // A later look must not find what the first one did not.
    eventually("it was looked at several times", async || {
        let listed = nomes(&api).await;
        assert!(
            listed.contains("Do primário") && !listed.contains("De outro"),
            "{listed}"
        );
        let scrape = reqwest::get(format!("{metrics}/metrics")).await.unwrap();
        let used = value(&scrape.text().await.unwrap(), &["aponta_replica_used"]);
        assert_eq!(used, Some(0.0));
        sessions().await >= before + 3
    })
    .await;
    assert_eq!(reqwest::get(format!("{api}/ready")).await.unwrap().status(), 200);
    assert_eq!(server.signal("TERM").await, 0);
}

#[tokio::test]
async fn missing_replica_fails_no_request() {
    let primary = TestDatabase::new().await;
    plant(&primary, "Do primário").await;
    let nowhere = "postgres://a:b@127.0.0.1:1/a";
    let server = RunningServer::start(&primary.url, [("DATABASE_READ_URL", nowhere)]).await;
    assert!(nomes(&server.url("")).await.contains("Do primário"));
}
