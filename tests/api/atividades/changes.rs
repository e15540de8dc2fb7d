//! Activities changed and deleted, also by many at once.

use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{PATH, create, path_of};
use crate::support::data::{count, projeto};
use crate::support::{Request, TestApp};

#[tokio::test]
async fn update_applies_only_what_is_there() {
    let app = TestApp::new().await;
    let (p, q) = (projeto(&app.pool, "P").await, projeto(&app.pool, "Q").await);
    let created = app
        .post(PATH, json!({"nome": "a", "descricao": "d", "ids_projetos": [p]}))
        .await
        .expect(201);
    let path = path_of(&created);

    assert_eq!(
        app.put(&path, json!({})).await.expect(200),
        created,
        "an empty object changes nothing"
    );
    let same = json!({"nome": " a ", "descricao": "d", "ids_projetos": [p]});
    assert_eq!(
        app.put(&path, same).await.expect(200),
        created,
        "nor do equal values"
    );

    let renamed = app.put(&path, json!({"nome": " b "})).await.expect(200);
    assert_eq!(
        (&renamed["nome"], &renamed["descricao"]),
        (&json!("b"), &json!("d"))
    );
    assert!(renamed["atualizado_em"].as_str() > created["atualizado_em"].as_str());

    let moved = app.put(&path, json!({"ids_projetos": [q, p]})).await.expect(200);
    assert_eq!(
        moved["projetos"],
        json!([{"id": q, "nome": "Q"}, {"id": p, "nome": "P"}])
    );
    assert!(
        moved["atualizado_em"].as_str() > renamed["atualizado_em"].as_str(),
        "a change of projects counts"
    );

    let patched = app
        .send(Request::new(axum::http::Method::PATCH, &path).json(&json!({"descricao": null})))
        .await;
    let patched = patched.expect(200);
    assert_eq!(
        (&patched["descricao"], &patched["nome"]),
        (&Value::Null, &json!("b"))
    );

    // D-21: the single project is not ignored on update.
    let single = app
        .put(&path, json!({"id_projeto": p, "ids_projetos": null}))
        .await
        .expect(200);
    assert_eq!(single["projetos"], json!([{"id": p, "nome": "P"}]));
    assert_eq!(app.get(&path).await.expect(200), single);
}

#[tokio::test]
async fn update_refuses_null_and_leaves_everything_as_it_was() {
    let app = TestApp::new().await;
    let p = projeto(&app.pool, "P").await;
    let created = create(&app, "a", p).await;
    let path = path_of(&created);
    // D-22: these were 500.
    let nulls = app.put(&path, json!({"nome": null, "ativo": null})).await;
    assert_eq!(
        nulls.failures(),
        ["body.nome string_type", "body.ativo bool_parsing"]
    );
    assert_eq!(
        app.put(&path, json!({"ids_projetos": []})).await.failures(),
        ["body.ids_projetos too_short"]
    );
    let unknown = app
        .put(&path, json!({"nome": "b", "ids_projetos": [Uuid::nil()]}))
        .await
        .problem(400);
    assert_eq!(
        unknown["detail"],
        format!("Projetos não encontrados: {}", Uuid::nil())
    );
    assert_eq!(
        app.get(&path).await.expect(200),
        created,
        "the name was rolled back with the rest"
    );
}

#[tokio::test]
async fn a_missing_activity_is_404_before_anything_else() {
    let app = TestApp::new().await;
    let id = Uuid::new_v4();
    let path = format!("{PATH}/{id}");
    let text = format!("Atividade com ID {id} não encontrada");
    assert_eq!(app.get(&path).await.problem(404)["detail"], text);
    assert_eq!(
        app.put(&path, json!({"ids_projetos": [Uuid::nil()]}))
            .await
            .problem(404)["detail"],
        text
    );
    assert_eq!(app.delete(&path).await.problem(404)["detail"], text);
    // The id is told in its canonical spelling.
    let shouted = id.simple().to_string().to_uppercase();
    assert_eq!(
        app.get(&format!("{PATH}/{shouted}")).await.problem(404)["detail"],
        text
    );
    assert_eq!(
        app.get(&format!("{PATH}/abc")).await.failures(),
        ["path.atividade_id uuid_parsing"]
    );
}

#[tokio::test]
async fn delete_removes_the_activity_and_its_links() {
    let app = TestApp::new().await;
    let p = projeto(&app.pool, "P").await;
    let created = create(&app, "a", p).await;
    let reply = app.delete(&path_of(&created)).await;
    assert_eq!((reply.status.as_u16(), reply.bytes.len()), (204, 0));
    assert_eq!(count(&app.pool, "atividades").await, 0);
    assert_eq!(count(&app.pool, "atividade_projeto").await, 0);
    assert_eq!(count(&app.pool, "projetos").await, 1);
    app.delete(&path_of(&created)).await.problem(404);
}

#[tokio::test]
async fn delete_of_an_activity_in_use_is_409() {
    let app = TestApp::new().await;
    let p = projeto(&app.pool, "P").await;
    let created = create(&app, "a", p).await;
    // Time entries do not exist yet; anything that points at the activity stands for them.
    sqlx::raw_sql(
        "CREATE TABLE em_uso (id_atividade uuid REFERENCES atividades ON DELETE RESTRICT);
         INSERT INTO em_uso SELECT id FROM atividades",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    // D-23: this was 500.
    let problem = app.delete(&path_of(&created)).await.problem(409);
    assert_eq!(problem["code"], "atividade_em_uso");
    assert_eq!(count(&app.pool, "atividades").await, 1);
}

#[tokio::test]
async fn concurrent_writes_never_fail() {
    let app = std::sync::Arc::new(TestApp::new().await);
    let mut projetos = Vec::new();
    for n in 0..4 {
        projetos.push(projeto(&app.pool, &format!("P{n}")).await);
    }
    let created = create(&app, "a", projetos[0]).await;
    let path = path_of(&created);
    let mut writes = JoinSet::new();
    for n in 0..24 {
        let (app, path) = (std::sync::Arc::clone(&app), path.clone());
        let mut ids = projetos.clone();
        ids.rotate_left(n % 4);
        writes.spawn(async move {
            let same = app
                .post(PATH, json!({"nome": "igual", "ids_projetos": ids}))
                .await
                .status
                .as_u16();
            // D-49: two writers of one set of links collided.
            let replaced = app
                .put(&path, json!({"ids_projetos": ids, "nome": format!("n{n}")}))
                .await
                .status
                .as_u16();
            (same, replaced)
        });
    }
    while let Some(statuses) = writes.join_next().await {
        assert_eq!(statuses.unwrap(), (201, 200));
    }
    assert_eq!(
        app.get(&path).await.expect(200)["projetos"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    assert_eq!(count(&app.pool, "atividades").await, 25);
}

#[tokio::test]
async fn concurrent_deletes_answer_204_once() {
    let app = std::sync::Arc::new(TestApp::new().await);
    let p = projeto(&app.pool, "P").await;
    let path = path_of(&create(&app, "a", p).await);
    let mut deletes = JoinSet::new();
    for _ in 0..8 {
        let (app, path) = (std::sync::Arc::clone(&app), path.clone());
        deletes.spawn(async move { app.delete(&path).await.status.as_u16() });
    }
    let mut statuses = deletes.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404, 404, 404, 404, 404, 404, 404]);
}

#[tokio::test]
async fn change_shows_at_once_at_another_replica() {
    let app = TestApp::new().await;
    let other = app.replica();
    let created = create(&app, "Revisão", projeto(&app.pool, "P").await).await;
    let path = path_of(&created);
    assert_eq!(other.get(&path).await.expect(200), created);
    let changed = app.put(&path, json!({"nome": "Análise"})).await.expect(200);
    assert_eq!(other.get(&path).await.expect(200), changed);
    assert_eq!(other.get(PATH).await.expect(200)["items"][0]["nome"], "Análise");
}

#[tokio::test]
async fn change_waits_for_no_writer_of_another_atividade() {
    let app = TestApp::new().await;
    let created = create(&app, "Revisão", projeto(&app.pool, "P").await).await;
    let mut other = app.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO atividades (id, nome) VALUES (gen_random_uuid(), 'Outra')")
        .execute(&mut *other)
        .await
        .unwrap();
    app.put(&path_of(&created), json!({"nome": "Análise"}))
        .await
        .expect(200);
    other.commit().await.unwrap();
    assert_eq!(count(&app.pool, "atividades").await, 2);
}

#[tokio::test]
async fn creation_returns_the_address_of_the_new_atividade() {
    let app = TestApp::new().await;
    let body = json!({"nome": "Revisão", "ids_projetos": [projeto(&app.pool, "P").await]});
    let reply = app.post(PATH, body).await;
    let location = reply.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(app.get(&location).await.expect(200), reply.expect(201));
}
