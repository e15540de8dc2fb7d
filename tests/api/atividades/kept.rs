//! What a replica keeps of activities, lists and one at a time: each change shows at once, from any caller
//! and any replica.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use super::{PATH, create, path_of};
use crate::support::TestApp;
use crate::support::data::projeto;

async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

async fn list(app: &TestApp) -> Value {
    app.get(PATH).await.expect(200)
}

/// What a replica answers that has kept something else is what one answers that has kept nothing: the list,
/// and each activity of it by itself.
async fn assert_follows(kept: &TestApp, before: &mut Value, change: &str) {
    let now = list(kept).await;
    assert_eq!(now, list(&kept.replica()).await, "{change}");
    assert_ne!(now, *before, "{change}");
    for mut listed in now["items"].as_array().unwrap().clone() {
        // Its place in the list.
        listed.as_object_mut().unwrap().remove("order");
        assert_eq!(kept.get(&path_of(&listed)).await.expect(200), listed, "{change}");
    }
    *before = now;
}

#[tokio::test]
async fn a_change_at_one_replica_shows_at_once_at_another() {
    let app = TestApp::new().await;
    let other = app.replica();
    let (a, b) = (projeto(&app.pool, "A").await, projeto(&app.pool, "B").await);
    let mut before = list(&other).await;

    let atividade = create(&app, "Revisão", a).await;
    assert_follows(&other, &mut before, "created").await;
    let path = path_of(&atividade);
    for (change, body) in [
        ("renamed", json!({"nome": "Análise", "ids_projetos": [a]})),
        ("linked", json!({"nome": "Análise", "ids_projetos": [a, b]})),
        ("reordered", json!({"nome": "Análise", "ids_projetos": [b, a]})),
        (
            "switched off",
            json!({"nome": "Análise", "ativo": false, "ids_projetos": [b, a]}),
        ),
    ] {
        app.put(&path, body).await.expect(200);
        assert_follows(&other, &mut before, change).await;
    }
    for (change, sql) in [
        (
            "a project is renamed",
            "UPDATE projetos SET nome = 'C' WHERE nome = 'A'",
        ),
        (
            "a link goes",
            "DELETE FROM atividade_projeto WHERE id_projeto = (SELECT id FROM projetos WHERE nome = 'C')",
        ),
        ("a project goes", "DELETE FROM projetos WHERE nome = 'B'"),
        (
            "by hand, without our search_path",
            "BEGIN; SET LOCAL search_path = pg_catalog; UPDATE api_aponta.atividades SET criado_por = 'x'; COMMIT",
        ),
        (
            "several in one transaction",
            "BEGIN; UPDATE atividades SET nome = nome || '!'; UPDATE atividades SET ativo = true; COMMIT",
        ),
    ] {
        run(&app.pool, sql).await;
        assert_follows(&other, &mut before, change).await;
    }
    app.delete(&path).await.expect(204);
    assert_follows(&other, &mut before, "deleted").await;
    other.get(&path).await.problem(404);
    create(&app, "Revisão", a).await;
    assert_follows(&other, &mut before, "created again").await;
    run(&app.pool, "TRUNCATE atividades CASCADE").await;
    assert_follows(&other, &mut before, "truncated").await;
}

#[tokio::test]
async fn what_holds_is_not_read_again() {
    let app = TestApp::new().await;
    let atividade = create(&app, "Revisão", projeto(&app.pool, "A").await).await;
    let path = path_of(&atividade);
    let before = list(&app).await;
    assert_eq!(app.get(&path).await.expect(200), atividade);
    // A synchronisation writes every project, changed or not.
    run(&app.pool, "UPDATE projetos SET nome = nome, last_sync_at = now()").await;
    // No activity can be read any more, without a notice.
    run(&app.pool, "ALTER TABLE atividades RENAME COLUMN nome TO outro").await;
    assert_eq!(list(&app).await, before);
    assert_eq!(app.get(&path).await.expect(200), atividade);
    app.replica().get(&path).await.problem(500);
    app.get(&format!("{PATH}?limit=1")).await.problem(500);
}

#[tokio::test]
async fn writers_of_different_activities_do_not_wait_for_each_other() {
    let app = TestApp::new().await;
    let atividade = create(&app, "Revisão", projeto(&app.pool, "A").await).await;
    let mut other = app.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO atividades (id, nome) VALUES (gen_random_uuid(), 'Outra')")
        .execute(&mut *other)
        .await
        .unwrap();
    let body = json!({"nome": "Análise"});
    app.put(&path_of(&atividade), body).await.expect(200);
    let mut before = list(&app).await;
    other.commit().await.unwrap();
    assert_follows(&app, &mut before, "the slower one is done").await;
}
