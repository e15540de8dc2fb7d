//! Lists and reports read the replica while there is one to trust, and the primary otherwise.
//!
//! The "replica" is a database with other rows in it, so that it shows who was read. `.ci/read-replica` has a real standby.

use reqwest::StatusCode;
use uuid::Uuid;

use crate::support::{RunningServer, TestDatabase, eventually};

const LISTS: [&str; 3] = ["/api/v1/atividades", "/api/v1/projetos", "/api/v1/auditoria"];

async fn nomes(server: &RunningServer) -> String {
    let reply = reqwest::get(server.url("/api/v1/atividades")).await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    reply.text().await.unwrap()
}

async fn plant(database: &TestDatabase, nome: &str) -> Uuid {
    sqlx::query_scalar("INSERT INTO atividades (id, nome) VALUES (gen_random_uuid(), $1) RETURNING id")
        .bind(nome)
        .fetch_one(&database.pool().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn lists_read_the_replica_and_the_primary_when_it_goes() {
    let (primary, replica) = (TestDatabase::new().await, TestDatabase::new().await);
    let id = plant(&primary, "Do primário").await;
    plant(&replica, "Da réplica").await;
    let server = RunningServer::start(&primary.url, [("DATABASE_READ_URL", replica.url.as_str())]).await;
    eventually("the replica is read", async || {
        nomes(&server).await.contains("Da réplica")
    })
    .await;

    // Not a list: read where it was written.
    let one = reqwest::get(server.url(&format!("/api/v1/atividades/{id}")))
        .await
        .unwrap();
    assert_eq!(one.status(), StatusCode::OK);

    // The loan ends, and with it the database and every connection to it.
    drop(replica);
    eventually("the primary is read", async || {
        // Not one failure on the way.
        for list in LISTS {
            let reply = reqwest::get(server.url(list)).await.unwrap();
            assert_eq!(reply.status(), StatusCode::OK, "{list}");
        }
        nomes(&server).await.contains("Do primário")
    })
    .await;
}

#[tokio::test]
async fn a_replica_that_is_not_there_harms_nobody() {
    let primary = TestDatabase::new().await;
    plant(&primary, "Do primário").await;
    let nowhere = "postgres://a:b@127.0.0.1:1/a";
    let server = RunningServer::start(&primary.url, [("DATABASE_READ_URL", nowhere)]).await;
    assert!(nomes(&server).await.contains("Do primário"));
}
